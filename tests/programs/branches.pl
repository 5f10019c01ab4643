# stops: 13
# if, elsif, else, unless, statement modifiers, loops: perl drops the inner statement of a small
# body and `caller` finds it again.
use strict;
use Oracle ();

sub stop { Oracle::here($_[0]); return 1 }
my $n = 2;

if ($n == 2) {
    stop('only statement of an if');
}
if ($n == 1) {
    stop('no');
}
elsif ($n == 2) {
    stop('elsif');
}
else {
    stop('no');
}
if ($n == 1) {
    stop('no');
} else {
    stop('else');
}
unless ($n == 1) {
    stop('unless');
}
if (
    $n == 3
    || stop('condition')
) {
    my $x = 1;
    stop('several statements');
}
stop('modifier')
    if $n == 2;
for my $i (1 .. 1) {
    stop('for');
}
my $i = 0;
while (
    $i++ < 1
) {
    stop('while');
}
for ($i = 0; $i < 1; $i++) {

    stop('C style for');
}
{
    stop('bare block');
}
do {
    stop('do while');
} while ($i < 0);
if ($n) {
    if ($n == 2) {
        if ($n > 1) {
            stop('nested ifs');
        }
    }
}
