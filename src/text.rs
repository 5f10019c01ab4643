//! The target's bytes as text that is safe to show: nothing a terminal, an SVG viewer or a
//! browser would interpret survives.

use std::borrow::Cow;
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

/// Text that should have been escaped already, but comes from a file that may be anybody's.
pub fn shown(text: &str) -> Cow<'_, str> {
    match text.chars().any(is_harmful) {
        true => from_utf8(text.as_bytes()).into(),
        false => text.into(),
    }
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

/// The first `limit` characters of a text, `…` behind them where that is not all. Whoever has only
/// the beginning of the text gives at least `4 * limit + 4` bytes of it. Perl does not flag all
/// that is UTF-8.
pub fn excerpt(bytes: &[u8], is_utf8: bool, limit: usize) -> String {
    let mut shown = String::new();
    let cut = if is_utf8 || is_utf8_start(bytes, limit) {
        let mut pieces = bytes.utf8_chunks().flat_map(|chunk| {
            let invalid = chunk.invalid().iter().map(|byte| Err(*byte));
            chunk.valid().chars().map(Ok).chain(invalid)
        });
        for piece in pieces.by_ref().take(limit) {
            match piece {
                Ok(c) => push_escaped(&mut shown, c.encode_utf8(&mut [0; 4])),
                Err(byte) => {
                    let _ = write!(shown, "\\x{byte:02x}");
                }
            }
        }
        pieces.next().is_some()
    } else {
        shown = from_latin1(bytes.get(..limit).unwrap_or(bytes));
        bytes.len() > limit
    };
    if cut {
        shown.push('…');
    }
    shown
}

/// True when what an excerpt shows is UTF-8, whatever comes behind it.
fn is_utf8_start(bytes: &[u8], limit: usize) -> bool {
    match std::str::from_utf8(bytes) {
        Ok(_) => true,
        Err(e) => e.valid_up_to() >= limit.saturating_mul(4).max(1),
    }
}

/// UTF-8 without a character at its end of which only the beginning is there.
pub fn without_half_end(bytes: &[u8]) -> &[u8] {
    match std::str::from_utf8(bytes) {
        Err(e) if e.error_len().is_none() => bytes.get(..e.valid_up_to()).unwrap_or(bytes),
        _ => bytes,
    }
}

/// UTF-8 without a character at its start of which only the end is there.
pub fn without_half_start(bytes: &[u8]) -> &[u8] {
    let half = bytes.iter().take(3).take_while(|b| **b & 0xc0 == 0x80);
    bytes.get(half.count()..).unwrap_or(bytes)
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
    fn an_excerpt_is_cut_at_a_character() {
        assert_eq!(excerpt(b"abc", false, 3), "abc");
        assert_eq!(excerpt(b"abcd", false, 3), "abc…");
        assert_eq!(excerpt("äöüß".as_bytes(), true, 4), "äöüß");
        assert_eq!(excerpt("äöüß".as_bytes(), false, 3), "äöü…");
        assert_eq!(excerpt(b"\xe4\xf6", false, 3), "äö");
        assert_eq!(excerpt(b"\xe4\xf6", true, 3), "\\xe4\\xf6");
        assert_eq!(excerpt(b"\x1b[0m\n", false, 9), "\\x{1b}[0m\\x{a}");
        assert_eq!(excerpt(&[b'x'; 5000], false, 2), "xx…");
        assert_eq!(excerpt("€".repeat(9).as_bytes(), true, 2), "€€…");
        assert_eq!(excerpt(b"", false, 2), "");
    }

    #[test]
    fn half_characters_are_left_out() {
        let text = "ä€".as_bytes();
        assert_eq!(without_half_end(&text[..3]), "ä".as_bytes());
        assert_eq!(without_half_end(text), text);
        assert_eq!(without_half_end(b"a\xffb"), b"a\xffb");
        assert_eq!(without_half_start(&text[1..]), "€".as_bytes());
        assert_eq!(without_half_start(&text[3..]), b"");
        assert_eq!(without_half_start(&[0x80; 5]), [0x80; 2]);
    }

    #[test]
    fn nothing_a_terminal_would_obey_survives() {
        assert_eq!(from_utf8(b"a\x1b[2Jb\n"), "a\\x{1b}[2Jb\\x{a}");
        assert_eq!(from_utf8(b"caf\xc3\xa9 \xff"), "café \\xff");
        assert_eq!(from_utf8("x\u{202e}y".as_bytes()), "x\\x{202e}y");
        assert_eq!(from_latin1(b"caf\xe9\x9b"), "café\\x{9b}");
        assert_eq!(shown("a\x1b\u{e9}"), "a\\x{1b}é");
        assert!(matches!(shown("\\x{1b}é"), Cow::Borrowed(_)));
    }
}
