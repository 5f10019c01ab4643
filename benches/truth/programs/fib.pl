# Recursion whose path has a limit: every call takes 1 or 2 off the 12 that it starts with.
#@+ budget 12
$| = 1; alarm 7200;
sub fib {
    my $n = shift;              #@ main::fib
    return $n if $n < 2;        #@ main::fib
    my $x = fib($n - 1);        #@ main::fib > main::fib[1]
    my $y = fib($n - 2);        #@ main::fib > main::fib[2]
    return $x + $y;             #@ main::fib
}
print "ready\n";
while (1) {                     #@ (main)
    fib(12);                    #@ (main) > main::fib
}
