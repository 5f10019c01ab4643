use strict;
use lib 't/lib';
use Test::More;
use Recorded;

my $why = Recorded::forbidden();
plan skip_all => $why if defined $why;
plan tests => 40;

my $folded = Recorded::path('d.folded');

# Runs a program with -d:p5spy=WORDS, or without.
sub with {
    my ($words, $program, @arguments) = @_;
    unlink $folded;
    return Recorded::finish(@Recorded::PERL, (defined $words ? "-d:p5spy=$words" : ()), @$program, @arguments);
}

# Whatever a program can see of itself, but for what is documented.
my $sees = Recorded::script('sees.pl', <<'SEES');
print "argv @ARGV\n0 $0\nswitches $^P $^W $^D\n";
print "inc @INC\n";
print 'INC ', join(' ', sort grep { $_ ne 'Devel/p5spy.pm' } keys %INC), "\n";
print "$_=$ENV{$_}\n" for sort grep { $_ ne '_' } keys %ENV;
print 'SIG ', join(' ', map {"$_=$SIG{$_}"} grep { defined $SIG{$_} } sort keys %SIG), "\n";
sub called { return join '|', map { defined $_ ? $_ : 'undef' } caller 0 }
print 'caller ', called(1), "\n";
print 'waits ', wait, "\n";
print 'alarm ', alarm(0), " umask ", umask, "\n";
open my $file, '<', $0 or die; print 'number ', fileno $file, "\n";
print "sub $_\n" for grep { defined &$_ } 'DB::DB', 'DB::sub';
printf "error %d\n", $!;
print 'data ', scalar <DATA>;
__DATA__
the end
SEES

{
    my @plain = with(undef, [$sees], 'a', 'b c');
    my @recorded = with($folded, [$sees], 'a', 'b c');
    is($recorded[0], $plain[0], 'status');
    is($recorded[1], $plain[1], 'the program sees itself as it is');
    my @warned = with($folded, ['-w', $sees], 'a', 'b c');
    unlike($warned[2], qr/Devel/, '-w has nothing to say') or diag($warned[2]);
}

{
    my ($status, $out, $err) = with($folded, ['-e', "$Recorded::BUSY print qq(done\\n); warn qq(warned\\n); exit 7"]);
    is($status >> 8, 7, 'status of exit');
    is($out, "done\n", 'output');
    is($err, "warned\n", 'and nothing but the program on standard error');
    like(Recorded::content('d.folded'), qr/;main::busy .*\d$/m, 'it was recorded, and the file was waited for');
}

{
    # What $! has there before anything has gone wrong is what loading a module leaves in it, with 5.8.
    my @program = ('-e', "BEGIN { $Recorded::BUSY } \$! = 0; die qq(dead\\n)");
    my ($plain) = with(undef, \@program);
    my ($status, $out, $err) = with($folded, \@program);
    is($status, $plain, 'status of die');
    is($err, "dead\n", 'its words');
    like(Recorded::content('d.folded'), qr/BEGIN.*;main::busy/, 'recorded from the first line on');
}

{
    my ($status) = with($folded, ['-e', "$Recorded::BUSY kill TERM => \$\$; sleep 10"]);
    is($status & 127, 15, 'killed by a signal');
    my $patience = 100;
    select undef, undef, undef, .1 until -s $folded || !$patience--;
    like(Recorded::content('d.folded'), qr/;main::busy/, 'a moment later the file is there');
}

{
    my ($status, $out) = with($folded, ['-e', "END { \$? = 5 } $Recorded::BUSY"]);
    is($status >> 8, 5, 'status of an END block');
    my $end = 'END { my $until = times() + .3; busy() while times() < $until }';
    ($status, $out) = with($folded, ['-e', "$end $Recorded::BUSY"]);
    like(Recorded::content('d.folded'), qr/END.*;main::busy/, 'the END blocks of the program are recorded');
}

{
    my $rests = "sub rests { select undef, undef, undef, .4 } rests(); $Recorded::BUSY";
    my ($status, $out, $err) = with("$folded,idle,rate=50", ['-e', $rests]);
    like(Recorded::content('d.folded'), qr/main::rests/, 'options');
    ($status, $out, $err) = with("$folded,rate=never", ['-e', 'print "runs"; exit 4']);
    like($err, qr/never.*rate/s, 'a mistake is said');
    is("$out " . ($status >> 8), 'runs 4', 'and the program runs');
    ($status, $out, $err) = with('?', ['-e', 'print "runs"; exit 4']);
    like($err, qr/^Devel::p5spy: \?: /, 'so is a word that is nothing');
    is("$out " . ($status >> 8), 'runs 4', 'and the program runs');
    ($status, $out, $err) = with("$folded,pid=1", ['-e', 'print "runs"']);
    like($err, qr/^Devel::p5spy: pid=1: it is this program/, 'another process is none of its');
}

{
    my ($name) = map { Recorded::path($_) } 'process-%p.folded';
    my ($status, $out) = with("$name," . Recorded::path('p.svg'), ['-e', "print \$\$; $Recorded::BUSY"]);
    like(Recorded::content("process-$out.folded"), qr/;main::busy/, 'a name with the process in it');
    like(Recorded::content('p.svg'), qr/main::busy/, 'several files');
}

my $forks = $Recorded::BUSY . <<'FORKS';
my $child = fork;
if (!$child) {
    sub below { busy() }
    my $until = times() + .5;
    below() while times() < $until;
    exit 6;
}
waitpid $child, 0; print $? >> 8;
FORKS
{
    my ($status, $out, $err) = with($folded, ['-e', $forks]);
    is("$out $err", '6 ', 'a fork ends as it did');
    unlike(Recorded::content('d.folded'), qr/main::below/, 'and is another process');
    ($status, $out, $err) = with("$folded,s", ['-e', $forks]);
    # There the program is started by p5-spy, which says what it has to say.
    my $is_child = Recorded::scope() == 1;
    is($is_child ? $out : "$out $err", $is_child ? '6' : '6 ', 'also where it is followed');
    like(Recorded::content('d.folded'), qr/main::below.*;main::busy/, 'with s it is recorded');
    (my $leaves = $forks) =~ s/waitpid \$child, 0; print/exit; print/;
    ($status, $out, $err) = with("$folded,s", ['-e', $leaves]);
    is($status, 0, 'one that is left behind keeps nobody waiting');
    my $patience = 200;
    select undef, undef, undef, .1 until -s $folded || !$patience--;
    like(Recorded::content('d.folded'), qr/main::below.*;main::busy/, 'and is recorded to its end');
}

{
    my $closes = "use POSIX; POSIX::close(\$_) for 3 .. 1024; $Recorded::BUSY print 'done'";
    my ($status, $out, $err) = with($folded, ['-e', $closes]);
    is("$out $err", 'done ', 'who closes every file does not wait');
    my $patience = 100;
    select undef, undef, undef, .1 until -s $folded || !$patience--;
    like(Recorded::content('d.folded'), qr/;main::busy/, 'and is recorded');
}

{
    my ($status, $out, $err) = with($folded, ['-T', '-e', "$Recorded::BUSY print \${^TAINT}"]);
    is("$out $err", '1 ', 'with -T');
    like(Recorded::content('d.folded'), qr/;main::busy/, 'the same');
}

{
    my ($status, $out, $err) = with($folded, ['-CSD', '-we', "binmode STDERR, ':utf8'; $Recorded::BUSY print 1"]);
    is("$status $out $err", '0 1 ', 'with -C');
    like(Recorded::content('d.folded'), qr/;main::busy/, 'the same');
    ($status, $out, $err) = with("$folded,rate=never", ['-CSD', '-we', 'print 1']);
    is("$status $out", '0 1', 'also with a mistake');
    like($err, qr/never.*rate/s, 'which is said');
    # The folder goes away, so that there is something to say at the end. The samples are kept in another.
    mkdir Recorded::path('gone') or die;
    chdir Recorded::path('.') or die;
    local $ENV{TMPDIR} = Recorded::path('.');
    my $program = "binmode STDERR, ':utf8'; rmdir 'gone' or die; $Recorded::BUSY exit 3";
    ($status, $out, $err) = with(Recorded::path('gone/x.folded'), ['-we', $program]);
    is($status >> 8, 3, 'a file that cannot be written changes nothing');
    like($err, qr/gone/, 'but is said') or diag($err);
    chdir '/' or die;
}

{
    # The library by its name, as a program would load it.
    my @program = ('-e', "$Recorded::BUSY print \$^P");
    my ($status, $out, $err) = Recorded::finish(@Recorded::PERL, "-MDevel::p5spy=$folded", @program);
    is("$out $err", '0 ', 'by -M');
    like(Recorded::content('d.folded'), qr/;main::busy/, 'it is recorded as well');
}
