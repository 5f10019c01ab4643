# stops: 5
# needs module List::Util
# Subs that C code calls: List::Util.
use strict;
use List::Util qw(first reduce);
use Oracle ();

my $found = first { Oracle::here("first $_"); 1 } 1, 2;
my $sum = reduce { Oracle::here("reduce $a $b"); $a + $b } 1, 2;
sub within {
    my @list = @_;
    return first {
        my $x = $_;
        first { Oracle::here('first in a first'); 1 } $x;
    } @list;
}
within(1);
sub by_name { Oracle::here('named sub'); 1 }
$found = first(\&by_name, 1);

$found = first { eval { Oracle::here('eval in first') }; 1 } 1;
