# Burns a CPU two subs deep.
use strict;
$| = 1;

sub inner {
    my ($count) = @_;
    my @list = (1, 2, 3);
    my $sum = 0;
    $sum += $_ for 1 .. $count;
    return $sum + @list;
}

sub outer {
    my $times = 0;
    while (1) {
        inner(20_000);
        print "ready $$\n" if !$times++;
    }
}

outer();
