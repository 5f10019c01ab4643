# stops: 9
# local, wantarray contexts, interpolation, conditions.
use strict;
use vars qw($global @array);
use Oracle ();

sub stop { local $_ = 'changed'; Oracle::here($_[0]); return wantarray ? (1, 2) : 1 }

for (1) { stop('void') }
my $scalar = stop('scalar');
my @list = stop('list');
my $text = "a @{[ stop('interpolated') ]} b";
$text = "a ${\ stop('interpolated scalar') } b";
local $global = stop('local');
sub returns_list { return (stop('in a return list'), 1) }
my ($first) = returns_list();
my %hash = map { $_ => 1 } stop('argument of map');
$array[stop('index')] = 1;
