# stops: 11
# Tied variables.
use strict;
use Oracle ();

package Tied;
sub TIESCALAR { bless [], shift }
sub TIEARRAY { bless [], shift }
sub TIEHASH { bless {}, shift }
sub TIEHANDLE { bless [], shift }
sub FETCH { my ($self, $key) = @_; Oracle::here('FETCH'); return 7 }
sub STORE { my ($self, @rest) = @_; Oracle::here('STORE'); return }
sub FETCHSIZE { Oracle::here('FETCHSIZE'); 3 }
sub EXISTS { Oracle::here('EXISTS'); 1 }
sub FIRSTKEY { Oracle::here('FIRSTKEY'); return }
sub READLINE { Oracle::here('READLINE'); return }
sub PRINT { Oracle::here('PRINT'); 1 }

package main;
tie my $scalar, 'Tied';
my $got = $scalar;
$scalar = 3;
tie my @array, 'Tied';
sub use_array { $got = $array[1]; return $got }
use_array();
$array[2] = 4;
$got = @array;
tie my %hash, 'Tied';
$got = "a $hash{key} b";
$hash{key} = 1;
$got = exists $hash{other};
$got = keys %hash;
tie *HANDLE, 'Tied';
$got = <HANDLE>;
print HANDLE 'text';
