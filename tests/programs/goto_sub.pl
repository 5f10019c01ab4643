# stops: 4
# goto &sub replaces a frame.
use strict;
use Oracle ();

sub target { Oracle::here($_[0]) }
sub jump { goto &target }
sub jump_twice { goto &jump }
sub Other::from { my $x = 1; goto &main::jump; }
sub by_reference { my $code = \&target; goto &$code }
jump('once');
jump_twice('twice');
Other::from('from another package');
sub within { my $r = by_reference(@_); $r }
within('by reference');
