# stops: 7
# sort with a sub, a block, a variable, a prototype.
use strict;
use vars qw($stopped);
use Oracle ();

sub once { return if $stopped++; Oracle::here($_[0]) }

sub by_number { once('named'); $a <=> $b }
sub by_args($$) { once('prototype'); $_[0] <=> $_[1] }
sub in_sub {
    my @list = @_;
    return sort {
        once('block in a sub');
        $a <=> $b
    } @list;
}

my @sorted = sort by_number 3, 1, 2;
$stopped = 0;
@sorted = sort { once('block'); $b <=> $a } 3, 1, 2;
$stopped = 0;
my $code = sub { once('sub in a variable'); $a <=> $b };
@sorted = sort $code 3, 1, 2;
$stopped = 0;
my $name = 'by_number';
@sorted = sort $name 3, 1, 2;
$stopped = 0;
@sorted = sort by_args 3, 1, 2;
$stopped = 0;
@sorted = in_sub(2, 1);
$stopped = 0;
@sorted = reverse sort {
    my @nested = sort { once('sort in a sort'); $a <=> $b } 2, 1;
    $a <=> $b;
} 3, 1, 2;
