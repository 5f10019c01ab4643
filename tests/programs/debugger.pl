# stops: 4
# Under the debugger's &DB::sub, which stands between every sub and its caller and is no frame.
BEGIN {
    package DB;
    no strict;
    sub sub { &$DB::sub }
    $^P = 0x01;
}
use strict;
use Oracle ();

sub inner { Oracle::here($_[0]); return 1 }
sub outer {
    my $n = shift;
    inner($n);
    return 1;
}
outer('named');
my $code = sub { outer('anonymous') };
$code->();
eval { inner('in an eval') };
my $once = 0;
my @list = sort { inner('in a sort') if !$once++; $a <=> $b } 1, 2;
