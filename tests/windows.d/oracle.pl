#!/usr/bin/perl
# Runs programs of tests/programs/ by a Windows perl and holds what p5-spy.exe sees of them against
# what `caller` says inside. Called by tests/windows.
#
#   oracle.pl WINE SPY PERL LIB VERSION PROGRAM...
#
# WINE is empty on Windows itself, and LIB where the perl finds its library.
#
# A line for each program, and as exit status how many failed.

use strict;
use warnings;
use FindBin;
use IPC::Open2;
use JSON::PP ();
use Time::HiRes 'sleep';

my ($wine, $spy, $perl, $lib, $version, @programs) = @ARGV;
# Windows has another program of the name timeout.
my @wine = length $wine ? ('timeout', 200, $wine) : ();
my @lib = length $lib ? "-I$lib" : ();
my $folder = "$FindBin::Bin/../programs";
my @layout = ('--no-debug-info', '--no-learn', '--no-cache');
push @layout, '--layouts', $ENV{P5SPY_LAYOUTS} if defined $ENV{P5SPY_LAYOUTS};
my %beyond = map { $_ => 1 } qw(xsub op syscall synthetic);
my $failed = 0;
$| = 1;

for my $program (@programs) {
    if (my $lacks = lacks($program)) {
        print "left out $version $program: it needs $lacks\n";
        next;
    }
    my @wrong;
    for (1 .. 3) {
        @wrong = check($program);
        # Once in a hundred times wine itself fails to start a program of 32 bits.
        last if !grep { /ShellExecuteEx failed/ } @wrong;
    }
    print @wrong ? "failed" : "ok", " $version $program\n", map { "    $_\n" } @wrong;
    $failed++ if @wrong;
}
exit($failed > 255 ? 255 : $failed);

# What is wrong with a program, in lines.
sub check {
    my ($program) = @_;
    chdir $folder or die "$folder: $!";
    my $pid = open2(my $out, my $in, @wine, $perl, @lib, '-Ilib', "-I$FindBin::Bin", '-MTell', "$program.pl");
    my (@threads, @wrong, $target);
    my $stops = 0;
    while (my $line = <$out>) {
        $line =~ s/\r?\n\z//;
        my ($what, @fields) = split /\t/, $line, -1;
        if ($what eq 'pid') { $target = $fields[0] }
        elsif ($what eq 'thread') { push @threads, { tid => $fields[0], frames => [] } }
        elsif ($what eq 'frame') { push @{ $threads[-1]{frames} }, join ' ', @fields }
        elsif ($what eq 'stop') {
            $stops++;
            # Between printing and waiting it still runs.
            sleep 0.3;
            push @wrong, map { "$fields[0]: $_" } compare(\@threads, seen($target));
            @threads = ();
            syswrite $in, "\n";
        }
        else { push @wrong, "not a line of the oracle: $line" }
    }
    close $in;
    waitpid $pid, 0;
    push @wrong, "it ended with $?" if $?;
    push @wrong, "it stopped $stops times" if $stops != wanted($program);
    return @wrong;
}

# How often it says that it stops.
sub wanted {
    my ($stops) = map { /^# stops: (\d+)/ ? $1 : () } head($_[0]);
    return $stops;
}

# What it needs that this perl lacks.
sub lacks {
    for my $need (map { /^# needs (.*\S)/ ? $1 : () } head($_[0])) {
        return $need if $need eq 'Unix';
        my $asked = $need =~ /^perl (\S+)/ ? "require v$1"
            : $need =~ /^module (\S+)/    ? "require $1"
            :                               'require Config; $Config::Config{useithreads} || die';
        return $need if system @wine, $perl, @lib, '-e', "exit !eval { $asked; 1 }";
    }
    return;
}

sub head {
    open my $file, '<', "$folder/$_[0].pl" or die "$_[0]: $!";
    return grep { /^#/ } <$file>;
}

sub seen {
    my ($pid) = @_;
    my @command = (@wine, $spy, 'dump', '--json', '--synthetic', 'all', '--pid', $pid, @layout);
    open my $from, '-|', @command or die "wine: $!";
    local $/;
    my $text = <$from>;
    close $from or return "p5-spy ended with $?: $text";
    return JSON::PP->new->utf8->decode($text);
}

sub compare {
    my ($threads, $seen) = @_;
    return $seen if !ref $seen;
    my @seen = @{ $seen->{threads} };
    my @wrong;
    push @wrong, @$threads . ' threads, p5-spy has ' . @seen if @seen != @$threads;
    for my $thread (@$threads) {
        my ($found) = grep { $thread->{tid} eq '' || ($_->{perl_tid} // '') eq $thread->{tid} } @seen;
        if (!$found) { push @wrong, "no thread $thread->{tid}"; next }
        push @wrong, "the state is $found->{state}" if $found->{state} ne 'idle';
        my @frames = map { row($_) } grep { !$beyond{ $_->{kind} } } @{ $found->{frames} };
        my @said = @{ $thread->{frames} };
        for my $index (0 .. ($#frames > $#said ? $#frames : $#said)) {
            my ($said, $got) = ($said[$index] // 'nothing', $frames[$index] // 'nothing');
            push @wrong, "frame $index: caller says $said, p5-spy $got" if $said ne $got;
        }
    }
    return @wrong;
}

# A frame as Oracle.pm prints it.
sub row {
    my ($frame) = @_;
    my $text = join ' ', map { $_ // '' } @$frame{qw(name file line kind detail)};
    utf8::encode($text);
    return $text;
}
