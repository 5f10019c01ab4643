# needs perl 5.22
# stops: 5
# Subs that were given another name than the one they were defined with.
use strict;
use Sub::Util ();
use Oracle ();

my $named = Sub::Util::set_subname('Made::Up::name', sub { Oracle::here('set_subname') });
$named->();
my $short = Sub::Util::set_subname('short', sub { Oracle::here('name without a package') });
$short->();
sub proper { Oracle::here('proper sub, renamed') }
Sub::Util::set_subname('Other::proper', \&proper)->();
my $local = sub {
    no strict 'refs';
    local *__ANON__ = 'within';
    Oracle::here('local *__ANON__');
};
$local->();
{
    no warnings;
    local *proper = sub { Oracle::here('local *name = sub') };
    proper();
}
