# Ties, overloaded operators and comparators in turn: each gets the stack info, and in it the
# context, that the one before has left. Some comparators do all of that themselves.
$| = 1; alarm 7200;
package Tie;
sub TIESCALAR { bless [] }
sub FETCH {
    my $v = $_[0][0];                   #@ Tie::FETCH
    return $v;                          #@ Tie::FETCH
}
sub STORE {
    my $v = $_[1];                      #@ Tie::STORE
    $_[0][0] = $v;                      #@ Tie::STORE
}
package Over;
use overload '+' => \&plus, '<=>' => \&order;
sub plus {
    my $sum = $_[0][0] + $_[1];         #@ Over::plus
    return bless [$sum];                #@ Over::plus
}
sub order {
    my $d = $_[0][0] - $_[1][0];        #@ Over::order
    return $d;                          #@ Over::order
}
package main;
tie my $tied, 'Tie';
my @data = (7, 3, 9, 1);
my @few = (2, 1);
my @objects = map { bless [$_], 'Over' } 3, 1, 2;
sub compare {
    my $d = $a - $b;                    #@ main::compare
    $d;                                 #@ main::compare
}
sub with_tie {
    $tied = $a;                         #@ main::with_tie > Tie::STORE
    $tied <=> $b;                       #@ main::with_tie > Tie::FETCH
}
sub with_overload {
    $a <=> $b;                          #@ main::with_overload > Over::order
}
sub with_sort {
    my ($x, $y) = ($a, $b);             #@ main::with_sort
    my @s = sort compare @few;          #@ main::with_sort > main::compare
    $x <=> $y;                          #@ main::with_sort
}
sub drive {
    $tied = 3;                          #@ main::drive > Tie::STORE
    my @s = sort compare @data;         #@ main::drive > main::compare
    my $o = $objects[0] + 1;            #@ main::drive > Over::plus
    @s = sort with_tie @data;           #@ main::drive > main::with_tie
    @s = sort with_overload @objects;   #@ main::drive > main::with_overload
    $tied = 4;                          #@ main::drive > Tie::STORE
    @s = sort with_sort @data;          #@ main::drive > main::with_sort
    @s = sort { $a <=> $b } @objects;   #@ main::drive > Over::order
    $o = $tied;                         #@ main::drive > Tie::FETCH
}
print "ready\n";
while (1) {                             #@ (main)
    drive();                            #@ (main) > main::drive
}
