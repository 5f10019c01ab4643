# What the captures in this folder were taken of. Runs on every perl from 5.6 on, and stops with
# the same stack on each. Its lines are in tests/captures.rs.
package Capture;
sub outer { my $self = shift; eval { $self->middle(1) }; die $@ if $@; 1 }
sub middle { eval 'Capture::within(2)'; die $@ if $@; 1 }
sub within { my @sorted = sort by_nothing 2, 1; 1 }
sub by_nothing {
    if ($stop) {
        inner()
    }
    0;
}
sub inner { my $code = sub { sysread(STDIN, my $byte, 1) }; $code->(); 1 }
package main;
$| = 1;
$Capture::stop = 1;
print "ready\n";
Capture->outer;
