# stops: 8
# Subs and packages that vanish while they run.
use strict;
use Oracle ();

sub redefined {
    no strict 'refs';
    local $^W = 0;
    *{'main::redefined'} = sub { 1 };
    Oracle::here('redefined');
}
redefined();
sub deleted { delete $main::{deleted}; Oracle::here('deleted from its package') }
deleted();
eval q{
    sub redefined_by_eval {
        eval 'no warnings; sub redefined_by_eval { 2 }';
        Oracle::here('redefined by eval');
    }
};
redefined_by_eval();

package Gone;
sub run { undef %Gone::; Oracle::here('package emptied') }
package Moved;
sub run { delete $main::{'Moved::'}; Oracle::here('package deleted') }
package Inner::Part;
sub run { delete $Inner::{'Part::'}; Oracle::here('inner package deleted') }
package main;
Gone::run();
Moved::run();
Inner::Part::run();
my $code = sub { undef $_[0]; Oracle::here('last reference gone') };
$code->($code);
{
    no strict 'refs';
    local *{'main::temporary'} = sub { Oracle::here('temporary glob') };
    &{'main::temporary'}();
}
