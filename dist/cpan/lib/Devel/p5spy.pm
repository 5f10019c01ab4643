package Devel::p5spy;

# Nothing is loaded here, not even strict: what the program finds in %INC is its own, and its memory, too.

# The lines of the program are yet to be compiled: what is said here goes for them. Under another debugger
# (-MDevel::p5spy) the switches are its own.
BEGIN { $^P = 0 if defined $ENV{PERL5DB} && $ENV{PERL5DB} =~ /^use Devel::p5spy\b/ }

our $VERSION = '0.0.0';    # dist/cpan/make puts in the real one

my $PATIENCE   = 10;       # seconds, for p5-spy to be at the program
my $TO_BE_SEEN = .25;      # and for it to come upon a fork

# The same on every system that has them: fcntl(2), errno(3), prctl(2).
my ($F_DUPFD, $F_SETFD, $FD_CLOEXEC, $EINTR, $PR_SET_PTRACER) = (0, 2, 1, 4, 0x59616d61);

# The number of prctl(2) by the machine that the head of an ELF file names.
my %PRCTL = (3 => 172, 20 => 171, 21 => 171, 22 => 172, 40 => 172, 62 => 157, 183 => 167, 243 => 167, 258 => 167);

my ($owner, $recorder, $messages, $identity, $said, $files, $follows);

sub import {
    my ($class, @words) = @_;
    local ($?, $!, $@);
    local $^W = 0;
    # What is local there is gone before these have their values again.
    _begin(@words);
    return;
}

sub _begin {
    my @words = @_;
    _forget_debugger();
    return if $recorder || _is_recorded();
    my ($options, $trouble) = _options(@words);
    return _say("Devel::p5spy: $trouble\n") if $trouble;
    if ($^O eq 'MSWin32') {
        return _say("Devel::p5spy: not on Windows; this does the same: p5-spy record -- perl program.pl\n");
    }
    # Only a program of p5-spy's own may have its children read there.
    return _become_recorder(@$options) if $follows && _scope() == 1;
    return _start(@$options);
}

# What perl has put there for -d, and the program would not have found without it.
sub _forget_debugger {
    return unless defined $ENV{PERL5DB} && $ENV{PERL5DB} =~ /^use Devel::p5spy\b/;
    delete $ENV{PERL5DB};
    my $started_with = _read('/proc/self/environ');
    $ENV{PERL5DB} = $1 if defined $started_with && $started_with =~ /(?:^|\0)PERL5DB=([^\0]*)/;
    return;
}

# p5-spy's words for those of -d:p5spy=WORD,WORD: files, and options without their dashes.
sub _options {
    my (@options, $trouble);
    ($files, $follows) = (0, 0);
    for my $word (@_) {
        if ($word =~ /^(pid|p|name|flame|dump)\b(?!\.)/) {
            $trouble = "$word: it is this program that is recorded";
        }
        elsif ($word =~ /^(?:file|output|o)=(.+)/s || ($word !~ /^[\w-]+=/ && $word =~ m{^(.*[./].*)\z}s)) {
            push @options, '--output=' . _name($1);
            $files++;
        }
        elsif ($word =~ /^([A-Za-z])(?:=(.*))?\z/s) {
            push @options, "-$1" . (defined $2 ? $2 : '');
            $follows = 1 if $1 eq 's';
        }
        elsif ($word =~ /^(?:--)?([a-z][a-z-]+(?:=.*)?)\z/s) {
            push @options, "--$1";
            $follows = 1 if $1 eq 'subprocesses';
        }
        elsif (length $word) {
            $trouble = "$word: neither a file nor an option";
        }
    }
    $files ||= 1;
    return (\@options, $trouble);
}

# %p in the name of a file is the process, so that several programs may have the same words.
sub _name {
    my ($name) = @_;
    $name =~ s/%([p%])/$1 eq 'p' ? $$ : '%'/ge;
    return $name;
}

# p5-spy is on its way: it has the program started again, or is told to.
sub _is_recorded {
    my $parent = getppid;
    my $program = readlink "/proc/$parent/exe";
    return unless defined $program && $program =~ m{/p5-spy\z};
    my $words = _read("/proc/$parent/cmdline");
    return defined $words && $words =~ /\0--(?:\0|\z)/;
}

# What Yama lets a process read: 0 any of its user's, 1 its own descendants and who allows it.
sub _scope {
    my $scope = _read('/proc/sys/kernel/yama/ptrace_scope');
    return defined $scope && $scope =~ /^(\d)/ ? $1 : 0;
}

sub _read {
    my ($path) = @_;
    local $/;
    open my $file, '<:raw', $path or return;
    return scalar <$file>;
}

# For the recorder's words. Of a program's own there is nothing to hide, and -T wants to see it done.
sub _untainted { return map { /(.*)/s } @_ }

# Here as well as there: the program that was installed, wherever the library is.
sub _program {
    require App::p5spy;
    return App::p5spy->program;
}

# A program of this one's user may be anywhere in PATH, which -T does not let pass; p5-spy looks for none.
sub _quiet_taint {
    return unless ${^TAINT};
    $ENV{PATH} = '/usr/bin:/bin';
    delete @ENV{qw(IFS CDPATH ENV BASH_ENV)};
    return;
}

# The program again, as p5-spy's child: this very process goes on as p5-spy.
sub _become_recorder {
    my @options = @_;
    my $line = _read('/proc/self/cmdline');
    my (undef, @words) = split /\0/, defined $line ? $line : '', -1;
    return _say("Devel::p5spy: /proc is needed here, and is not there: not recorded\n") unless @words;
    pop @words;
    my $program = eval { _program() };
    return _say($@) unless defined $program;
    _quiet_taint();
    ($program) = _untainted($program);
    { exec {$program} _untainted('p5-spy', 'record', @options, '--', $^X, @words) }
    return _say("Devel::p5spy: $program: $!\n");
}

# The recorder is no child of the program's, which would meet it in wait().
sub _start {
    my @options = @_;
    pipe my $go, my $send or return _say("Devel::p5spy: $!\n");
    pipe my $hear, my $tell or return _say("Devel::p5spy: $!\n");
    # -C makes them handles of characters, which sysread() refuses.
    binmode $_ for $go, $send, $hear, $tell;
    my $program_pid = $$;
    my $child = fork;
    return _say("Devel::p5spy: $!\n") unless defined $child;
    if (!$child) {
        require POSIX;
        POSIX::_exit(0) if fork;
        close $send;
        close $hear;
        _record($go, $tell, $program_pid, @options);
        POSIX::_exit(127);
    }
    close $go;
    close $tell;
    waitpid $child, 0;
    $owner = $program_pid;
    $messages = _out_of_the_way($hear);
    $identity = join ' ', (stat $messages)[0, 1];
    $said = '';
    1 while $said !~ /\n/ && _listen();
    return _say($said) unless $said =~ s/^(\d+)\n//;
    # A number, as syscall() wants it.
    $recorder = $1 + 0;
    _allow($recorder) if _scope() == 1;
    close $send;
    _wait_for_start();
    return;
}

# In the process that becomes p5-spy.
sub _record {
    my ($go, $tell, $program_pid, @options) = @_;
    # Ctrl-C is for the program.
    setpgrp 0, 0;
    syswrite $tell, "$$\n";
    sysread $go, my $nothing, 1;
    POSIX::dup2(fileno $tell, 2);
    open STDIN, '<', '/dev/null';
    open STDOUT, '>', '/dev/null';
    # Whoever waits for an end of a file of the program's shall not wait for ours.
    if (opendir my $folder, '/proc/self/fd') {
        POSIX::close($_) for grep { /^\d+\z/ && $_ > 2 } _untainted(readdir $folder);
    }
    my $program = eval { _program() };
    if (!defined $program) {
        return _say($@);
    }
    _quiet_taint();
    ($program) = _untainted($program);
    { exec {$program} _untainted('p5-spy', 'record', @options, '--pid', $program_pid) }
    return _say("Devel::p5spy: $program: $!\n");
}

# The program's first file has the number that it would have.
sub _out_of_the_way {
    my ($handle) = @_;
    my $number = fcntl $handle, $F_DUPFD, 100;
    return $handle unless $number && open my $high, '<&=', $number;
    binmode $high;
    fcntl $high, $F_SETFD, $FD_CLOEXEC;
    return $high;
}

# To be read by this process, where Yama wants to be asked.
sub _allow {
    my ($pid) = @_;
    open my $file, '<:raw', '/proc/self/exe' or return;
    sysread $file, my $head, 20 or return;
    my ($is_little, $machine) = unpack 'x5 C x12 a2', $head;
    my $number = $PRCTL{unpack $is_little == 1 ? 'v' : 'n', $machine};
    syscall $number, $PR_SET_PTRACER, $pid, 0, 0, 0 if defined $number;
    return;
}

# Until p5-spy samples: it does so on a thread of that name.
sub _wait_for_start {
    my $until = time + $PATIENCE;
    while (time < $until) {
        return if _is_sampling();
        return _over() if _has_ended();
        select undef, undef, undef, -d '/proc/self/task' ? .002 : .5;
        return unless -d '/proc/self/task';
    }
    return _say("Devel::p5spy: p5-spy takes long to begin; the program does not wait for it any more\n");
}

sub _is_sampling {
    opendir my $threads, "/proc/$recorder/task" or return;
    for my $thread (readdir $threads) {
        my $name = _read("/proc/$recorder/task/$thread/comm");
        return 1 if defined $name && $name eq "sampler\n";
    }
    return;
}

# The recorder has ended before the program has begun, and says why.
sub _over {
    undef $recorder;
    close $messages;
    return _say($said);
}

# It has said all that it had to say.
sub _has_ended {
    while (_has_words()) {
        return 1 if !_listen();
    }
    return;
}

sub _has_words {
    my $bits = '';
    vec($bits, fileno $messages, 1) = 1;
    return select $bits, undef, undef, 0;
}

# False at the end of what p5-spy has to say, which is its own.
sub _listen {
    my $got = sysread $messages, $said, 4096, length $said;
    return defined $got ? $got : $! == $EINTR;
}

# Not by STDERR itself: the program may have tied it, or have given it a layer.
sub _say {
    my ($words) = @_;
    return unless tied *STDERR || defined fileno STDERR;
    open my $to, '>&2' or return;
    binmode $to;
    syswrite $to, $words;
    return;
}

# Those that are recorded, and that the program leaves behind: it does not wait for them.
sub _has_children {
    opendir my $all, '/proc' or return;
    for my $pid (grep { /^\d+\z/ } readdir $all) {
        my $status = _read("/proc/$pid/stat");
        return 1 if defined $status && $status =~ /.*\) (\w) (\d+) /s && $2 == $$ && $1 ne 'Z';
    }
    return;
}

sub _end {
    # A fork has this block as well.
    return unless $recorder && $owner == $$;
    if ($follows && _has_children()) {
        # Nobody can tell any more whose they were when this process is gone: p5-spy looks for new ones until then.
        select undef, undef, undef, $TO_BE_SEEN;
        return;
    }
    # The program may have closed what it did not know, and have another file there.
    my $is_ours = defined fileno $messages && join(' ', (stat $messages)[0, 1]) eq $identity;
    return unless $is_ours;
    # Who has become another user may not tell p5-spy; that sees the program end.
    if (!_has_ended()) {
        return unless kill INT => $recorder;
        1 while _listen();
    }
    my $written = () = $said =~ /^Wrote /mg;
    # The program's output is its own, but on a terminal, and where there is something to be known.
    _say($said) if $written < $files || -t STDERR;
    return;
}

# The first to be compiled runs last.
END {
    local ($?, $!, $@);
    local $^W = 0;
    _end();
}

1;

__END__

=head1 NAME

Devel::p5spy - record a program with p5-spy from its first line on

=head1 SYNOPSIS

    perl -d:p5spy program.pl                        # p5-spy-PID.svg: a flame graph
    perl -d:p5spy=flame.svg program.pl              # the same, of this name
    perl -d:p5spy=flame.svg,report.html program.pl  # several files, each by its ending
    perl -d:p5spy=flame.svg,rate=500,idle program.pl
    PERL5OPT=-d:p5spy=all-%p.p5spy make test        # every perl that make starts, each its own file

=head1 DESCRIPTION

Before the first line of the program is compiled, p5-spy is started, told the process, and waited for until it
samples. It looks from the outside: the program has no debugger in it (C<$^P> is 0), and its subs, its exit
status, its outputs, signals, C<@ARGV>, C<@INC>, C<%ENV> and children are what they are without it. When the
program ends, it waits until the files are written.

The files and options stand behind the C<=>, with commas between them:

=over 4

=item *

A word with a dot or a slash in it is a file to write. Its ending decides what is written: C<.svg> a flame graph,
C<.html> the report, C<.p5spy> every sample, and so on, as L<p5-spy> has it. C<%p> in a name stands for the
process, C<%%> for a percent sign. C<file=NAME> is a file whatever its name is.

=item *

Every other word is an option of C<p5-spy record>, without its dashes: C<rate=500>, C<idle>, C<threads>,
C<duration=30s>, C<by=line>, C<ops>, C<format=collapsed>, C<s>. A value cannot have a comma in it.

=back

C<s> (or C<subprocesses>) records forks of the program, and what these start, too. Where the program leaves
children behind when it ends, it does not wait: the recording goes on until the last of them has ended.

=head1 WHAT IS SAID

What p5-spy has to say about the recording is shown at the end if standard error is a terminal, and when not all
files were written. Otherwise nothing is printed.

If p5-spy cannot start, it says why, and the program runs without being recorded.

=head1 WHERE IT IS OTHERWISE

=over 4

=item *

Where F</proc/sys/kernel/yama/ptrace_scope> is 1 (Ubuntu), the program allows p5-spy's process, and no other, to
read it (C<PR_SET_PTRACER>). Its forks do not inherit this. So with C<s> the program becomes a child of p5-spy
there: its process id is another than that of the process that was started, which is p5-spy, passes on what
ends it and its exit status, and says on standard error what it has to say. Where
C<ptrace_scope> is 2 or 3, only root may record, or nobody.

=item *

A program that ends by a signal or by C<POSIX::_exit>, or becomes another one (C<exec>), waits for nothing. The
files are there a moment later. So it is with one that takes the rights of another user.

=item *

What happens after the program's last C<END> block (objects that are destroyed at the very end) is not recorded.
C<p5-spy record -- perl program.pl> records it, and works where this module does not: Windows.

=item *

F<Devel/p5spy.pm> is in C<%INC>, and the packages C<Devel::p5spy> and C<DB> are there.

=back

=head1 SEE ALSO

L<p5-spy>, L<App::p5spy>

=head1 COPYRIGHT AND LICENSE

This is free software under the GNU General Public License, version 3; the file F<LICENSE> has its text.

=cut
