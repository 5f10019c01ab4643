# Compiles all the time: a new sub, a new file's name and new ops in each turn, all of which it frees.
$| = 1;
print "ready\n";
my @results;
while (1) {
    for my $n (1 .. 50) {
        my $code = eval "sub { my \@list = map { \$_ * $n } 1 .. 20; my \$sum = 0;"
            . ' $sum += $_ for @list; return $sum }';
        $results[$n] = $code->();
        eval { die { turn => $n } };
        eval "package Turn$n; sub answer { return eval q{\$_[0] + $n} } answer($n)";
    }
}
