# stops: 9
# The same within subs, where the last statement is treated in its own way.
use strict;
use Oracle ();

sub stop { Oracle::here($_[0]); return 1 }

sub last_if {
    my $n = shift;
    if ($n) {
        stop('last statement');
    }
}
last_if(1);
sub early {
    my ($n) = @_;
    return stop('return if')
        if $n;
    return stop(
        'no'
    );
}
early(1);
sub only { if ($_[0]) { 1 } else { stop('only statement of a sub') } }
only(0);
sub second_round {
    my $i = 0;
    while (stop("condition, round $i")) {
        my $x = 1;
        last if $i++;
    }
}
second_round();
sub ternary {
    $_[0]
        ? do {
            my $x = 1;
            stop('do in a ternary');
        }
        : 0;
}
ternary(1);
sub loop {
    for my $x (@_) {
        next unless $x;
        if ($x > 2) {
            stop('if in a for');
            last;
        }
    }
}
loop(0, 1, 3);
sub unless_else {
    unless ($_[0]) {
        stop('no');
    }
    else {
        stop('else of an unless');
    }
    return;
}
unless_else(1);
sub chained { my @x = (1, $_[0] && stop('chained'), 2); @x }
chained(
    1,
);
