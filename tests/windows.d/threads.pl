# Three threads, each in a sub of its own.
use strict;
use threads;
$| = 1;

sub first { sleep 300 }
sub second { my ($count) = @_; $count ? second($count - 1) : sleep 300 }

my @threads = (threads->create('first'), threads->create('second', 2));

sub third {
    # The others are where they rest by then.
    sleep 2;
    print "ready $$\n";
    sleep 300;
}
third();
