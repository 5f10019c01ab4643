# needs perl 5.38
# stops: 3
# Parts of a class that wait by themselves.
use v5.38;
use feature 'class';
no warnings;
use Oracle ();

my $byte;
class Point {
    field $x = do {
        Oracle::announce('field', __LINE__ + 1);
        sysread(STDIN, $byte, 1);
    };
    ADJUST {
        Oracle::announce('ADJUST', __LINE__ + 1);
        sysread(STDIN, $byte, 1);
    }
    method where {
        Oracle::announce('method', __LINE__ + 1);
        sysread(STDIN, $byte, 1);
    }
}
Point->new->where;
