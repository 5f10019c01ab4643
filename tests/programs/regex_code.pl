# stops: 4
# Code in regular expressions.
use strict;
use Oracle ();

sub stop { Oracle::here($_[0]); 1 }

'abc' =~ /b(?{ stop('literal code') })/;
sub matches {
    my $text = shift;
    my $x = 1;
    return $text =~ /a
        (?{ stop('code in a sub') })
    /x;
}
matches('abc');
my $compiled = qr/c(?{ stop('code in qr') })/;
sub uses { return $_[0] =~ /b$compiled/ }
uses('abc');
'abc' =~ /a(??{ stop('postponed'); 'b' })c/;
