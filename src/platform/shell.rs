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

/// As cmd.exe and PowerShell both give it to a program, which takes it apart as the C library does: what
/// stands before a quote is doubled where it is a backslash.
fn of_windows(word: &str) -> String {
    if is_plain(word, r"-_./:=+\~") {
        return word.into();
    }
    let mut typed = String::from('"');
    let mut backslashes = 0;
    for c in word.chars() {
        match c {
            '\\' => backslashes += 1,
            '"' => {
                typed.extend(std::iter::repeat_n('\\', backslashes + 1));
                backslashes = 0;
            }
            _ => backslashes = 0,
        }
        typed.push(c);
    }
    typed.extend(std::iter::repeat_n('\\', backslashes));
    typed.push('"');
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
