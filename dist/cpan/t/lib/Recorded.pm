package Recorded;

# What the tests share: this perl with the distribution's libraries, and whether recording is allowed here.

use strict;
use App::p5spy;
use Cwd ();
use File::Temp ();

# perl's own words for a program of a test, with the libraries by their whole names.
our @PERL = ($^X, map { '-I' . Cwd::abs_path($_) } grep { !ref && -d } @INC);

# What is compiled for half a second, in a sub of this name.
our $BUSY = 'sub busy { my $x = 0; $x += $_ for 1 .. 20_000; $x }
    my $until = times() + .5; busy() while times() < $until;';

# A folder of the test's own, gone with it; settings of whoever runs the tests are not its.
my $folder = File::Temp::tempdir(CLEANUP => 1);
delete @ENV{qw(P5SPY_OPTS PERL5OPT PERL5DB)};
@ENV{qw(XDG_CONFIG_HOME XDG_CACHE_HOME)} = ("$folder/config", "$folder/cache");

sub path { return "$folder/$_[0]" }

sub content {
    my ($name) = @_;
    local $/;
    open my $file, '<', path($name) or return '';
    return scalar <$file>;
}

sub script {
    my ($name, $text) = @_;
    open my $file, '>', path($name) or die path($name) . ": $!\n";
    print {$file} $text;
    close $file or die path($name) . ": $!\n";
    return path($name);
}

# Runs words with both outputs in files; gives the status, and what was said.
sub finish {
    my @words = @_;
    my $child = fork;
    die "fork: $!\n" unless defined $child;
    if (!$child) {
        open STDIN,  '<', '/dev/null' or die;
        open STDOUT, '>', path('out') or die;
        open STDERR, '>', path('err') or die;
        { exec {$words[0]} @words }
        require POSIX;
        POSIX::_exit(127);
    }
    waitpid $child, 0;
    my $status = $?;
    return ($status, content('out'), content('err'));
}

# What Yama lets a process read: with 1 its own descendants, and who allows it.
sub scope {
    open my $file, '<', '/proc/sys/kernel/yama/ptrace_scope' or return 0;
    return scalar(<$file>) + 0;
}

# Why nothing can be recorded here; undef where it can. What the system forbids is p5-spy's to say, with status 1;
# whatever else goes wrong is a failure of the test that comes upon it.
sub forbidden {
    return 'programs are started here as Unix does' if $^O eq 'MSWin32';
    my @words = ('record', '-o', path('may.folded'), '--', @PERL, '-e', $BUSY);
    my ($status, undef, $err) = finish(App::p5spy->program, @words);
    return if $status == 0 && -s path('may.folded');
    return $1 if $err =~ /(no permission[^\n]*)/;
    return $1 if $err =~ /([^\n]*(?:not supported|no layout|not yet|cannot be learned)[^\n]*)/i;
    return;
}

1;
