# stops: 5
# Blocks that run before and after the main program.
use strict;
use Oracle ();

sub stop { Oracle::here($_[0]) }
END { stop('END') }
END {
    my $x = 1;
    eval { stop('eval in END') };
}
INIT { stop('INIT') }
CHECK { stop('CHECK') }
stop('main program');
