# Waits, as a server does that nobody asks anything.
$| = 1;
sub wait_for_work { print "ready\n"; sleep 1 while 1 }
sub serve { wait_for_work() }
serve();
