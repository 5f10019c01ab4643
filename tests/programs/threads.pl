# needs Unix
# needs threads
# needs module threads
# stops: 2
# Threads: every one with its own stack.
use strict;
use threads;
use Oracle ();

pipe(READY_READ, READY_WRITE) or die;
pipe(GO_READ, GO_WRITE) or die;

sub waits {
    my ($tell) = @_;
    Oracle::say_frames(__LINE__ + 1);
    my $byte; syswrite(READY_WRITE, 'x', 1); sysread(GO_READ, $byte, 1);
    return $tell;
}
sub stops { my $n = shift; return $n ? stops($n - 1) : Oracle::here('thread') }

my $byte;
my $first = threads->create('waits', 1);
sysread(READY_READ, $byte, 1);
Oracle::say_frames(__LINE__ + 1);
threads->create(\&stops, 3)->join;
syswrite(GO_WRITE, 'x', 1);
$first->join;
sub all_over { Oracle::here('main thread, after the others') }
all_over();
