# stops: 5
# $SIG{__WARN__} and $SIG{__DIE__}.
use strict;
use Oracle ();

sub on_warn { Oracle::here('warn') }
$SIG{__WARN__} = \&on_warn;
sub complain { warn "x\n" }
complain();
{
    local $^W = 1;
    my $undefined;
    my $text = "a $undefined";
}
$SIG{__DIE__} = sub { Oracle::here('die') };
eval { die "x\n" };
sub fails { my %h; my $x = $h{a}->method; }
eval { fails() };
eval "\n\nrequire Not::There";
