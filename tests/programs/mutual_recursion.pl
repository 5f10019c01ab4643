# stops: 2
# Subs and methods that call each other.
use strict;
use Oracle ();

sub is_even { my $n = shift; $n == 0 ? Oracle::here('mutual') : is_odd($n - 1) }
sub is_odd {
    my $n = shift;
    $n == 0 ? 0
        : is_even($n - 1)
}
is_even(20);

package Node;
sub new { my ($class, $next) = @_; bless { next => $next }, $class }
sub visit {
    my ($self, $code) = @_;
    $code->();
    $self->{next}->visit($code) if $self->{next};
}
package main;
my $list;
$list = Node->new($list) for 1 .. 10;
my $n = 0;
$list->visit(sub { Oracle::here('tenth node') if ++$n == 10 });
