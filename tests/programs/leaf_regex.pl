# needs perl 5.18
# needs module List::Util
# stops: 4
# Code in regular expressions that waits by itself. Older perls have no frames for it.
use strict;
use vars qw($byte);
use List::Util qw(first);
use Oracle ();

'b' =~ /b(?{ Oracle::announce('literal', __LINE__); sysread(STDIN, $byte, 1) })/;
sub matches {
    my $x = 1;
    return 'b' =~ /b(?{ Oracle::announce('in a sub', __LINE__); sysread(STDIN, $byte, 1) })/;
}
matches();
my $compiled = qr/b(?{ Oracle::announce('qr', __LINE__); sysread(STDIN, $byte, 1) })/;
sub uses { return 'ab' =~ /a$compiled/ }
uses();
sub finds {
    return first {
        Oracle::announce('first', __LINE__ + 1);
        sysread(STDIN, $byte, 1);
    } @_;
}
finds(1);
