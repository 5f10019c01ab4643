# Rests two subs deep.
use strict;
$| = 1;

sub inner {
    my ($name, @list) = @_;
    print "ready $$\n";
    sleep 300;
    return $name . @list;
}

sub outer {
    my $count = 42;
    inner("text", 1, 2, $count);
    return $count;
}

outer();
