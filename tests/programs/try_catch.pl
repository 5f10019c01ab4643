# needs perl 5.34
# stops: 5
# try and catch have no frames.
use strict;
use feature 'try';
no warnings;
use Oracle ();

try { Oracle::here('try') }
catch ($e) { Oracle::here('no') }
sub careful {
    try {
        die "x\n";
    }
    catch ($e) {
        Oracle::here('catch');
        return 1;
    }
}
careful();
sub nested {
    try {
        eval { try { Oracle::here('try in eval in try'); } catch ($e) { } };
        return Oracle::here('return in a try');
    }
    catch ($e) {
    }
}
nested();
for my $x (1) {
    try {
        Oracle::here('try in a loop');
        next;
    }
    catch ($e) { }
}
