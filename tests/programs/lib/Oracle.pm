package Oracle;

# What `caller` says of the place where a program is, for tests/oracle.rs. Here are no regular
# expressions, no evals and no $_: programs call this from within all of them. Perl 5.6 runs it.

use strict;
use vars qw($Byte $Format);

# Prints every frame as `caller` sees it, then waits for one byte of standard input.
sub here {
    my ($label) = @_;
    put(frames(__FILE__, __LINE__ + 1, 1) . "stop\t$label\n");
    sysread(STDIN, $Byte, 1);
}

# The same, but its caller will wait by itself, on line `$line`.
sub announce {
    my ($label, $line) = @_;
    put(frames((caller)[1], $line, 2) . "stop\t$label\n");
}

# Prints the frames of a thread that will wait on line `$line` while another thread stops.
sub say_frames {
    my ($line) = @_;
    put(frames((caller)[1], $line, 2));
}

# The frames from `$level` calls up on; that one will be at line `$line` of `$file` when p5-spy
# looks.
sub frames {
    my ($file, $line, $level) = @_;
    my $text = "thread\t" . ($INC{'threads.pm'} ? threads->tid() : '') . "\n";
    while (my ($from, $called) = (caller($level))[1, 2]) {
        $text .= row($file, $line, what($level + 1));
        ($file, $line) = ($from, $called);
        $level++;
    }
    return $text . row($file, $line, '(main)', 'main', '');
}

# The name of the frame `$level` calls up, its kind, and what there is to add, as p5-spy has it.
sub what {
    my ($level) = @_;
    # Since 5.22 the name of a format is the format itself, which cannot be copied; before, it looks
    # like a sub. So a program that uses a format says which.
    return ($Format, 'format', '') if ref(\(caller($level))[3]) eq 'FORMAT';
    my ($name, $text, $is_require) = (caller($level))[3, 6, 7];
    if ($name eq '(eval)') {
        return ($name, 'eval', 'block') if !defined $text;
        return $is_require ? ($name, 'require', $text) : ($name, 'eval', 'string');
    }
    return ($name, defined $Format && $name eq $Format ? 'format' : 'sub', '');
}

sub row {
    my ($file, $line, $name, $kind, $detail) = @_;
    # Names are characters, file names are bytes.
    utf8::encode($name) if defined &utf8::encode;
    return join("\t", 'frame', $name, $file, $line, $kind, $detail) . "\n";
}

sub put {
    my ($text) = @_;
    my $done = 0;
    while ($done < length $text) {
        my $written = syswrite(STDOUT, $text, length($text) - $done, $done);
        die "cannot write: $!" if !defined $written;
        $done += $written;
    }
}

1;
