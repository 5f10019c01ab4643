# stops: 1
# DESTROY while perl shuts down.
use strict;
use vars qw($global);
use Oracle ();

package Object;
sub DESTROY { Oracle::here('global destruction') }

package main;
$global = bless {}, 'Object';
$global->{self} = $global;
