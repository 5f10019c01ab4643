# needs threads
# needs module threads
# stops: 2
# Threads started within subs, by name, by method and by threads.
use strict;
use threads;
use Oracle ();

package Worker;
sub run { my ($class, $label) = @_; Oracle::here($label) }

package main;
sub start {
    my ($label) = @_;
    Oracle::say_frames(__LINE__ + 1);
    threads->create(sub { Worker->run(@_) }, $label)->join;
}
start('from a sub');
sub start_chain {
    Oracle::say_frames(__LINE__ + 1);
    threads->create(\&start_inner)->join;
}
sub start_inner {
    Oracle::say_frames(__LINE__ + 1);
    threads->create('Worker::run', 'Worker', 'thread of a thread')->join;
}
start_chain();
