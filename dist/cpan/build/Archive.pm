package Archive;

# A tar archive that is the same byte for byte for the same content, whoever makes it, where and when.

use strict;
use warnings;
use IO::Compress::Gzip ();

# Files as [NAME, MODE, CONTENT]; a time for all of them.
sub tar {
    my ($time, @files) = @_;
    return join('', map { entry($time, @$_) } sort { $a->[0] cmp $b->[0] } @files) . "\0" x 1024;
}

# One file, as ustar has it, of nobody in particular.
sub entry {
    my ($time, $path, $mode, $content) = @_;
    my ($prefix, $name) = halves($path);
    my $head = sub {
        pack 'a100 a8 a8 a8 a12 a12 a8 a1 a100 a6 a2 a32 a32 a8 a8 a155 x12', $name, octal($mode, 7), octal(0, 7),
            octal(0, 7), octal(length $content, 11), octal($time, 11), $_[0], '0', '', "ustar\0", '00', 'root', 'root',
            octal(0, 7), octal(0, 7), $prefix;
    };
    my $sum = unpack '%32C*', $head->(' ' x 8);
    return $head->(sprintf "%06o\0 ", $sum) . $content . "\0" x (-length($content) % 512);
}

sub octal {
    my ($number, $digits) = @_;
    return sprintf '%0*o', $digits, $number;
}

# A long name stands in two fields, parted at a slash.
sub halves {
    my ($path) = @_;
    return ('', $path) if length $path <= 100;
    return ($1, $2) if $path =~ m{^(.{1,155})/(.{1,100})\z}s;
    die "$path: too long a name for a tar archive\n";
}

# Without a time and a name, and with the same word about the system everywhere.
sub gzip {
    my ($content) = @_;
    my $packed;
    IO::Compress::Gzip::gzip(\$content, \$packed, -Level => 9, -Minimal => 1)
        or die "gzip: $IO::Compress::Gzip::GzipError\n";
    return $packed;
}

1;
