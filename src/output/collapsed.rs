//! Collapsed stacks: one line per stack, `frame;frame;frame count`, outermost frame first. What
//! flame graph tools and speedscope read.

use crate::cli::By;
use crate::perl::names::{Frame, UNKNOWN};
use crate::profile::Profile;
use std::collections::BTreeMap;
use std::io::{self, Write};

/// Extensions that stand for this format.
pub const EXTENSIONS: &[&str] = &["txt", "folded", "collapsed"];
/// What to open it with.
pub const VIEWER: &str = "speedscope, flamegraph.pl and inferno-flamegraph read it";

/// One frame's text. A semicolon or a line break in a name would split the line.
pub fn label(frame: &Frame, by: By) -> String {
    let text = match by {
        _ if &*frame.file == UNKNOWN => frame.name.to_string(),
        By::Function => format!("{} ({})", frame.name, frame.file),
        By::Line => format!("{} ({}:{})", frame.name, frame.file, frame.line),
    };
    if text.contains(';') {
        text.replace(';', "\\x{3b}")
    } else {
        text
    }
}

/// Every distinct stack with its count, sorted.
pub fn lines(profile: &Profile, by: By) -> BTreeMap<String, u64> {
    let labels: Vec<String> = profile
        .frames
        .iter()
        .map(|frame| label(frame, by))
        .collect();
    let mut lines = BTreeMap::new();
    for (stack, count) in profile.stacks() {
        let mut line = String::new();
        for id in stack.iter().rev() {
            if !line.is_empty() {
                line.push(';');
            }
            line.push_str(labels.get(id.index()).map_or("", String::as_str));
        }
        *lines.entry(line).or_insert(0) += count;
    }
    lines
}

/// Writes the whole profile.
///
/// # Errors
/// Those of `to`.
pub fn write(profile: &Profile, by: By, to: &mut dyn Write) -> io::Result<()> {
    for (line, count) in lines(profile, by) {
        writeln!(to, "{line} {count}")?;
    }
    Ok(())
}
