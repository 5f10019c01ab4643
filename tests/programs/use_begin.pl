# stops: 6
# Compile time: use, no and BEGIN.
use strict;
use Oracle ();

my $before = 1;
use Loaded::OnUse 'something';
no Loaded::OnUse;
BEGIN { Oracle::here('BEGIN') }
sub around {
    my $x = shift;
    BEGIN {
        my $y = 1;
        Oracle::here('BEGIN in a sub');
    }
}
use Loaded::UsesOther;
around(1);
