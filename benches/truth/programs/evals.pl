# String evals without end: statements and subs are made, freed, and their memory is used again.
# While one is compiled, its line is where the parser is.
#@+ eval 0-6: (eval)
#@+ eval 2-3: main::__ANON__; B::__ANON__; C::made
#@+ eval 1: (eval) > main::helper
$| = 1; alarm 7200;
my $n = 0;
sub helper {
    my $x = shift;                      #@ main::helper
    return $x + 1;                      #@ main::helper
}
sub anonymous {
    my $k = $n++ % 7;                   #@ main::anonymous
    my $f = eval "sub {\nmy \$x = shift;\nreturn \$x + $k;\n}";    #@ main::anonymous > (eval); (eval)
    $f->(1);                            #@ main::anonymous > main::__ANON__
    $f->(2);                            #@ main::anonymous > main::__ANON__
}
sub elsewhere {
    my $k = $n++ % 5;                   #@ main::elsewhere
    my $f = eval "package B; sub {\nmy \$x = shift;\nreturn \$x + $k;\n}";    #@ main::elsewhere > (eval); (eval)
    $f->(1);                            #@ main::elsewhere > B::__ANON__
    $f->(2);                            #@ main::elsewhere > B::__ANON__
}
sub named {
    eval "package C; sub made {\nmy \$x = shift;\nreturn \$x . 'c';\n}";    #@ main::named > (eval); (eval)
    C::made(1);                         #@ main::named > C::made
    C::made(2);                         #@ main::named > C::made
}
sub expression {
    my $k = $n++ % 3;                   #@ main::expression
    my $x = eval "helper($k);\n\$k + 1";    #@ main::expression > (eval); (eval)
    $x++;                               #@ main::expression
}
print "ready\n";
while (1) {                             #@ (main)
    anonymous();                        #@ (main) > main::anonymous
    elsewhere();                        #@ (main) > main::elsewhere
    named();                            #@ (main) > main::named
    expression();                       #@ (main) > main::expression
}
