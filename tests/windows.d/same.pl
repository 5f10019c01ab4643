#!/usr/bin/perl
# Holds a layout that was learned against the table of the same perl, which was made of its headers.
#
#   same.pl LEARNED TABLE
#
# A line for each difference; the exit status is 0 where there is none.

use strict;
use warnings;

my ($learned, $table) = map { members($_) } @ARGV;
my @wrong;
for my $name (sort keys %$table) {
    my $other = $learned->{$name} // 'not learned';
    # A table names no more of the machine than it depends on.
    next if $name eq 'perl.machine' && index($other =~ s/"$/_"/r, $table->{$name} =~ s/"$/_/r) == 0;
    # And it stands for every perl of a version's series.
    next if $name eq 'perl.version' && series($other) eq series($table->{$name});
    push @wrong, "$name: $table->{$name} in the table, $other" if $other ne $table->{$name};
}
# What is no structure's, a table need not say: perl itself does.
push @wrong, map { "$_: not in the table" } grep { /^struct/ && !exists $table->{$_} } sort keys %$learned;
push @wrong, 'the table has no members' if keys %$table < 100;
print map { "$_\n" } @wrong;
exit(@wrong > 0);

sub series { return join '.', ($_[0] =~ /\d+/g)[0, 1] }

# "struct.cop.cop_line" with what stands there; without what says where the table comes from.
sub members {
    my ($file) = @_;
    open my $from, '<', $file or die "$file: $!\n";
    my ($section, %found) = '';
    while (<$from>) {
        s/\s*(#.*)?\r?\n?\z//;
        if (/^\[(.*)\]$/) { $section = $1 }
        elsif (/^(\w+) = (.*)/ && $section ne 'made') { $found{"$section.$1"} = $2 }
    }
    return \%found;
}
