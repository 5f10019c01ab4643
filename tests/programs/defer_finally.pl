# needs perl 5.36
# stops: 3
# defer and finally.
use strict;
use feature qw(defer try);
no warnings;
use Oracle ();

{
    defer { Oracle::here('defer') }
    my $x = 1;
}
sub with_defer {
    defer {
        my $y = 1;
        Oracle::here('defer in a sub');
    }
    return 1;
}
with_defer();
sub with_finally {
    try { my $z = 1 }
    catch ($e) { }
    finally { Oracle::here('finally') }
    return 2;
}
with_finally();
