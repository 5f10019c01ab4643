use strict;
use lib 't/lib';
use Test::More tests => 9;
use Recorded;

my $program = App::p5spy->program;
ok(-x $program, "$program is a program");

my ($status, $out, $err) = Recorded::finish($program, '--version');
is($out, "p5-spy $App::p5spy::VERSION\n", 'it is of this release');

my ($stub) = grep { -f } 'blib/script/p5-spy', 'bin/p5-spy';
($status, $out) = Recorded::finish(@Recorded::PERL, $stub, '--version');
is($out, "p5-spy $App::p5spy::VERSION\n", 'p5-spy becomes it');
($status) = Recorded::finish(@Recorded::PERL, $stub, '--no-such-option');
is($status >> 8, 2, 'with its status');

SKIP: {
    skip 'only make makes it a program', 1 unless $stub =~ /^blib/ && -x $stub && $^O ne 'MSWin32';
    local $ENV{PERL5LIB};
    delete $ENV{PERL5LIB};
    ($status, $out) = Recorded::finish($stub, '--version');
    is($out, "p5-spy $App::p5spy::VERSION\n", 'and finds it by itself');
}

my @code = ('-e', 'use App::p5spy; print "status ", App::p5spy->run(@ARGV)', '--');
($status, $out) = Recorded::finish(@Recorded::PERL, @code, '--version');
is($out, "p5-spy $App::p5spy::VERSION\nstatus 0", 'run');
($status, $out) = Recorded::finish(@Recorded::PERL, @code, '--no-such-option');
is($out, 'status 2', 'run gives the status');
my @record = ('record', '-o', Recorded::path('x.svg'), '--', $^X, '-e');
($status, $out) = Recorded::finish(@Recorded::PERL, @code, @record, 'exit 7');
is($out, 'status 7', 'that of the program');
($status, $out) = Recorded::finish(@Recorded::PERL, @code, @record, 'kill 9, $$');
is($out, 'status 137', 'that of a signal');
