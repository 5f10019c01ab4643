# stops: 5
# lvalue subs, prototypes.
use strict;
use Oracle ();

my $value = 0;
sub place : lvalue { Oracle::here('lvalue'); $value }
place() = 3;
sub nested : lvalue { place() }
nested() = 4;
sub with_block(&@) { my ($code, @rest) = @_; return $code->(@rest) }
with_block { Oracle::here('block argument'); 1 } 1, 2;
with_block {
    my $x = 1;
    with_block { Oracle::here('block in a block') } 3;
} 1, 2;
sub by_ref(\@$) { Oracle::here('\@') }
my @array = (1);
by_ref @array, 1;
