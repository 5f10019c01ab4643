//! What was seen so far as a flame graph.

use super::ledger::Books;
use super::picture::{TextFilter, Threads, left};
use super::state::State;
use crate::ids::Pid;
use crate::output::{Picture, flamegraph, write_whole};
use crate::profile::{By, Profile, Seen, StackCounts};
use std::fs::OpenOptions;
use std::io;
use std::path::{Path, PathBuf};

/// Why there is no picture.
#[derive(Debug, thiserror::Error)]
pub enum SaveError {
    /// The folder has so many of this process.
    #[error("there are {0} flame graphs of this process here already")]
    Many(u32),
    /// The file cannot be made.
    #[error("cannot write {0}: {1}")]
    Name(PathBuf, io::Error),
    /// The file cannot be filled.
    #[error("{0}")]
    Write(String),
}

/// More of one process in one folder are hardly wanted.
const MOST: u32 = 9999;

/// A profile of what the filters leave.
pub fn profile(books: &Books, state: &State) -> Profile {
    let index = &books.index;
    let stacks = TextFilter::new(&state.filter).stacks(index);
    let threads = Threads::chosen(index, state.only);
    let keep = left(&threads, stacks.as_deref());
    let mut seen = Seen::default();
    let frames: Vec<_> = index
        .frames
        .iter()
        .cloned()
        .map(|f| seen.frames.intern(f))
        .collect();
    let mut ids = Vec::with_capacity(index.nodes().len());
    for node in index.nodes() {
        let caller = node.caller.and_then(|c| ids.get(c as usize)).copied();
        if let Some(frame) = frames.get(node.frame as usize) {
            ids.push(seen.stacks.intern(caller, *frame));
        }
    }
    let mut counts = StackCounts::default();
    for ((thread, stack), count) in &books.shown().all {
        if keep(*thread, *stack)
            && let Some(stack) = ids.get(stack.index())
        {
            counts.add_many(0, *stack, count.samples());
        }
    }
    let mut profile = Profile::new(seen, &counts);
    profile.shortener = index.shortener().clone();
    profile
}

/// Writes a flame graph into a folder, under a name that is not taken yet.
///
/// # Errors
/// When there is no such name, or the file cannot be written.
pub fn save(profile: &Profile, folder: &Path, pid: Pid, title: &str) -> Result<PathBuf, SaveError> {
    let path = free_name(folder, pid)?;
    let picture = Picture {
        by: By::Function,
        title: title.to_owned(),
    };
    let written = write_whole(&path, &mut |to| flamegraph::write(profile, &picture, to));
    if let Err(error) = written {
        // It only held the name.
        let _ = std::fs::remove_file(&path);
        return Err(SaveError::Write(format!("{error:#}")));
    }
    Ok(path)
}

/// Takes a name by an empty file, so that nobody else gets it.
fn free_name(folder: &Path, pid: Pid) -> Result<PathBuf, SaveError> {
    for number in 1..=MOST {
        let path = folder.join(format!("p5-spy-{pid}-{number}.svg"));
        match OpenOptions::new().write(true).create_new(true).open(&path) {
            Ok(_) => return Ok(path),
            Err(e) if e.kind() == io::ErrorKind::AlreadyExists => {}
            Err(e) => return Err(SaveError::Name(path, e)),
        }
    }
    Err(SaveError::Many(MOST))
}
