# stops: 7
# require and do, with the stop inside the file.
use strict;
use Oracle ();

sub load { require Loaded::OnRequire; }
load();
my $name = 'Loaded/Chain.pm';
eval { require $name } or die;
do './lib/do_file.pl';
do 'do_file.pl';
eval "require Loaded::OnRequire; Oracle::here('already loaded')";
unshift @INC, sub {
    my ($self, $file) = @_;
    return if $file ne 'Made/Up.pm';
    Oracle::here('hook in @INC');
    shift @INC;
    return;
};
eval { require Made::Up };
