# needs perl 5.36
# stops: 6
# Modern constructs that wait by themselves.
use v5.36;
use feature qw(try defer);
no warnings;
use Oracle ();

my $byte;
sub tries {
    try {
        Oracle::announce('try', __LINE__ + 1);
        sysread(STDIN, $byte, 1);
    }
    catch ($e) { }
    try { die "x\n" }
    catch ($e) {
        Oracle::announce('catch', __LINE__ + 1);
        sysread(STDIN, $byte, 1);
    }
}
tries();
sub defers {
    defer {
        Oracle::announce('defer', __LINE__ + 1);
        sysread(STDIN, $byte, 1);
    }
    return 1;
}
defers();
sub defaults($x = Oracle::announce('default', __LINE__), $y = sysread(STDIN, $byte, 1)) { return $x }
defaults();
my sub private {
    Oracle::announce('my sub', __LINE__ + 1);
    sysread(STDIN, $byte, 1);
}
private();
for my ($x, $y) (1, 2) {
    Oracle::announce('for over two', __LINE__ + 1);
    sysread(STDIN, $byte, 1);
}
