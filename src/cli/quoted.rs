//! Commands as one types them.

/// A word as one types it in a shell; it does nothing to a terminal.
pub(super) fn quoted(word: &str) -> String {
    let safe = crate::text::from_utf8(word.as_bytes());
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "-_./:=,@%+".contains(c);
    if !safe.is_empty() && safe.chars().all(is_plain) {
        return safe;
    }
    if safe.contains('\'') && !safe.contains(['"', '$', '`', '\\', '!']) {
        return format!("\"{safe}\"");
    }
    format!("'{}'", safe.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shell_reads_the_word() {
        for (word, typed) in [
            ("plain-1.2/x:y=z,@%+", "plain-1.2/x:y=z,@%+"),
            ("", "''"),
            ("two words", "'two words'"),
            ("$(reboot)", "'$(reboot)'"),
            ("it's", "\"it's\""),
            ("it's $HOME", r"'it'\''s $HOME'"),
        ] {
            assert_eq!(quoted(word), typed);
        }
        assert_eq!(shlex::split(&quoted("it's")).unwrap(), ["it's"]);
        assert!(!quoted("\x1b[2J\0").contains(['\x1b', '\0']));
    }
}
