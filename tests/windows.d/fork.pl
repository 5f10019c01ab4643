# A process and its fork, which Windows has as two threads of one process.
use strict;
$| = 1;

sub parent {
    sleep 1;
    print "ready $$\n";
    sleep 300;
}

sub child {
    sleep 300;
}

defined(my $pid = fork) or die "fork: $!";
$pid ? parent() : child();
