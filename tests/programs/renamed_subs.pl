# needs perl 5.22
# needs module Sub::Util
# stops: 7
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
Sub::Util::set_subname("Caf\xe9::na\xefve", sub { Oracle::here('Latin-1 name without utf8') })->();
Sub::Util::set_subname("Caf\xe9::\x{263a}", sub { Oracle::here('wide name without utf8') })->();
