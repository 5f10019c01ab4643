# stops: 3
# String evals in string evals, and code of theirs that outlives them.
use strict;
use Oracle ();

sub nest {
    my ($n) = @_;
    return Oracle::here('20 evals deep') if !$n;
    return eval "1;\n\nnest($n - 1)";
}
nest(20);
eval "sub by_eval {\n  eval qq{\\n Oracle::here('eval in a sub of an eval') };\n  1 }";
by_eval();
my $made = eval "eval 'sub {\n\n  Oracle::here(q(sub of an inner eval)) }'";
$made->();
