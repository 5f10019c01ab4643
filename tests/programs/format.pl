# stops: 3
# Formats. `caller` does not tell their names: since 5.22 it returns the format itself, and before
# that there is no telling it from a sub.
use strict;
use vars qw($row);
use Oracle ();

package Row;
sub new { bless {}, shift }
sub text { my ($self, $label) = @_; Oracle::here($label); return 'text' }

package main;
$row = Row->new;

format LIST =
@<<<<<<<<< @>>>>>>
$row->text('method call in a format'), 1
@<<<<<<<<<
$row->text('second line of a format')
.

$Oracle::Format = 'main::LIST';
open(LIST, '>/dev/null') or die;
write LIST;

package Report;
format OTHER =
@<<<<<<
$main::row->text('format of another package')
.
open(OTHER, '>/dev/null') or die;
sub print_it {
    my $x = 1;
    $Oracle::Format = 'Report::OTHER';
    write(OTHER);
}
print_it();
