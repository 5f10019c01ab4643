//! How large a picture becomes, said before it is made: stacks share their beginnings in a profile, and in most formats
//! they do not. What is written can often be told only roughly, or not at all: `output/limited.rs` stops what becomes more.

use super::Format;
use crate::frames::StackId;
use crate::profile::{Profile, TooLarge};

/// What one thing takes in a format, in bytes.
const NUMBER: u64 = 8;
const ROW: u64 = 64;
const CALL: u64 = 128;

/// What a format holds in memory and writes, in bytes.
#[derive(Debug, Clone, Copy, Default)]
struct Size {
    held: u64,
    written: u64,
}

/// Refuses a picture that would be larger than the profile's file lets one expect.
///
/// # Errors
/// [`TooLarge`] when it would be.
pub(super) fn check(format: Format, profile: &Profile) -> Result<(), TooLarge> {
    if profile.room == Default::default() {
        return Ok(());
    }
    let size = of(format, profile);
    profile.room.check(size.held, size.written)
}

/// The same for what is made of two profiles: one tree of both, and a look at each stack.
///
/// # Errors
/// [`TooLarge`] when it would be.
pub(super) fn check_both(profiles: [&Profile; 2]) -> Result<(), TooLarge> {
    for profile in profiles {
        let held = of(Format::Flamegraph, profile).held;
        let stacks = of(Format::Pprof, profile).written;
        profile.room.check(held.saturating_mul(2), stacks)?;
    }
    Ok(())
}

fn of(format: Format, profile: &Profile) -> Size {
    let stacks = StackDepths::new(profile);
    let nodes = profile.stacks.len() as u64;
    let counted = || {
        profile
            .counts
            .keys()
            .map(|(thread, stack)| (*thread, *stack))
    };
    let depths = || sum(counted().map(|(_, stack)| stacks.depth(stack)));
    match format {
        // Lines are counted as they are made.
        Format::Collapsed | Format::Flamegraph | Format::Flamechart => {
            let calls = match profile.has_threads_apart() {
                true => depths().min(nodes.saturating_mul(profile.threads.len() as u64)),
                false => nodes,
            };
            Size {
                held: calls.saturating_mul(CALL),
                written: 0,
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

/// How deep each stack is.
struct StackDepths {
    /// By [`StackId::index`].
    depths: Vec<u64>,
}

impl StackDepths {
    fn new(profile: &Profile) -> Self {
        let mut depths: Vec<u64> = Vec::with_capacity(profile.stacks.len());
        for (caller, _) in profile.stacks.iter() {
            let below = caller.and_then(|c| depths.get(c.index()).copied());
            depths.push(below.unwrap_or_default().saturating_add(1));
        }
        StackDepths { depths }
    }

    fn depth(&self, stack: StackId) -> u64 {
        self.depths.get(stack.index()).copied().unwrap_or_default()
    }
}
