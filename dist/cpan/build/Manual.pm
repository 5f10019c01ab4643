package Manual;

# The manual as POD, of what the program says in its man pages and of sections of README.md.

use strict;
use warnings;

my %ESCAPED = ('<' => 'E<lt>', '>' => 'E<gt>');

sub escaped {
    my ($text) = @_;
    $text =~ s/([<>])/$ESCAPED{$1}/g;
    return $text;
}

# A piece of text in a font. One that begins like a command of POD's is not taken for one.
sub in_font {
    my ($font, $text) = @_;
    return '' unless length $text;
    return $font eq 'R' ? escaped($text) : "$font<" . escaped($text) . '>';
}

sub verbatim {
    my ($line) = @_;
    return $line =~ /\S/ ? "    $line\n" : "\n";
}

# ---- man pages

# A line of roff's: its fonts and escapes are all that the pages have.
sub of_roff {
    my ($line) = @_;
    my ($font, $pod) = ('R', '');
    for my $piece (split /(\\f[BIRP])/, $line) {
        if ($piece =~ /^\\f([BIRP])\z/) {
            $font = $1 eq 'P' ? 'R' : $1;
            next;
        }
        $pod .= in_font($font, plain_roff($piece));
    }
    return $pod;
}

sub plain_roff {
    my ($text) = @_;
    $text =~ s/\\f[BIRP]//g;
    $text =~ s/\\\*\(Aq/'/g;
    $text =~ s/\\\(bu/*/g;
    $text =~ s/\\&//g;
    $text =~ s/\\-/-/g;
    $text =~ s/\\e/\\/g;
    $text =~ s/\\\\/\\/g;
    die "an escape of roff's that is not known here: $text\n" if $text =~ /\\[(*\[fhsv]/;
    return $text;
}

# The sections of a page as [TITLE, POD].
sub sections_of_page {
    my ($page) = @_;
    my (@sections, @lists, $state);
    my $out = sub { $sections[-1][1] .= join '', map {"$_\n\n"} @_ if @sections };
    my $end_list = sub { $out->('=back') while @lists && pop @lists };
    for my $line (split /\n/, $page) {
        if (defined $state && $state eq 'verbatim' && $line ne '.fi') {
            $sections[-1][1] .= verbatim(plain_roff($line));
        }
        elsif ($line =~ /^\.(?:ie|el|TH|br)\b/ || $line eq '') {
            next;
        }
        elsif ($line =~ /^\.SH "?(.*?)"?\z/) {
            $end_list->();
            push @sections, [plain_roff($1), ''];
            $state = '';
        }
        elsif ($line eq '.TP') {
            $end_list->() if @lists && $lists[-1] ne 'tagged';
            push(@lists, 'tagged'), $out->('=over 4') unless @lists;
            $state = 'tag';
        }
        elsif ($line =~ /^\.IP \\\(bu /) {
            push(@lists, 'bullets'), $out->('=over 4') unless @lists && $lists[-1] eq 'bullets';
            $out->('=item *');
        }
        elsif ($line eq '.RE') {
            $out->('=back') if pop @lists;
        }
        elsif ($line =~ /^\.(?:HP|PP|RS .*)\z/) {
            $end_list->() if $line eq '.PP';
        }
        elsif ($line eq '.nf') {
            $end_list->();
            $state = 'verbatim';
        }
        elsif ($line eq '.fi') {
            $out->('');
            $state = '';
        }
        elsif ($line =~ /^\./) {
            die "a macro of roff's that is not known here: $line\n";
        }
        elsif (defined $state && $state eq 'tag') {
            $out->('=item ' . of_roff($line));
            $state = '';
        }
        else {
            $out->(of_roff($line));
        }
    }
    $end_list->();
    return @sections;
}

# ---- Markdown

# The text of a section of README.md, without its title.
sub section_of_markdown {
    my ($markdown, $title) = @_;
    my ($text) = $markdown =~ /^## \Q$title\E\n(.*?)(?=^## |\z)/ms;
    die "README.md has no section \"$title\": dist/cpan/make names those that the manual has\n" unless defined $text;
    # Comments, which are for the book and for tests.
    $text =~ s/^<!--.*?-->\n//mg;
    return $text;
}

# Code first: what stands in it is text.
sub of_inline {
    my ($text) = @_;
    my $pod = '';
    for my $piece (split /(`[^`]+`)/, $text) {
        if ($piece =~ /^`(.+)`\z/s) {
            $pod .= in_font('C', $1);
            next;
        }
        $piece =~ s/!\[[^\]]*\]\([^)]*\)//g;
        $piece = escaped($piece);
        $piece =~ s/\[([^\]]*)\]\((https?:[^)\s]+)\)/L<$1|$2>/g;
        $piece =~ s/\[([^\]]*)\]\([^)\s]+\)/$1/g;
        $piece =~ s/\*\*(.+?)\*\*/B<$1>/gs;
        $piece =~ s/(?<![\w*])\*([^*\s][^*]*)\*(?![\w*])/I<$1>/g;
        $pod .= $piece;
    }
    return $pod;
}

# Bold text may have code in it, so its marks are looked for where the code is not yet taken out.
sub paragraph {
    my ($text) = @_;
    $text =~ s/\*\*([^*]*`[^*]*)\*\*/$1/g;
    my $pod = of_inline($text);
    $pod =~ s/^(?==)/Z<>/;
    return "$pod\n\n";
}

sub of_markdown {
    my ($text) = @_;
    my @lines = split /\n/, $text;
    my ($pod, $list) = ('', undef);
    my $end_list = sub { $pod .= "=back\n\n" if defined $list; undef $list };
    while (@lines) {
        my $line = shift @lines;
        if ($line =~ /^(#{3,}) (.*)/) {
            $end_list->();
            $pod .= '=head2 ' . of_inline($2) . "\n\n";
        }
        elsif ($line =~ /^\s*```/) {
            my @code;
            push @code, shift @lines while @lines && $lines[0] !~ /^\s*```/;
            shift @lines;
            $pod .= join('', map { verbatim($_) } @code) . "\n";
        }
        elsif ($line =~ /^\|/) {
            my @rows = ($line);
            push @rows, shift @lines while @lines && $lines[0] =~ /^\|/;
            $end_list->();
            $pod .= table(@rows);
        }
        elsif ($line =~ /^(-|(\d+)\.) (.*)/) {
            my ($mark, $words) = (defined $2 ? "$2." : '*', $3);
            $words .= ' ' . trimmed(shift @lines) while @lines && $lines[0] =~ /^ +\S/ && $lines[0] !~ /^\s*```/;
            $pod .= "=over 4\n\n" unless defined $list;
            $list = 1;
            $pod .= "=item $mark\n\n" . paragraph($words);
        }
        elsif ($line =~ /\S/) {
            $line .= "\n" . shift @lines while @lines && $lines[0] =~ /\S/ && $lines[0] !~ /^(?:```|\||- |#)/;
            $end_list->();
            $pod .= paragraph($line);
        }
    }
    $end_list->();
    return $pod;
}

sub trimmed {
    my ($text) = @_;
    $text =~ s/^\s+|\s+\z//g;
    return $text;
}

# The first column names, the others tell; with three and more, each by its head.
sub table {
    my ($head, undef, @rows) = map { [cells($_)] } @_;
    my $pod = "=over 4\n\n";
    for my $row (@rows) {
        my ($name, @cells) = @$row;
        $pod .= '=item ' . of_inline($name) . "\n\n" if length $name;
        my @told = map { [$head->[$_ + 1], $cells[$_]] } grep { length $cells[$_] } 0 .. $#cells;
        my $texts = join '; ', map { @cells > 1 && length $_->[0] ? "$_->[0]: $_->[1]" : $_->[1] } @told;
        $pod .= paragraph($texts) if length $texts;
    }
    return "$pod=back\n\n";
}

# A bar in code is none between cells, where it is escaped.
sub cells {
    my ($row) = @_;
    $row =~ s/^\|\s*|\s*\|\s*\z//g;
    my @cells = split /(?<!\\)\|/, $row, -1;
    s/\\\|/|/g for @cells;
    return map { trimmed($_) } @cells;
}

# ---- the whole

# Of the pages by their names, the main one first, and of sections of README.md.
sub whole {
    my ($abstract, $pages, $markdown, @titles) = @_;
    my ($main, @verbs) = ('p5-spy', grep { $_ ne 'p5-spy' } order($pages));
    my %is_same = map { $_ => 1 } 'SEE ALSO', 'FILES', 'ENVIRONMENT', 'EXIT STATUS';
    my (%late, $pod);
    $pod = "=encoding UTF-8\n\n=head1 NAME\n\np5-spy - $abstract\n\n";
    for my $section (sections_of_page($pages->{$main})) {
        my ($title, $text) = @$section;
        next if $title eq 'NAME' || $title eq 'SEE ALSO';
        $text =~ s/^(=item p5-spy-[\w-]+)\(1\)$/$1/mg if $title eq 'SUBCOMMANDS';
        $is_same{$title} ? ($late{$title} = $text) : ($pod .= "=head1 $title\n\n$text");
    }
    for my $verb (@verbs) {
        (my $words = $verb) =~ s/^p5-spy-/p5-spy /;
        $pod .= "=head1 $words\n\n";
        for my $section (sections_of_page($pages->{$verb})) {
            my ($title, $text) = @$section;
            next if $is_same{$title} || $title eq 'NAME';
            $pod .= "=head2 " . ucfirst(lc $title) . " of $words\n\n$text";
        }
    }
    $pod .= '=head1 ' . uc($_) . "\n\n" . of_markdown(section_of_markdown($markdown, $_)) for @titles;
    $pod .= "=head1 $_\n\n$late{$_}" for grep { $late{$_} } 'EXIT STATUS', 'FILES', 'ENVIRONMENT';
    $pod .= "=head1 SEE ALSO\n\nL<App::p5spy>, L<Devel::p5spy>\n\n=cut\n";
    return $pod;
}

# As the main page lists the verbs.
sub order {
    my ($pages) = @_;
    (my $main = $pages->{'p5-spy'}) =~ s/\\-/-/g;
    return grep { $pages->{$_} } $main =~ /^(p5-spy-[\w-]+)\(1\)$/mg;
}

1;
