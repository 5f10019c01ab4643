# stops: 3
# A package that comes from a string eval, and one that loads itself on demand.
use strict;
use Oracle ();

for my $name ('Generated::A', 'Generated::B') {
    eval qq{
        package $name;
        sub new { bless {}, shift }

        sub run {
            my \$self = shift;
            Oracle::here('$name');
        }
        1;
    } or die;
    $name->new->run;
}

package Lazy;
use vars qw($AUTOLOAD);
sub AUTOLOAD {
    no strict 'refs';
    my $name = $AUTOLOAD;
    eval "sub $name {\n  Oracle::here('made by AUTOLOAD');\n}\n1" or die;
    goto &$name;
}
package main;
Lazy::please(1);
