//! Collapsed stacks: one line per stack, `frame;frame;frame count`, outermost frame first. What
//! flame graph tools and speedscope read.

use super::Picture;
use crate::profile::{By, Entries, Entry, Profile};
use std::collections::BTreeMap;
use std::io::{self, Write};

/// Every distinct stack with its count, sorted.
pub fn lines(profile: &Profile, by: By) -> BTreeMap<String, u64> {
    let entries = profile.entries(by);
    let texts: Vec<String> = entries.iter().map(Entry::text).collect();
    joined(profile, &entries, &texts)
}

/// The same with these texts of the entries, of which no two may be equal.
pub(super) fn joined(
    profile: &Profile,
    entries: &Entries,
    texts: &[String],
) -> BTreeMap<String, u64> {
    // A semicolon in a name would split the line.
    let one = |text: &String| text.replace(';', "\\x{3b}");
    let texts: Vec<String> = texts.iter().map(one).collect();
    let mut lines = BTreeMap::new();
    for stack in profile.stacks() {
        let frames = entries.stack(stack.frames.into_iter()).into_iter();
        let texts = frames.filter_map(|entry| texts.get(entry as usize));
        let texts: Vec<&str> = texts.map(String::as_str).collect();
        *lines.entry(texts.join(";")).or_insert(0) += stack.count;
    }
    lines
}

/// Writes the whole profile.
///
/// # Errors
/// Those of `to`.
pub fn write(profile: &Profile, picture: &Picture, to: &mut dyn Write) -> io::Result<()> {
    for (line, count) in lines(profile, picture.by) {
        writeln!(to, "{line} {count}")?;
    }
    Ok(())
}
