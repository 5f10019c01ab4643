# needs perl 5.26
# stops: 4
# Lexical subs.
use strict;
use feature 'state';
use Oracle ();

my sub private { Oracle::here('my sub') }
private(1);
sub outer {
    my $n = shift;
    my sub helper { Oracle::here('my sub in a sub'); $n }
    helper();
    state sub lasting { Oracle::here('state sub') }
    lasting();
}
outer(2);
our sub public { Oracle::here('our sub') }
public();
