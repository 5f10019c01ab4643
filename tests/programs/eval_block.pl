# stops: 4
# eval BLOCK.
use strict;
use Oracle ();

sub careful {
    eval {
        eval { Oracle::here('eval in an eval'); };
        Oracle::here('outer eval');
        1;
    };
}
careful();
my $got = eval { careful2(1) } || 'nothing';
sub careful2 {
    my $r = eval {
        local $@;
        die { stop => 1 } if $_[0] > 5;
        Oracle::here('through subs');
    };
    return $r;
}
eval { die "x\n" };
if ($@) {
    eval { Oracle::here('after a die') };
}
