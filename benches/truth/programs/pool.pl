# Two interpreters, which threads take in turn, each for a moment (tests/interpreters/pool.c). They run
# halves of this that have no sub in common, so stacks cannot be mixed up unseen.
#@+ pool 3
#@+ C: (main) > main::left, main::right
my $half = shift;
sub l2 {
    my $x = $_[0];                      #@ main::l2
    return $x + 1;                      #@ main::l2
}
sub l1 {
    my $x = l2($_[0]);                  #@ main::l1 > main::l2
    return $x;                          #@ main::l1
}
sub left {
    my $x = 0;                          #@ main::left
    $x = l1(1);                         #@ main::left > main::l1
    $x = l1(l1(l1(1)));                 #@ main::left > main::l1
}
sub r3 {
    my $x = $_[0];                      #@ main::r3
    return $x + 1;                      #@ main::r3
}
sub r2 {
    my $x = r3($_[0]);                  #@ main::r2 > main::r3
    return $x + 1;                      #@ main::r2
}
sub r1 {
    my $x = r2($_[0]);                  #@ main::r1 > main::r2
    return $x;                          #@ main::r1
}
sub right {
    my $x = 0;                          #@ main::right
    $x = r1(1);                         #@ main::right > main::r1
    $x = r1(r1(1));                     #@ main::right > main::r1
}
*tick = $half % 2 ? \&right : \&left;
1;
