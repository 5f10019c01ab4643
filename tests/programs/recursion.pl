# stops: 2
# 1000 levels of recursion, and as many through an eval.
use strict;
use Oracle ();

sub down {
    my $n = shift;
    return Oracle::here('1000 deep') if $n == 0;
    return down($n - 1);
}
down(1000);

sub down_eval {
    my $n = shift;
    if ($n == 0) {
        Oracle::here('500 evals deep');
    }
    else {
        eval { down_eval($n - 1) };
    }
}
down_eval(500);
