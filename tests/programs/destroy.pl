# stops: 6
# DESTROY, for every reason to run.
use strict;
use Oracle ();

package Object;
sub new { my ($class, $why) = @_; bless { why => $why }, $class }
sub DESTROY { my $self = shift; Oracle::here("DESTROY: $self->{why}") }

package main;
{
    my $object = Object->new('end of a block');
    $object->{x} = 1;
}
sub scope {
    my $object = Object->new('end of a sub');
    return 1;
}
scope();
my $held = Object->new('undef');
undef $held;
$held = Object->new('assignment');
$held = 2;
my %hash = (key => Object->new('delete'));
delete $hash{key};
eval {
    my $object = Object->new('unwinding');
    die "x\n";
};
