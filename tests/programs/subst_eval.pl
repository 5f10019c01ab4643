# stops: 4
# s///e and friends.
use strict;
use Oracle ();

sub stop { Oracle::here($_[0]); 'x' }

(my $text = 'abc') =~ s/b/stop('s e')/e;
sub replace {
    my $t = shift;
    $t =~ s{b}{
        my $x = 1;
        stop('several lines');
    }e;
    return $t;
}
replace('abc');
$text =~ s/x/'stop("s ee")'/ee;
$text = 'bb';
my $n = 0;
$text =~ s/b/$n++ ? stop('second match') : 'c'/ge;
