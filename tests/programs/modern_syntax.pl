# needs perl 5.24
# stops: 4
# __SUB__, postfix dereference, state, say.
use v5.24;
use feature 'current_sub';
no warnings;
use Oracle ();

my $deep = sub {
    my $n = shift;
    return $n ? __SUB__->($n - 1) : Oracle::here('__SUB__');
};
$deep->(3);
sub stop { Oracle::here($_[0]); 1 }
my $list = [1];
my @all = map { stop('postfix') } $list->@*;
sub once { state $value = stop('state'); return $value }
once();
package Braces {
    sub run { main::stop('package block') }
}
Braces::run();
