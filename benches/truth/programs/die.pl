# Exceptions through several subs and evals. While perl unwinds, PL_curcop is still the statement
# that died: then the subs are right and the innermost line is one of another sub.
#@+ unwinds
$| = 1; alarm 7200;
sub d4 {
    my $n = $_[0];                      #@ main::d4
    die "bottom\n";                     #@ main::d4
}
sub d3 {
    my $n = $_[0];                      #@ main::d3
    d4($n);                             #@ main::d3 > main::d4
}
sub d2 {
    my $n = $_[0];                      #@ main::d2
    d3($n);                             #@ main::d2 > main::d3
}
sub d1 {
    my $n = $_[0];                      #@ main::d1
    d2($n);                             #@ main::d1 > main::d2
}
sub e2 {
    my $n = $_[0];                      #@ main::e2
    die { code => $n };                 #@ main::e2
}
sub e1 {
    my $n = $_[0];                      #@ main::e1
    e2($n);                             #@ main::e1 > main::e2
}
sub catch {
    my $n = $_[0];                      #@ main::catch
    eval {                              #@ main::catch > (eval)
        e1($n);                         #@ (eval) > main::e1
    };                                  #@ main::catch
    $n++;                               #@ main::catch
}
print "ready\n";
my $n = 0;
while (1) {                             #@ (main)
    eval { d1($n) };                    #@ (main) > (eval); (eval) > main::d1
    catch($n);                          #@ (main) > main::catch
    eval { catch($n); d2($n) };         #@ (main) > (eval); (eval) > main::catch, main::d2
}
