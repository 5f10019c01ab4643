# Works for some seconds and ends with a status of its own.
use strict;

sub work {
    my $sum = 0;
    $sum += $_ for 1 .. 1_000;
    return $sum;
}

my $end = time + 4;
work() while time < $end;
exit 7;
