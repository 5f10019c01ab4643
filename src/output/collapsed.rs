//! Collapsed stacks: one line per stack, `frame;frame;frame count`, outermost frame first. What
//! flame graph tools and speedscope read.

use crate::cli::By;
use crate::perl::names::{Frame, Function, UNKNOWN, homes};
use crate::profile::Profile;
use std::collections::BTreeMap;
use std::io::{self, Write};

/// Extensions that stand for this format.
pub const EXTENSIONS: &[&str] = &["txt", "folded", "collapsed"];
/// What to open it with.
pub const VIEWER: &str = "speedscope, flamegraph.pl and inferno-flamegraph read it";

/// The text of each frame. A semicolon or a line break in a name would split the line.
pub fn labels(frames: &[Frame], by: By) -> Vec<String> {
    let places: Vec<String> = match by {
        By::Function => {
            let functions: Vec<Function> = frames.iter().map(Frame::function).collect();
            homes(functions.iter())
        }
        By::Line => frames.iter().map(|f| f.place.to_string()).collect(),
    };
    let text = |(frame, place): (&Frame, String)| {
        // A sub written in C begins in no file.
        let text = if &*frame.file == UNKNOWN || place.is_empty() {
            frame.label.to_string()
        } else {
            format!("{} ({place})", frame.label)
        };
        text.replace(';', "\\x{3b}")
    };
    frames.iter().zip(places).map(text).collect()
}

/// Every distinct stack with its count, sorted.
pub fn lines(profile: &Profile, by: By) -> BTreeMap<String, u64> {
    let labels = labels(&profile.frames, by);
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
