# needs perl 5.36
# stops: 3
# Signatures: defaults are code that runs on entering.
use v5.36;
use Oracle ();

sub plain($x, $y = 2) { Oracle::here('plain') }
plain(1);
sub computed($x, $y = Oracle::here('default value'), %rest) {
    return $y;
}
computed(1);
my $code = sub ($x,
    $y = 3) {
    Oracle::here('anonymous');
};
$code->(1);
