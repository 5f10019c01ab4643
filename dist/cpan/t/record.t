use strict;
use lib 't/lib';
use Test::More;
use Recorded;

my $why = Recorded::forbidden();
plan skip_all => $why if defined $why;
plan tests => 4;

my @files = map { ('-o', Recorded::path($_)) } 'x.svg', 'x.folded';
my @program = (@Recorded::PERL, '-e', "$Recorded::BUSY exit 3");
my ($status, $out, $err) = Recorded::finish(App::p5spy->program, 'record', @files, '--', @program);
is($status >> 8, 3, "the program's status") or diag($err);
like(Recorded::content('x.folded'), qr/^\(main\)[^;]*;main::busy .*\d$/m, 'its stacks') or diag($err);
like(Recorded::content('x.svg'), qr/^<\?xml.*main::busy/s, 'a flame graph');
is($out, '', 'nothing else on its output');
