//! The target's bytes as text that is safe to show: nothing a terminal, an SVG viewer or a
//! browser would interpret survives.

use std::fmt::Write as _;

/// Bytes that should be UTF-8 (file names, command lines). What is not is shown as `\xNN`.
pub fn from_utf8(bytes: &[u8]) -> String {
    // What nearly every name is: nothing to look at one by one.
    if bytes.iter().all(|b| matches!(b, b' '..=b'~'))
        && let Ok(text) = String::from_utf8(bytes.to_vec())
    {
        return text;
    }
    let mut shown = String::with_capacity(bytes.len());
    for chunk in bytes.utf8_chunks() {
        push_escaped(&mut shown, chunk.valid());
        for byte in chunk.invalid() {
            let _ = write!(shown, "\\x{byte:02x}");
        }
    }
    shown
}

/// A message of several lines, in which something of the target's may stand.
pub fn message(text: &str) -> String {
    let lines: Vec<String> = text.lines().map(|l| from_utf8(l.as_bytes())).collect();
    lines.join("\n")
}

/// Bytes of which each is one character, as perl keeps strings without the UTF-8 flag.
pub fn from_latin1(bytes: &[u8]) -> String {
    let mut shown = String::with_capacity(bytes.len());
    push_escaped(
        &mut shown,
        &bytes.iter().map(|b| char::from(*b)).collect::<String>(),
    );
    shown
}

fn push_escaped(shown: &mut String, text: &str) {
    for c in text.chars() {
        if is_harmful(c) {
            let _ = write!(shown, "\\x{{{:x}}}", u32::from(c));
        } else {
            shown.push(c);
        }
    }
}

/// Control characters, and those that reorder or hide the text around them.
fn is_harmful(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_a_terminal_would_obey_survives() {
        assert_eq!(from_utf8(b"a\x1b[2Jb\n"), "a\\x{1b}[2Jb\\x{a}");
        assert_eq!(from_utf8(b"caf\xc3\xa9 \xff"), "café \\xff");
        assert_eq!(from_utf8("x\u{202e}y".as_bytes()), "x\\x{202e}y");
        assert_eq!(from_latin1(b"caf\xe9\x9b"), "café\\x{9b}");
    }
}
