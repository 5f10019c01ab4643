# A server that forks its workers; every worker answers requests of two kinds until its parent is
# gone.
$| = 1; alarm 7200;
my $parent = $$;
my @workers;
sub parse {
    my $r = $_[0];                      #@ main::parse
    return $r + 1;                      #@ main::parse
}
sub fetch {
    my $r = $_[0];                      #@ main::fetch
    return render($r);                  #@ main::fetch > main::render
}
sub render {
    my $r = $_[0];                      #@ main::render
    return "<$r>";                      #@ main::render
}
sub get {
    my $r = parse(1);                   #@ main::get > main::parse
    return fetch($r);                   #@ main::get > main::fetch
}
sub post {
    my $r = parse(2);                   #@ main::post > main::parse
    return render($r);                  #@ main::post > main::render
}
sub serve {
    alarm 7200;
    my $n = 0;
    while (1) {                         #@ main::serve
        get();                          #@ main::serve > main::get
        post();                         #@ main::serve > main::post
        next if ++$n % 10000;           #@ main::serve
        exit if getppid() != $parent;   #@ main::serve
    }
}
for (1 .. 3) {
    my $pid = fork;
    defined $pid or die "fork: $!";
    serve() if $pid == 0;               #@ (main) > main::serve
    push @workers, $pid;
}
print "ready @workers\n";
sleep 7200;
