# Works for a second and ends with a status of its own.
use strict;

sub work {
    my $sum = 0;
    $sum += $_ for 1 .. 1_000;
    return $sum;
}

my $end = time + 1;
work() while time < $end;
exit 7;
