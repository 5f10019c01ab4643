//! From a raw recording to a profile.

use super::{Block, Chunk, RawError, Reader};
use crate::profile::{BadProfile, Filter, Profile, Run, StackId};
use std::io::Read;
use std::time::Duration;

/// Reads what passes the filter. `keeps_runs` asks for the samples by time, not only for counts.
/// A recording that was cut off gives what it has, and says so.
///
/// # Errors
/// [`RawError`].
pub fn load(from: impl Read, filter: &Filter, keeps_runs: bool) -> Result<Profile, RawError> {
    let mut reader = Reader::new(from)?;
    let Some(Block::About(about)) = reader.block()? else {
        return Err(RawError::Damaged("it has no beginning"));
    };
    let mut profile = Profile::picked(about, filter.clone(), keeps_runs);
    let mut last = Duration::ZERO;
    while let Some(block) = reader.block()? {
        match block {
            Block::About(_) => return Err(RawError::Damaged("it begins twice")),
            Block::Samples(chunk) => add(&mut profile, chunk, &mut last)
                .map_err(|_| RawError::Damaged("its parts do not fit together"))?,
            Block::Source(source) => profile.add_source(source),
            Block::End(summary) => profile.summary = summary,
        }
    }
    profile.is_cut = !reader.is_complete();
    Ok(profile)
}

fn add(profile: &mut Profile, chunk: Chunk, last: &mut Duration) -> Result<(), BadProfile> {
    for frame in chunk.frames {
        profile.add_frame(frame);
    }
    for (caller, frame) in chunk.stacks {
        profile.add_stack(caller.checked_sub(1), frame)?;
    }
    for thread in chunk.threads {
        profile.add_thread(thread);
    }
    let columns = chunk.stack.into_iter().zip(chunk.thread);
    let columns = columns.zip(chunk.count).zip(chunk.running);
    for ((((stack, thread), count), running), after) in columns.zip(chunk.after_us) {
        *last = last.saturating_add(Duration::from_micros(after));
        profile.add_run(Run {
            stack: StackId::at(stack),
            thread,
            count,
            running: running != 0,
            at: *last,
        })?;
    }
    profile.summary = chunk.so_far;
    Ok(())
}
