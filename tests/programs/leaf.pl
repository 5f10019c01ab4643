# needs Unix
# stops: 23
# Programs that wait by themselves, not within Oracle.pm: the innermost frame is any construct, on
# any line of a statement. The line expected is that of the call of sysread.
use strict;
use vars qw($byte);
use Oracle ();

Oracle::announce('main program', __LINE__ + 1);
sysread(STDIN, $byte, 1);
sub plain { Oracle::announce('sub', __LINE__ + 1);
    sysread(STDIN, $byte, 1);
}
plain();
sub branch {
    Oracle::announce('if', __LINE__ + 2);
    if ($_[0]) {
        sysread(STDIN, $byte, 1);
    }
    Oracle::announce('else', __LINE__ + 5);
    if (!$_[0]) {
        $byte = 1;
    }
    else {
        sysread(STDIN, $byte, 1);
    }
    return;
}
branch(1);
sub last_branch {
    my ($n) = @_;
    Oracle::announce('elsif', __LINE__ + 5);
    if ($n == 0) {
        $byte = 1;
    }
    elsif ($n == 1) {
        sysread(STDIN, $byte, 1);
    }
}
last_branch(1);
sub condition {
    Oracle::announce('condition', __LINE__ + 1);
    if (sysread(STDIN, $byte, 1)) {
        my $x = 1;
    }
}
condition();
sub recursive {
    my ($n) = @_;
    Oracle::announce('recursive', __LINE__ + 1) if !$n;
    $n ? recursive($n - 1) : sysread(STDIN, $byte, 1);
}
recursive(2);
Oracle::announce('while', __LINE__ + 3);
my $n = 1;
while ($n--) {
    sysread(STDIN, $byte, 1);
}
eval {
    Oracle::announce('eval block', __LINE__ + 1);
    sysread(STDIN, $byte, 1);
};
eval q{
    Oracle::announce('eval string', __LINE__ + 1);
    sysread(STDIN, $byte, 1);
};
BEGIN {
    Oracle::announce('BEGIN', __LINE__ + 1);
    sysread(STDIN, $byte, 1);
}
my @list = map {
    Oracle::announce('map', __LINE__ + 1);
    sysread(STDIN, $byte, 1);
} 1;
my $once = 0;
@list = sort {
    Oracle::announce('sort block', __LINE__ + 1) if !$once;
    sysread(STDIN, $byte, 1) if !$once++;
    $a <=> $b;
} 2, 1;
$once = 0;
sub compare {
    Oracle::announce('sort sub', __LINE__ + 1) if !$once;
    sysread(STDIN, $byte, 1) if !$once++;
    $a <=> $b;
}
@list = sort compare 2, 1;
sub Object::DESTROY {
    Oracle::announce('DESTROY', __LINE__ + 1);
    sysread(STDIN, $byte, 1);
}
{ my $object = bless [], 'Object'; }
sub Tie::TIESCALAR { bless [], 'Tie' }
sub Tie::FETCH {
    Oracle::announce('FETCH', __LINE__ + 1);
    sysread(STDIN, $byte, 1);
}
tie my $tied, 'Tie';
my $got = "$tied";
$SIG{USR1} = sub {
    Oracle::announce('signal', __LINE__ + 1);
    sysread(STDIN, $byte, 1);
};
kill 'USR1', $$;
$SIG{__WARN__} = sub {
    Oracle::announce('warn', __LINE__ + 1);
    sysread(STDIN, $byte, 1);
};
warn 'x';
(my $text = 'b') =~ s{b}{
    Oracle::announce('s e', __LINE__ + 1);
    sysread(STDIN, $byte, 1);
}e;
sub target {
    Oracle::announce('goto', __LINE__ + 1);
    sysread(STDIN, $byte, 1);
}
sub jump { goto &target }
jump();
sub with_block(&) { $_[0]->() }
with_block {
    Oracle::announce('block argument', __LINE__ + 1);
    sysread(STDIN, $byte, 1);
};
sub many {
    my $x = shift;
    Oracle::announce('deep in a statement', __LINE__ + 1);
    my %hash = (a => 1, b => [map { $_ => sysread(STDIN, $byte, 1) } 1]);
    return $x;
}
many(1);
require Loaded::Waits;
