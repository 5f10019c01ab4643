# Starts perls one after the other, each of which lives until it was seen or for a moment.
$| = 1;
my $count = shift;
print "ready\n";
for (1 .. $count) {
    system $^X, '-e', 'my $end = (times)[0] + 0.03; sub work { my $n = 0; $n += $_ for 1 .. 500; $n } work() while (times)[0] < $end';
}
