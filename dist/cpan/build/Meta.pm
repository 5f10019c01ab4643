package Meta;

# META.json and META.yml. CPAN::Meta would write its own version into them.

use strict;
use warnings;

# Values are texts, lists and tables, and references to numbers.
sub json {
    my ($value, $indent) = @_;
    $indent = '' unless defined $indent;
    my $inner = "$indent   ";
    if (ref $value eq 'HASH') {
        return '{}' unless %$value;
        my @lines = map { "$inner" . quoted($_) . ' : ' . json($value->{$_}, $inner) } sort keys %$value;
        return "{\n" . join(",\n", @lines) . "\n$indent}";
    }
    if (ref $value eq 'ARRAY') {
        return '[]' unless @$value;
        return "[\n" . join(",\n", map { $inner . json($_, $inner) } @$value) . "\n$indent]";
    }
    return quoted($value);
}

sub yaml {
    my ($value, $indent) = @_;
    $indent = '' unless defined $indent;
    my $below = sub {
        my ($inner) = @_;
        return ref $inner eq 'HASH' && !%$inner ? " {}\n"
            : ref $inner eq 'ARRAY' && !@$inner ? " []\n"
            : ref $inner && ref $inner ne 'SCALAR' ? "\n" . yaml($inner, "$indent  ")
            :                                        ' ' . quoted($inner) . "\n";
    };
    return join '', map { "$indent$_:" . $below->($value->{$_}) } sort keys %$value if ref $value eq 'HASH';
    return join '', map { "$indent-" . $below->($_) } @$value;
}

# The same in both languages for what is in a description.
sub quoted {
    my ($text) = @_;
    return $$text if ref $text;
    die "what is this in a META file: $text\n" if $text =~ /[^\x20-\x7e]/;
    $text =~ s/(["\\])/\\$1/g;
    return qq("$text");
}

# The older of the two has other names for some things.
sub of_1_4 {
    my ($meta) = @_;
    my $prereqs = $meta->{prereqs};
    my %old     = map { $_ => $meta->{$_} } qw(abstract author dynamic_config generated_by name version provides);
    my ($license) = @{ $meta->{license} };
    $old{license} = $license =~ /^gpl/ ? 'gpl' : $license;
    $old{'meta-spec'} = { url => 'http://module-build.sourceforge.net/META-spec-v1.4.html', version => '1.4' };
    $old{no_index}           = $meta->{no_index};
    $old{requires}           = $prereqs->{runtime}{requires};
    $old{configure_requires} = $prereqs->{configure}{requires};
    $old{build_requires}     = $prereqs->{test}{requires};
    my $resources = $meta->{resources};
    my %flat;
    for my $key (keys %$resources) {
        my $value = $resources->{$key};
        $flat{$key} = ref $value eq 'HASH' ? $value->{url} || $value->{web} : ref $value ? $value->[0] : $value;
    }
    $old{resources} = \%flat if %flat;
    return \%old;
}

1;
