# Has every kind of frame and of variable, and then waits, computes in C, or runs for ever: while it
# does the first two, nothing of what tests/mutator.rs overwrites is used by perl itself.
use strict; use warnings; use utf8;
$| = 1;
alarm 900;
my $way = shift;

package Tied;
sub TIESCALAR { bless [], shift }
sub FETCH { my $self = shift; Deep->new->method('tied', $self) }

package Deep;
use overload '+' => sub { my ($self, $other) = @_; $self->by_sort($other) }, fallback => 1;
our $VERSION = '1.5';
sub new { my $class = shift; bless {name => 'deep', list => [1 .. 5], code => \&new}, $class }
sub method {
    my ($self, @rest) = @_;
    my %hash = (one => 1, two => [2], three => {four => 5});
    my $code = sub { my $caught = shift; $self->größe($caught, %hash) };
    $code->(7.5);
}
sub größe {
    my ($self, $number, %rest) = @_;
    local $_ = "temporary";
    for my $index (1 .. 1) {
        eval { $self->by_string($number, $index) };
    }
}
sub by_string { my ($self, $number) = @_; my $text = "caf\x{e9}\x{263a}"; eval '$self + $number' }
sub by_sort { my $self = shift; my @sorted = sort { $self->innermost(@_); 0 } 2, 1; @sorted }
sub innermost {
    my ($self, @rest) = @_;
    my ($integer, $float, $string, @array) = (1 << 40, 2.25, "a\0b\n", (3) x 9);
    my ($undef, $glob, $regex) = (undef, \*STDOUT, qr/x+(y)?/i);
    main::ends($self, $string);
}

package main;
sub ends {
    my ($long, $short) = ('a' x 4_000_000, 'a' x 500_000 . 'b' . 'a' x 500_000);
    print "ready\n";
    if ($way eq 'waits') { sysread STDIN, my $nothing, 1 }
    # One call that takes an hour.
    if ($way eq 'computes') { my $found = rindex $long, $short }
    while (1) { my $sum = works(5); $sum = join ',', map { works($_) } 1 .. 3 }
}
sub works { my $n = shift; my $x = 0; $x += $_ for 1 .. 20 * $n; $n > 1 ? $x + works($n - 1) : $x }

if ($way eq 'threads') {
    require threads;
    $way = 'waits';
    threads->create(sub { sleep 900 while 1 }) for 1 .. 2;
}
tie my $tied, 'Tied';
my $value = $tied;
