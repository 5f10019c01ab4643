# stops: 3
# Anonymous subs stored into globs keep the name __ANON__, unless they get one.
use strict;
use Oracle ();

package Maker;
sub install {
    no strict 'refs';
    *{"Made::$_[0]"} = sub { Oracle::here("installed as $_[0]"); 1 };
}

package main;
Maker::install('one');
Maker::install('two');
Made::one('one');
Made->two();
{
    local *Made::three = sub { local *__ANON__ = 'three'; Oracle::here('local *__ANON__') };
    Made::three();
}
