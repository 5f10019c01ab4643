//! Words as one types them in a shell of this system.

/// A word as one types it in a shell; it does nothing to a terminal.
pub fn quoted(word: &str) -> String {
    let safe = crate::text::from_utf8(word.as_bytes());
    match cfg!(windows) {
        true => of_windows(&safe),
        false => of_unix(safe),
    }
}

fn is_plain(word: &str, others: &str) -> bool {
    !word.is_empty()
        && word
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || others.contains(c))
}

/// As every shell of Unix reads it.
fn of_unix(word: String) -> String {
    if is_plain(&word, "-_./:=,@%+") {
        return word;
    }
    if word.contains('\'') && !word.contains(['"', '$', '`', '\\', '!']) {
        return format!("\"{word}\"");
    }
    format!("'{}'", word.replace('\'', r"'\''"))
}

/// As a program of Windows takes it apart. What its two shells do with their own signs between quotes
/// (`%` in cmd.exe, `$` in PowerShell) no way of writing keeps both from.
fn of_windows(word: &str) -> String {
    if is_plain(word, r"-_./:=+\~") {
        return word.into();
    }
    let units: Vec<u16> = word.encode_utf16().collect();
    String::from_utf16_lossy(&in_quotes(&units))
}

/// A word of a command line that a program takes apart as the C library of Windows does: a quote has a
/// backslash before it, and backslashes before a quote are doubled.
pub(super) fn in_quotes(word: &[u16]) -> Vec<u16> {
    const QUOTE: u16 = b'"' as u16;
    const BACKSLASH: u16 = b'\\' as u16;
    let mut typed = vec![QUOTE];
    let mut slashes = 0;
    for unit in word {
        if *unit == QUOTE {
            typed.extend(std::iter::repeat_n(BACKSLASH, slashes + 1));
        }
        slashes = if *unit == BACKSLASH { slashes + 1 } else { 0 };
        typed.push(*unit);
    }
    typed.extend(std::iter::repeat_n(BACKSLASH, slashes));
    typed.push(QUOTE);
    typed
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shell_of_unix_reads_the_word() {
        for (word, typed) in [
            ("plain-1.2/x:y=z,@%+", "plain-1.2/x:y=z,@%+"),
            ("", "''"),
            ("two words", "'two words'"),
            ("$(reboot)", "'$(reboot)'"),
            ("it's", "\"it's\""),
            ("it's $HOME", r"'it'\''s $HOME'"),
        ] {
            assert_eq!(of_unix(word.into()), typed);
        }
        assert_eq!(shlex::split(&of_unix("it's".into())).unwrap(), ["it's"]);
    }

    #[test]
    fn a_program_of_windows_gets_the_word() {
        for (word, typed) in [
            (r"C:\perl\bin\perl.exe", r"C:\perl\bin\perl.exe"),
            ("", r#""""#),
            (
                r"C:\Program Files\p5-spy.exe",
                r#""C:\Program Files\p5-spy.exe""#,
            ),
            (r"C:\two words\", r#""C:\two words\\""#),
            (r#"a"b"#, r#""a\"b""#),
            (r#"a\"b"#, r#""a\\\"b""#),
            ("a,b", r#""a,b""#),
        ] {
            assert_eq!(of_windows(word), typed);
        }
    }

    #[test]
    fn nothing_reaches_a_terminal() {
        assert!(!quoted("\x1b[2J\0").contains(['\x1b', '\0']));
    }
}
