# Three interpreters at once. Each has subs of its own, so stacks cannot be mixed up unseen.
#@+ threads 3
use threads;
$| = 1; alarm 7200;
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
    while (1) {                         #@ main::left
        $x = l1(1);                     #@ main::left > main::l1
    }
}
sub r2 {
    my $x = $_[0];                      #@ main::r2
    return $x + 1;                      #@ main::r2
}
sub r1 {
    my $x = r2($_[0]);                  #@ main::r1 > main::r2
    return $x;                          #@ main::r1
}
sub right {
    my $x = 0;                          #@ main::right
    while (1) {                         #@ main::right
        $x = r1(1);                     #@ main::right > main::r1
    }
}
sub m2 {
    my $x = $_[0];                      #@ main::m2
    return $x + 1;                      #@ main::m2
}
sub m1 {
    my $x = m2($_[0]);                  #@ main::m1 > main::m2
    return $x;                          #@ main::m1
}
# threads.pm calls the sub in an eval.
my $l = threads->create(\&left);        #@ (main) > (eval); (eval) > main::left
my $r = threads->create(\&right);       #@ (main) > (eval); (eval) > main::right
print "ready\n";
while (1) {                             #@ (main)
    m1(1);                              #@ (main) > main::m1
}
