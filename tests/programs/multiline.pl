# stops: 13
# Statements over several lines: which of them `caller` shows.
use strict;
use Oracle ();

sub stop { Oracle::here(join(' ', split(' ', $_[0]))); return bless {}, 'Chain' }
sub Chain::next { my ($self, $label) = @_; main::stop($label) if $label; $self }

stop(
    'arguments',
);
my %hash = (
    one => 1,
    two => stop('hash literal'),
    three => 3,
);
my $chain = bless {}, 'Chain';
$chain
    ->next
    ->next('method chain')
    ->next
    ->next('method chain, later');
my $n = 2;
my $result = $n == 1
    ? stop('no')
    : $n == 2
        ? stop('nested ternary')
        : stop('no');
my $text = 'a'
    . 'b'
    . stop('concatenation')
    . 'c';
sub returns {
    return
        stop('return on a line of its own');
}
returns();
my @list = (
    sub {
        my $x = 1;
        return $x;
    },
    stop('after an anonymous sub'),
    map {
        my $y = $_;
        $y;
    } 1, 2
);
stop(do {
    my $inner = 1;
    stop('do block');
    'value of a do block';
});
my $short = $n == 2
    && stop('and')
    || stop('never');
stop("text over
 lines");
stop(<<'TEXT');
here document
TEXT
