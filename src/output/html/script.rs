//! The page's script, and what the page says of it so that no other one runs.

use crate::packed::unpacked;
use sha2::{Digest, Sha256};

/// The script; `build/packed.rs` says which files it is made of.
pub(super) fn text() -> String {
    unpacked(include_bytes!(concat!(
        env!("OUT_DIR"),
        "/script.js.packed"
    )))
}

/// What names a script in a Content-Security-Policy.
pub(super) fn hash(script: &str) -> String {
    format!("sha256-{}", base64(&Sha256::digest(script)))
}

fn base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::new();
    for three in bytes.chunks(3) {
        let number = (0..3).fold(0usize, |sum, at| {
            sum << 8 | three.get(at).copied().map_or(0, usize::from)
        });
        for at in 0..4 {
            let digit = DIGITS.get(number >> (18 - 6 * at) & 63).copied();
            let is_there = at <= three.len();
            text.push(digit.filter(|_| is_there).map_or('=', char::from));
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64_is_padded() {
        for (bytes, text) in [
            ("", ""),
            ("f", "Zg=="),
            ("fo", "Zm8="),
            ("foo", "Zm9v"),
            ("foob", "Zm9vYg=="),
        ] {
            assert_eq!(base64(bytes.as_bytes()), text);
        }
    }

    #[test]
    fn the_script_does_not_end_early() {
        let script = text();
        assert!(script.starts_with("\"use strict\";\n"));
        assert!(script.ends_with("})();\n"));
        assert!(!script.contains("</script"));
        assert!(!script.contains("<!--"));
    }
}
