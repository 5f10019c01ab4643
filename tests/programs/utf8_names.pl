# needs perl 5.16
# stops: 5
# Names outside ASCII.
use strict;
use utf8;
use Oracle ();

sub café { Oracle::here('Latin-1 sub') }
café();
sub 名前 { Oracle::here('wide sub') }
名前();
package Größe;
sub messen { Oracle::here('Latin-1 package') }
package 東京::駅;
sub 電車 { Oracle::here('wide package') }
package main;
Größe::messen();
東京::駅->電車;
eval "sub été { Oracle::here('from an eval') } été()";
