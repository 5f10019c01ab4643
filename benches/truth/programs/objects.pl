# Subs that perl calls by itself: tied variables, overloaded operators, destructors.
package Tied;
sub TIESCALAR { my $v = 0; bless \$v }
sub FETCH {
    my $self = shift;                   #@ Tied::FETCH
    return $$self;                      #@ Tied::FETCH
}
sub STORE {
    my ($self, $v) = @_;                #@ Tied::STORE
    $$self = $v;                        #@ Tied::STORE
}
package Over;
use overload '+' => \&add, '""' => \&text;
sub add {
    my ($x, $y) = @_;                   #@ Over::add
    return bless [$x->[0] + $y];        #@ Over::add
}
sub text {
    my $self = shift;                   #@ Over::text
    return "over $self->[0]";           #@ Over::text
}
package Gone;
sub new {
    my $class = shift;                  #@ Gone::new
    return bless [0], $class;           #@ Gone::new
}
sub DESTROY {
    my $self = shift;                   #@ Gone::DESTROY
    $self->[0]++;                       #@ Gone::DESTROY
}
package main;
$| = 1; alarm 7200;
tie my $tied, 'Tied';
my $over = bless [1], 'Over';
sub tied_one {
    $tied = 1;                          #@ main::tied_one > Tied::STORE
    my $x = $tied;                      #@ main::tied_one > Tied::FETCH
    $x++;                               #@ main::tied_one
}
sub overloaded {
    my $sum = $over + 1;                #@ main::overloaded > Over::add
    my $text = "$sum";                  #@ main::overloaded > Over::text
    $text .= 'x';                       #@ main::overloaded
}
# perl wraps a destructor in an eval, which caller shows. Some perls free what undef lets go of when
# the next statement begins.
sub destroyed {
    my $gone = Gone->new;               #@ main::destroyed > Gone::new
    undef $gone;                        #@ main::destroyed > (eval); (eval) > Gone::DESTROY
    $gone = 1;                          #@ main::destroyed > (eval); (eval) > Gone::DESTROY
}
print "ready\n";
while (1) {                             #@ (main)
    tied_one();                         #@ (main) > main::tied_one
    overloaded();                       #@ (main) > main::overloaded
    destroyed();                        #@ (main) > main::destroyed
}
