# Closures of several packages, made and freed without end: their memory is used again by those of
# another package, so a name that is remembered by its address alone is soon wrong. (To perl a statement that ends
# in a sub is on the line of the sub's closing brace.)
package C1;
sub make {
    my $n = shift;                      #@ C1::make
    return sub {                        #@ C1::make
        my $x = $n + 1;                 #@ C1::__ANON__
        return $x;                      #@ C1::__ANON__
    };                                  #@ C1::make
}
package C2;
sub make {
    my $n = shift;                      #@ C2::make
    return sub {                        #@ C2::make
        my $x = $n + 2;                 #@ C2::__ANON__
        return $x;                      #@ C2::__ANON__
    };                                  #@ C2::make
}
package C3;
sub make {
    my $n = shift;                      #@ C3::make
    return sub {                        #@ C3::make
        my $x = $n + 3;                 #@ C3::__ANON__
        return $x;                      #@ C3::__ANON__
    };                                  #@ C3::make
}
package main;
$| = 1; alarm 7200;
sub use1 {
    my $f = C1::make($_[0]);            #@ main::use1 > C1::make
    $f->();                             #@ main::use1 > C1::__ANON__
    $f->();                             #@ main::use1 > C1::__ANON__
}
sub use2 {
    my $f = C2::make($_[0]);            #@ main::use2 > C2::make
    $f->();                             #@ main::use2 > C2::__ANON__
    $f->();                             #@ main::use2 > C2::__ANON__
}
sub use3 {
    my $f = C3::make($_[0]);            #@ main::use3 > C3::make
    $f->();                             #@ main::use3 > C3::__ANON__
    $f->();                             #@ main::use3 > C3::__ANON__
}
print "ready\n";
while (1) {                             #@ (main)
    use1(1);                            #@ (main) > main::use1
    use2(1);                            #@ (main) > main::use2
    use3(1);                            #@ (main) > main::use3
}
