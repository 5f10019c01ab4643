# Comparators: as a named sub (which perl enters once per sort), and as a block that calls a sub.
$| = 1; alarm 7200;
my @data = (7, 3, 9, 1, 8, 2);
sub by_number {
    my $d = $a - $b;                    #@ main::by_number
    $d;                                 #@ main::by_number
}
sub key {
    my $k = $_[0];                      #@ main::key
    return $k * 2;                      #@ main::key
}
sub by_name {
    my @s = sort by_number @data;       #@ main::by_name > main::by_number
    scalar @s;                          #@ main::by_name
}
sub by_key {
    my @s = sort { key($a) <=> key($b) } @data;    #@ main::by_key > main::key
    scalar @s;                          #@ main::by_key
}
print "ready\n";
while (1) {                             #@ (main)
    by_name();                          #@ (main) > main::by_name
    by_key();                           #@ (main) > main::by_key
}
