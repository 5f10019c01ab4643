//! How large a picture becomes, said before it is made: stacks share their beginnings in a profile,
//! and in most formats they do not.

use super::Format;
use crate::perl::names::Frame;
use crate::profile::{Profile, StackId, TooLarge};

/// What one thing takes in a format, in bytes.
const NUMBER: u64 = 8;
const ROW: u64 = 64;
const BOX: u64 = 400;

/// What a format holds in memory and writes, in bytes.
#[derive(Debug, Clone, Copy, Default)]
struct Size {
    held: u64,
    written: u64,
}

/// Refuses a picture that would be larger than the profile's file lets one expect.
///
/// # Errors
/// [`TooLarge`].
pub(super) fn check(format: Format, profile: &Profile) -> Result<(), TooLarge> {
    if profile.room == Default::default() {
        return Ok(());
    }
    let size = of(format, profile);
    profile.room.check(size.held, size.written)
}

/// The same for what is made of two profiles: collapsed stacks of both, and of both together.
///
/// # Errors
/// [`TooLarge`].
pub(super) fn check_both(profiles: [&Profile; 2]) -> Result<(), TooLarge> {
    for profile in profiles {
        let size = of(Format::Flamegraph, profile);
        profile
            .room
            .check(size.held.saturating_mul(2), size.written)?;
    }
    Ok(())
}

fn of(format: Format, profile: &Profile) -> Size {
    let stacks = Stacks::new(profile);
    let nodes = profile.stacks.len() as u64;
    let counted = || {
        profile
            .counts
            .keys()
            .map(|(thread, stack)| (*thread, *stack))
    };
    let depths = || sum(counted().map(|(_, stack)| stacks.depth(stack)));
    match format {
        Format::Collapsed | Format::Flamegraph => {
            let text = |(thread, stack)| {
                let root = profile.threads.get(thread as usize);
                let root = root.map_or(0, |t| t.title.len() as u64);
                stacks.text(stack).saturating_add(root).saturating_add(ROW)
            };
            let lines = sum(counted().map(text));
            match format {
                Format::Collapsed => Size {
                    held: lines.saturating_add(depths().saturating_mul(NUMBER)),
                    written: lines,
                },
                _ => Size {
                    held: lines.saturating_mul(3).saturating_add(nodes * ROW),
                    written: stacks.names.saturating_add(nodes * BOX),
                },
            }
        }
        Format::Speedscope => {
            let runs = sum(profile.runs.iter().map(|run| stacks.depth(run.stack)));
            Size {
                held: 0,
                written: runs.saturating_add(depths()).saturating_mul(NUMBER),
            }
        }
        Format::Pprof => Size {
            held: 0,
            written: depths().saturating_mul(NUMBER),
        },
        Format::Firefox => Size {
            held: nodes * ROW,
            written: depths().saturating_mul(2 * NUMBER),
        },
        // Names of files get the folder in front.
        Format::Callgrind => {
            let folder = profile.about.folder.len() as u64;
            let names = folder.saturating_mul(profile.frames.len() as u64);
            Size {
                held: names.saturating_add(nodes * ROW),
                written: depths(),
            }
        }
        // What is written is seldom the whole stack, and is counted as it is written.
        Format::Chrometrace => Size {
            held: 0,
            written: sum(profile.runs.iter().map(|run| stacks.depth(run.stack))),
        },
        Format::Html => {
            let rows = super::html::rows(profile);
            Size {
                held: rows.saturating_add(nodes).saturating_mul(ROW),
                written: rows.saturating_mul(NUMBER),
            }
        }
        Format::P5spy => Size::default(),
    }
}

fn sum(sizes: impl Iterator<Item = u64>) -> u64 {
    sizes.fold(0, u64::saturating_add)
}

/// How deep each stack is, and how long its names are together.
struct Stacks {
    /// By [`StackId::index`].
    sizes: Vec<(u64, u64)>,
    /// The names of all frames of the tree.
    names: u64,
}

impl Stacks {
    fn new(profile: &Profile) -> Self {
        let mut sizes: Vec<(u64, u64)> = Vec::with_capacity(profile.stacks.len());
        let mut names: u64 = 0;
        for (caller, frame) in profile.stacks.iter() {
            let below = caller.and_then(|c| sizes.get(c.index()).copied());
            let (depth, text) = below.unwrap_or_default();
            let name = profile.frames.get(frame.index()).map_or(0, longest);
            names = names.saturating_add(name);
            sizes.push((depth.saturating_add(1), text.saturating_add(name)));
        }
        Stacks { sizes, names }
    }

    fn depth(&self, stack: StackId) -> u64 {
        self.sizes.get(stack.index()).map_or(0, |(depth, _)| *depth)
    }

    fn text(&self, stack: StackId) -> u64 {
        self.sizes.get(stack.index()).map_or(0, |(_, text)| *text)
    }
}

/// The longest that a frame may be shown as, with its place.
fn longest(frame: &Frame) -> u64 {
    /// What is around a name and a place, and the line.
    const AROUND: usize = 16;
    let place = frame.place.file.len().max(frame.start.file.len());
    (frame.label.len().max(frame.name.len()) + place + AROUND) as u64
}
