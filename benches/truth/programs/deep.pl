# Deep recursion of two subs that take turns: two of the same in a row never happened.
#@+ depth main::even 151
#@+ depth main::odd 150
$| = 1; alarm 7200;
sub even {
    my $n = $_[0];                      #@ main::even
    return 0 if $n == 0;                #@ main::even
    my $r = odd($n - 1);                #@ main::even > main::odd
    return $r + 1;                      #@ main::even
}
sub odd {
    my $n = $_[0];                      #@ main::odd
    my $r = even($n - 1);               #@ main::odd > main::even
    $r++;                               #@ main::odd
    return $r;                          #@ main::odd
}
print "ready\n";
while (1) {                             #@ (main)
    even(300);                          #@ (main) > main::even
}
