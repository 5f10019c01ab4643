use strict;
use Test::More;

# Older ones do not know =encoding.
eval { require Pod::Checker; Pod::Checker->VERSION('1.50'); 1 } or plan skip_all => 'Pod::Checker 1.50 is not here';
my @files = ('lib/App/p5spy.pm', 'lib/Devel/p5spy.pm', 'bin/p5-spy');
plan tests => scalar @files;

for my $file (@files) {
    my $said = '';
    open my $out, '>', \$said or die;
    my $checker = Pod::Checker->new(-warnings => 0);
    $checker->parse_from_file($file, $out);
    is($checker->num_errors, 0, $file) or diag($said);
}
