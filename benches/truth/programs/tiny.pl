# Subs that do next to nothing: most moments are an entry or an exit.
$| = 1; alarm 7200;
sub one { 1 }                           #@ main::one
sub two { $_[0] }                       #@ main::two
sub three {
    my $x = 3;                          #@ main::three
    $x;                                 #@ main::three
}
sub Other::one { 1 }                    #@ Other::one
sub Other::method { $_[0] }             #@ Other::method
sub first {
    one();                              #@ main::first > main::one
    two(1);                             #@ main::first > main::two
    one();                              #@ main::first > main::one
    three();                            #@ main::first > main::three
}
sub second {
    three();                            #@ main::second > main::three
    Other::one();                       #@ main::second > Other::one
    Other->method;                      #@ main::second > Other::method
    Other::one();                       #@ main::second > Other::one
}
print "ready\n";
while (1) {                             #@ (main)
    first();                            #@ (main) > main::first
    second();                           #@ (main) > main::second
    one();                              #@ (main) > main::one
}
