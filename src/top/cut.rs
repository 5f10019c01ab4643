//! Texts made to fit, so that what tells them apart stays visible.

use ratatui::text::Span;

/// Columns that a text takes.
pub fn width(text: &str) -> usize {
    if text.is_ascii() {
        text.len()
    } else {
        Span::raw(text).width()
    }
}

/// The beginning of a text, in so many columns.
pub fn start(text: &str, columns: usize) -> String {
    if width(text) <= columns {
        return text.to_owned();
    }
    let mut kept = taken(text.chars(), columns.saturating_sub(1));
    if columns > 0 {
        kept.push('…');
    }
    kept
}

/// The end of a text: of a path the file, of a sub its own name.
pub fn end(text: &str, columns: usize) -> String {
    if width(text) <= columns {
        return text.to_owned();
    }
    let backwards = taken(text.chars().rev(), columns.saturating_sub(1));
    let cut = if columns > 0 { "…" } else { "" };
    let kept: String = backwards.chars().rev().collect();
    format!("{cut}{kept}")
}

/// Both ends of a text.
pub fn middle(text: &str, columns: usize) -> String {
    if width(text) <= columns {
        return text.to_owned();
    }
    let front = columns.saturating_sub(1) / 2;
    let kept = taken(text.chars(), front);
    format!("{kept}{}", end(text, columns.saturating_sub(width(&kept))))
}

/// What a function is called: of a sub in a package the sub, of anything else both ends.
pub fn name(label: &str, columns: usize) -> String {
    let plain = label.split(['[', ' ', '/', '"']).next().unwrap_or(label);
    if plain.len() == label.len() && label.contains("::") {
        end(label, columns)
    } else {
        middle(label, columns)
    }
}

fn taken(chars: impl Iterator<Item = char>, columns: usize) -> String {
    let mut left = columns;
    let mut kept = String::new();
    for c in chars {
        let needed = width(c.encode_utf8(&mut [0; 4]));
        if needed > left {
            break;
        }
        left -= needed;
        kept.push(c);
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_fits_is_left_alone() {
        for cut in [start, end, middle, name] {
            assert_eq!(cut("Foo::bar", 8), "Foo::bar");
            assert_eq!(cut("", 0), "");
            assert_eq!(cut("日本", 4), "日本");
        }
    }

    #[test]
    fn nothing_is_wider_than_it_may_be() {
        for text in [
            "Some::Long::Package::sub",
            "eval \"…\" [lib/日本語/Foo.pm:12]",
            "e\u{301}e\u{301}e\u{301}e\u{301}",
        ] {
            for columns in 0..30 {
                for cut in [start, end, middle, name] {
                    assert!(width(&cut(text, columns)) <= columns, "{text} {columns}");
                }
            }
        }
    }

    #[test]
    fn subs_keep_their_own_name_and_files_theirs() {
        assert_eq!(name("Some::Long::Package::sub", 10), "…kage::sub");
        assert_eq!(end("/usr/share/perl5/Foo/Bar.pm:12", 11), "…/Bar.pm:12");
        assert_eq!(
            name("Foo::__ANON__[lib/Foo/Bar.pm:12]", 20),
            "Foo::__AN…Bar.pm:12]"
        );
        assert_eq!(start("match /abcdef/", 8), "match /…");
        assert_eq!(middle("abcdefghij", 7), "abc…hij");
    }
}
