//! Collapsed stacks: one line per stack, `frame;frame;frame count`, outermost frame first. What
//! flame graph tools and speedscope read.

use super::Picture;
use super::call_tree::CallTree;
use crate::profile::{Entry, Profile};
use std::io::{self, Write};

/// Writes the whole profile, a line for every distinct stack, sorted.
///
/// # Errors
/// When `to` does not take it, or a line would be out of proportion, as `CallTree::each_line` says.
pub fn write(profile: &Profile, picture: &Picture, to: &mut dyn Write) -> io::Result<()> {
    let entries = profile.entries(picture.by);
    let texts: Vec<String> = entries.iter().map(Entry::text).collect();
    let mut tree = CallTree::default();
    tree.add::<0>(profile, &entries, &texts);
    tree.each_line(&profile.room, &|_| true, &mut |line, [count, _]| {
        writeln!(to, "{line} {count}")
    })
}
