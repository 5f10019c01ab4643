# stops: 5
# Aliases: what `caller` shows is where the sub was defined.
use strict;
use Oracle ();

package Origin;
sub work { Oracle::here($_[0]) }
BEGIN { *Far:: = *Origin:: }

package main;
use vars qw($whole @whole);
{
    no strict 'refs';
    *alias = \&Origin::work;
    *{'Exported::to::here'} = \&alias;
    *whole = *Origin::work;
}
alias('alias of the code');
Exported::to::here('alias of an alias');
whole('alias of the whole glob');
Far::work('alias of the whole package');
{
    local *Origin::work = sub { alias('original hidden by local') };
    Origin::work();
}
