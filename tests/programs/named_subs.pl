# stops: 3
# Named subs, in several packages and called in every way.
use strict;
use Oracle ();

sub inner { Oracle::here('plain call') }
sub outer { inner(@_); return 1 }

package Shop;
sub sell { &main::outer }

package Shop::Counter::Till;
sub count {
    my $total = Shop::sell(1, 2);
    return $total;
}
sub shared_args { &pass_on }
sub pass_on { Oracle::here('call with & and no list') }

package main;
Shop::Counter::Till::count();
Shop::Counter::Till::shared_args(1);
{
    no strict 'refs';
    my $name = 'Shop::Counter::Till::pass_on';
    &$name();
}
