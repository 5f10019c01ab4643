//! The one place where bytes become text that is shown.

use super::is_harmless;
use p5_spy::text;

pub fn text(data: &[u8]) {
    let one = text::from_utf8(data);
    let other = text::from_latin1(data);
    for shown in [&one, &other] {
        assert!(!shown.contains(char::is_control), "{shown:?}");
        // What is escaped stays as it is.
        assert_eq!(text::from_utf8(shown.as_bytes()), **shown);
    }
    is_harmless(&text::message(&String::from_utf8_lossy(data)));
    let limit = data.first().map_or(0, |b| usize::from(*b));
    for is_utf8 in [true, false] {
        let cut = text::excerpt(data, is_utf8, limit);
        assert!(!cut.contains(char::is_control), "{cut:?}");
        // A character becomes ten at the most: `\x{10ffff}`.
        assert!(cut.chars().count() <= 10 * limit + 1, "{limit}: {cut:?}");
    }
}
