# stops: 6
# Blocks and loops have no frames; leaving them by next, last and redo leaves none either.
use strict;
use Oracle ();

sub stop { Oracle::here($_[0]); 1 }
OUTER: for my $x (1, 2) {
    for my $y (1, 2) {
        next OUTER if $x == 1;
        {
            stop('loops and a block');
            last OUTER;
        }
    }
}
my @queue = (1);
while (my $x = shift @queue) {
    stop('while');
} continue {
    stop('continue');
}
{
    local $_ = 1;
    stop('last statement'), last if $_;
}
stop('postfix for') for 1;
my $n = do { 1; 2; stop('do') };
