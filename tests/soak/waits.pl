# Waits, as a server does that nobody asks anything. It never wakes up: at 100,000 samples a second on
# a busy machine the moments until it gets a CPU would be thousands of samples, which a block holds.
$| = 1;
sub wait_for_work { print "ready\n"; sleep 1_000_000 while 1 }
sub serve { wait_for_work() }
serve();
