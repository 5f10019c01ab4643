//! The page's script, and what the page says of it so that no other one runs.

use sha2::{Digest, Sha256};

/// The script, in the order in which its parts need each other.
pub(super) const PARTS: &[&str] = &[
    "\"use strict\";\n(() => {\n",
    include_str!("script/tools.js"),
    include_str!("script/model.js"),
    include_str!("script/view.js"),
    include_str!("script/table.js"),
    include_str!("script/timeline.js"),
    include_str!("script/overview.js"),
    include_str!("script/functions.js"),
    include_str!("script/flame.js"),
    include_str!("script/perl.js"),
    include_str!("script/source.js"),
    include_str!("script/threads.js"),
    include_str!("script/ops.js"),
    include_str!("script/main.js"),
    "})();\n",
];

/// What names the script in a Content-Security-Policy.
pub(super) fn hash() -> String {
    let mut digest = Sha256::new();
    for part in PARTS {
        digest.update(part);
    }
    format!("sha256-{}", base64(&digest.finalize()))
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
        assert!(!PARTS.concat().contains("</script"));
        assert!(!PARTS.concat().contains("<!--"));
    }
}
