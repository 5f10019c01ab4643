package App::p5spy;

use 5.008;
use strict;

our $VERSION = '0.0.0';    # dist/cpan/make puts in the real one

my $NAME = $^O eq 'MSWin32' ? 'p5-spy.exe' : 'p5-spy';

# Where Makefile.PL puts it, below a folder of @INC.
my $PLACE = "auto/share/dist/App-p5spy/$NAME";

sub program {
    # Beside this file first: it is the one that was installed with it.
    my ($library) = __FILE__ =~ m{^(.*?)[\\/]*App[\\/]p5spy\.pm\z}s;
    $library = '.' unless defined $library && length $library;
    for my $folder ($library, grep { !ref } @INC) {
        return "$folder/$PLACE" if -f "$folder/$PLACE";
    }
    die "App::p5spy: there is no $PLACE in any folder of \@INC: App-p5spy is not completely installed\n";
}

sub run {
    my (undef, @words) = @_;
    my $program = program();
    my $status = system {$program} 'p5-spy', @words;
    die "App::p5spy: $program: $!\n" if $status == -1;
    return $status & 127 ? 128 + ($status & 127) : $status >> 8;
}

1;

__END__

=head1 NAME

App::p5spy - p5-spy, the sampling profiler that looks at running Perl programs from the outside

=head1 SYNOPSIS

    p5-spy --pid 12345                                 # live view of a running program
    p5-spy record -o flame.svg -- perl program.pl      # a flame graph
    perl -d:p5spy=flame.svg program.pl                 # the same, as Devel::NYTProf's users type it

    use App::p5spy;
    my $status = App::p5spy->run(qw(record -o flame.svg -d 10 --pid), $pid);

=head1 DESCRIPTION

p5-spy reads the memory of a running perl and shows where its time goes. The program is not restarted, not
changed, and never paused. It is a program of its own, written in Rust; this distribution brings it for
Linux on x86-64 and arm64, and its source for other systems.

L<p5-spy> is its manual (C<perldoc p5-spy>), L<Devel::p5spy> records a program from its first line on.

This module tells where the program is, and runs it. It loads nothing else.

=head1 METHODS

=head2 program

    my $path = App::p5spy->program;

The path of the program that was installed with this module. Dies when there is none.

=head2 run

    my $status = App::p5spy->run(@words);

Runs p5-spy with these words, as a shell would have split them, waits for its end, and returns its exit
status: 0 when all went well, 1 when it failed, 2 when the words have a mistake, and 128+n when signal n ended
it. Of C<record> and C<top> with a program to start, that program's status. Input and outputs are the caller's.
Dies when p5-spy cannot be run at all.

Where L<yama|https://docs.kernel.org/admin-guide/LSM/Yama.html> lets a process read only its descendants
(F</proc/sys/kernel/yama/ptrace_scope> is 1, as on Ubuntu), p5-spy as a child of your program may not read your
program. L<Devel::p5spy> sees to that.

=head1 INSTALLING

F<Makefile.PL> takes the program that came with the distribution where it runs. Elsewhere, and with
C<P5SPY_FROM_SOURCE=1> in the environment, C<make> builds it with cargo of its source in F<rust/>; cargo fetches
the crates that it names. C<P5SPY_PROGRAM=/path/of/p5-spy> takes a program that is there already. Nothing else
is fetched from anywhere.

=head1 SEE ALSO

L<p5-spy>, L<Devel::p5spy>; L<Devel::NYTProf>, which counts every statement, and slows the program down for it.

=head1 COPYRIGHT AND LICENSE

This is free software under the GNU General Public License, version 3; the file F<LICENSE> has its text.

=cut
