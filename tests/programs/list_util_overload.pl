# needs perl 5.10.1
# needs module List::Util
# stops: 2
# Overloaded operators that C code uses. Before perl 5.10.1 List::Util does not.
use strict;
use List::Util qw(sum max);
use Oracle ();

package Weight;
use overload
    '+' => sub { Oracle::here('+ in sum'); 1 },
    '0+' => sub { 1 },
    'fallback' => 1;
package Height;
use overload
    '>' => sub { Oracle::here('> in max'); 1 },
    '<' => sub { Oracle::here('< in max'); 1 },
    '0+' => sub { 1 };

package main;
my $sum = sum(bless([], 'Weight'), 1);
my $max = max(bless([], 'Height'), 1);
