# stops: 5
# map and grep blocks have no frames of their own.
use strict;
use Oracle ();

sub each_one { Oracle::here($_[0]); 1 }

my @list = map { each_one("map $_") } 1;
@list = grep { each_one("grep $_") } 1;
sub nested {
    return map {
        my $x = $_;
        grep {
            each_one("grep in map $x");
        } 1;
    } @_;
}
nested(1);
@list = map +(each_one("map expression"), $_), 1;
@list = map {
    my $y = $_;
    $y++;
    each_one("map of several statements");
    ($y, 1);
} 1;
