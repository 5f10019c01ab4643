# stops: 6
# eval STRING: nested, over several lines, with subs defined inside.
use strict;
use Oracle ();

eval q{Oracle::here('one line')};
die if $@;
eval <<'CODE';
my $x = 1;

eval q{

    Oracle::here('nested');
};
CODE
sub run { return eval $_[0] }
run("1;\nrun(qq{\\n\\nOracle::here('recursive')})");
eval q{
    sub defined_inside {
        my $n = shift;

        Oracle::here('sub of an eval') if $n;
    }
};
defined_inside(1);
my $anon = eval q{
    sub {
        Oracle::here('anon sub of an eval')
    }
};
$anon->();
eval { eval "\n\neval { Oracle::here('block, string, block') }" };
