# stops: 4
# Anonymous subs and closures.
use strict;
use Oracle ();

sub make_counter {
    my $count = shift;
    return sub {
        $count += shift;
        Oracle::here('closure');
        return $count;
    };
}

sub nested {
    my $x = shift;
    return sub {
        my $y = shift;
        return sub { my $z = $x + $y; Oracle::here('closure in a closure'); $z };
    };
}

my $counter = make_counter(3);
$counter->(4);
nested(1)->(2)->();
sub { Oracle::here('called at once') }->();
my %dispatch = (stop => sub { Oracle::here('dispatch table') });
$dispatch{stop}->(1);
