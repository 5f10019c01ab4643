# stops: 9
# Overloaded operators.
use strict;
use Oracle ();

package Number;
use overload
    '""' => sub { Oracle::here('""'); 'text' },
    '+' => \&plus,
    '<=>' => sub { Oracle::here('<=>'); 0 },
    'bool' => sub { Oracle::here('bool'); 1 },
    '-' => 'minus',
    '&{}' => sub { my $self = shift; sub { Oracle::here('&{}') } },
    '@{}' => sub { Oracle::here('@{}'); [1] },
    'neg' => sub { Oracle::here('neg'); 0 };
sub new { my $x = 1; bless \$x, shift }
sub plus { my ($l, $r, $swapped) = @_; Oracle::here('+'); return 5 }
sub minus { Oracle::here('method by name'); 1 }

package main;
my ($one, $two) = (Number->new, Number->new);
my $text = "<$one>";
my $sum = $one + 2;
$sum = $one - 2;
my @sorted = sort { $a <=> $b } $one, $two;
if ($one) { $sum = 1 }
$one->();
my $first = $one->[0];
$sum = -$one;
sub in_args { return $_[0] }
in_args(
    1,
    3 + $one,
);
