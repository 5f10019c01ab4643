//! Texts of the system, which are of 16 bits, as bytes and paths. What is no Unicode stays what it is
//! (WTF-8), as in `OsString`.

use crate::platform::shell::in_quotes;
use std::ffi::{OsStr, OsString};
use std::io;
use std::os::windows::ffi::{OsStrExt, OsStringExt};

/// A text as the system has it.
pub(super) fn text_of(wide: &[u16]) -> OsString {
    OsString::from_wide(wide)
}

/// The same in the bytes of `OsStr`.
pub(super) fn bytes_of(wide: &[u16]) -> Vec<u8> {
    text_of(wide).into_encoded_bytes()
}

/// The text in a buffer that a call has filled, up to its end.
pub(super) fn up_to_end(buffer: &[u16]) -> &[u16] {
    let end = buffer.iter().position(|unit| *unit == 0);
    buffer
        .get(..end.unwrap_or(buffer.len()))
        .unwrap_or_default()
}

/// Little-endian units of 16 bits, as another process has them.
pub(super) fn units(bytes: &[u8]) -> Vec<u16> {
    let pairs = bytes.chunks_exact(2);
    let unit = |pair: &[u8]| match pair {
        [low, high] => u16::from_le_bytes([*low, *high]),
        _ => 0,
    };
    pairs.map(unit).collect()
}

/// The words of a command line, as the C library of a program takes it apart: blanks between them,
/// quotes around them, and backslashes that mean something in front of a quote only.
pub(super) fn words(line: &[u16]) -> Vec<Vec<u16>> {
    const QUOTE: u16 = b'"' as u16;
    const BACKSLASH: u16 = b'\\' as u16;
    let is_blank = |unit: u16| unit == u16::from(b' ') || unit == u16::from(b'\t');
    let mut words = Vec::new();
    let mut word: Option<Vec<u16>> = None;
    let (mut quoted, mut slashes) = (false, 0);
    for unit in line.iter().copied() {
        if unit == BACKSLASH {
            slashes += 1;
            word.get_or_insert_default();
            continue;
        }
        let before = std::mem::take(&mut slashes);
        if unit == QUOTE {
            let word = word.get_or_insert_default();
            word.extend(std::iter::repeat_n(BACKSLASH, before / 2));
            match before % 2 {
                0 => quoted = !quoted,
                _ => word.push(QUOTE),
            }
            continue;
        }
        if before > 0 {
            let word = word.get_or_insert_default();
            word.extend(std::iter::repeat_n(BACKSLASH, before));
        }
        match is_blank(unit) && !quoted {
            true => words.extend(word.take()),
            false => word.get_or_insert_default().push(unit),
        }
    }
    if let Some(word) = &mut word {
        word.extend(std::iter::repeat_n(BACKSLASH, slashes));
    }
    words.extend(word);
    words
}

/// A text as calls take it.
///
/// # Errors
/// When it has its end in the middle.
pub(super) fn with_end(text: &OsStr) -> io::Result<Vec<u16>> {
    let mut units = inner(text)?;
    units.push(0);
    Ok(units)
}

fn inner(text: &OsStr) -> io::Result<Vec<u16>> {
    let units: Vec<u16> = text.encode_wide().collect();
    match units.contains(&0) {
        true => Err(io::Error::other("one of its words has a NUL in it")),
        false => Ok(units),
    }
}

/// The command line that [`words`] takes apart into these.
///
/// # Errors
/// When one has a NUL in it.
pub(super) fn line_of(words: &[OsString]) -> io::Result<Vec<u16>> {
    let mut line = Vec::new();
    for word in words {
        if !line.is_empty() {
            line.push(u16::from(b' '));
        }
        line.extend(in_quotes(&inner(word)?));
    }
    line.push(0);
    Ok(line)
}

/// Variables as a program is given them.
///
/// # Errors
/// When one has a NUL in it.
pub(super) fn environment_of(variables: &[(OsString, OsString)]) -> io::Result<Vec<u16>> {
    let mut block = Vec::new();
    for (name, value) in variables {
        block.extend(inner(name)?);
        block.push(u16::from(b'='));
        block.extend(with_end(value)?);
    }
    // Of none there is an end all the same.
    block.extend([0, 0]);
    Ok(block)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn command_lines_are_taken_apart() {
        let words = |line: &str| -> Vec<String> {
            let line: Vec<u16> = line.encode_utf16().collect();
            let words = super::words(&line);
            words
                .iter()
                .map(|w| String::from_utf16(w).unwrap())
                .collect()
        };
        assert_eq!(
            words(r#""C:\a b\perl.exe" -e  1"#),
            [r"C:\a b\perl.exe", "-e", "1"]
        );
        assert_eq!(words(r#"a "" b\\"c d\\" \"e"#), ["a", "", r"b\c d\", "\"e"]);
        assert_eq!(words(r"a\b\\ c\"), [r"a\b\\", r"c\"]);
        assert!(words("  ").is_empty());
    }

    #[test]
    fn command_lines_are_put_together() {
        let all = [
            r"C:\a b\perl.exe",
            "",
            "\"",
            r#"a\"b\\" \"#,
            "print qq(\\n);\n1",
            "é\u{1f42a}",
        ];
        let all = all.map(OsString::from);
        let line = line_of(&all).unwrap();
        let (end, line) = line.split_last().unwrap();
        assert_eq!(*end, 0);
        let again: Vec<OsString> = super::words(line).iter().map(|w| text_of(w)).collect();
        assert_eq!(again, all);
        assert!(line_of(&["a\0b".into()]).is_err());
        assert!(environment_of(&[("a".into(), "\0".into())]).is_err());
    }
}
