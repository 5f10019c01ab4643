# stops: 7
# needs module List::Util
# Subs that C code calls: List::Util and others.
use strict;
use List::Util qw(first reduce sum max);
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

package Weight;
use overload '+' => sub { Oracle::here('overloaded + in sum'); 1 }, '0+' => sub { 1 }, 'fallback' => 1;
package main;
$sum = sum(bless([], 'Weight'), 1);
{
    package Greedy;
    use overload '>' => sub { Oracle::here('overloaded > in max'); 1 }, '<' => sub { Oracle::here('overloaded < in max'); 1 },
        '<=>' => sub { Oracle::here('overloaded <=> in max'); 1 };
}
$found = max(bless([], 'Greedy'), 1);
$found = first { eval { Oracle::here('eval in first') }; 1 } 1;
