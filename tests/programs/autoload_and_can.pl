# stops: 5
# needs perl 5.8
# Subs that perl calls by itself: UNIVERSAL, overloaded constants, CORE::GLOBAL, prototypes.
use strict;
use Oracle ();

BEGIN {
    *CORE::GLOBAL::hex = sub { Oracle::here('CORE::GLOBAL'); 1 };
}
my $x = hex('ff');
sub UNIVERSAL::everywhere { Oracle::here('UNIVERSAL') }
main->everywhere;
sub main::can { Oracle::here('can'); return }
my $got = main->can('x');
BEGIN {
    require overload;
    overload::constant(integer => sub { overload::remove_constant(integer => 0); Oracle::here('overloaded constant'); $_[1] });
}
$x = 12;
sub with_attributes : method { Oracle::here('attribute') }
main->with_attributes;
