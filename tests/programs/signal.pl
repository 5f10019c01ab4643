# needs Unix
# stops: 3
# Signal handlers.
use strict;
use Oracle ();

sub handler { Oracle::here("signal $_[0]") }
$SIG{USR1} = \&handler;
kill 'USR1', $$;
$SIG{USR1} = 'main::handler';
sub working {
    my $x = 1;
    kill 'USR1', $$;
    return $x;
}
working();
local $SIG{USR2} = sub { Oracle::here('anonymous handler') };
eval { kill 'USR2', $$; 1 };
