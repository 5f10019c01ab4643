# stops: 4
# #line directives.
use strict;
use Oracle ();

sub first {
# line 100 "other/file.pl"
    Oracle::here('in a sub');
}
first();
# line 7 "template.tt"
sub second { Oracle::here('second') }
second(
    1
);
eval qq{\n#line 42 "made up.code"\nOracle::here('in an eval')};
# line 70000
Oracle::here('large line');
