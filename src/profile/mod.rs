//! What was sampled: every distinct stack once, with its count, and what became of every attempt.
//!
//! Stacks are kept as a tree (`frames/stacks.rs`): a sample costs what is new of it. Whoever takes samples is
//! a `Sink`: `SampleLog` (`profile/log.rs`) keeps them in order for a recording, `Fresh` (`fresh.rs`) keeps
//! for the live view what has come since it looked. That copies what is new into an `Index` (`index.rs`:
//! function, line, package and node of the call tree of each stack) and adds up there (`sums.rs`), without
//! the lock: a caller's index is lower than its callees', so that totals are one pass from the end.
//!
//! At the end, at SIGUSR1, or later in `p5-spy report`, `Pictures::make` (`commands/spool.rs`) has
//! `recording/load.rs` read that into a `Profile` (`profile/finished.rs`), which leaves out what its `Filter`
//! does not take, lets frames vanish into their callers (`profile/fold.rs`, with the frameworks' patterns),
//! shortens files and renders each picture; times are kept only for formats that show them.
//! `profile/entries.rs` says what frames stand for (`--by`), `compare.rs` what two profiles differ in.

mod compare;
mod entries;
mod filter;
mod finished;
mod fold;
pub mod fresh;
pub mod index;
mod log;
mod room;
mod source;
mod summary;
pub mod sums;
mod tally;

use crate::frames::{StackId, StackTree};
use crate::ids::{Pid, Tid};
pub use compare::{Change, Difference, compare};
pub use entries::{By, Entries, Entry};
pub use filter::Filter;
pub use finished::{About, BadProfile, Emptiness, Profile, Recorded, Stack};
pub use fold::{Fold, Preset};
pub use log::{Run, SampleLog};
pub use room::{MemoryBudget, Room, TooLarge};
pub use source::Source;
pub use summary::{NEW_NUMBERS, Summary};
pub use tally::Tally;

use crate::frames::FrameTable;
use indexmap::{IndexMap, IndexSet};
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use std::time::Duration;

/// A thread that was sampled.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct ThreadAbout {
    /// Its process.
    pub pid: Pid,
    /// That one's command line, cut to a sane length.
    pub title: Arc<str>,
    /// The kernel's id.
    pub os_tid: Tid,
    /// What `threads->tid` says; `None` where that cannot be told.
    pub perl_tid: Option<u64>,
    /// Which interpreter of the process, where that is neither the first one (1) nor the one of a
    /// thread of threads.pm. A raw recording has it in blocks of its own.
    #[serde(skip)]
    pub interpreter: Option<u32>,
}

impl ThreadAbout {
    /// What people call it.
    pub fn name(&self) -> String {
        match (self.perl_tid, self.interpreter) {
            (_, Some(number)) => format!("thread {}, interpreter {number}", self.os_tid),
            (Some(tid), None) => format!("thread {tid} (OS {})", self.os_tid),
            (None, None) => format!("thread {}", self.os_tid),
        }
    }
}

/// What samples refer to. It only grows.
#[derive(Debug, Default)]
pub struct Seen {
    /// Every frame.
    pub frames: FrameTable,
    /// Every stack.
    pub stacks: StackTree,
    /// Every thread.
    pub threads: IndexSet<ThreadAbout>,
}

impl Seen {
    /// Takes over what another one has that this one, its copy of some time ago, does not. Indices
    /// are the same in both.
    pub fn catch_up(&mut self, other: &Seen) {
        let known = self.frames.iter().len();
        for frame in other.frames.iter().skip(known) {
            self.frames.intern(frame.clone());
        }
        for (caller, frame) in other.stacks.iter().skip(self.stacks.len()) {
            self.stacks.intern(caller, frame);
        }
        for thread in other.threads.iter().skip(self.threads.len()) {
            self.threads.insert(thread.clone());
        }
    }
}

/// One stack of one thread at one moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sample {
    /// In [`Seen::stacks`].
    pub stack: StackId,
    /// Index of the thread in [`Seen::threads`].
    pub thread: u32,
    /// The thread was on a CPU.
    pub running: bool,
    /// Since the start of the recording.
    pub at: Duration,
    /// How many it counts for: more than one where sampling was slowed down.
    pub count: u32,
}

/// Takes samples.
pub trait Sink: Send {
    /// One sample.
    fn add(&mut self, seen: &Seen, sample: Sample);

    /// The stack of a waiting thread that is not to be counted.
    fn glance(&mut self, _sample: Sample) {}
}

/// How often each stack was seen.
#[derive(Debug, Default)]
pub struct StackCounts {
    by_thread: bool,
    /// By thread, or under thread 0 where threads are not kept apart.
    counts: IndexMap<(u32, StackId), u64>,
}

impl StackCounts {
    /// How often each stack of each thread was seen.
    pub fn iter(&self) -> impl Iterator<Item = ((u32, StackId), u64)> {
        self.counts.iter().map(|(key, count)| (*key, *count))
    }

    /// Counts that keep threads and processes apart.
    pub fn by_thread() -> Self {
        StackCounts {
            by_thread: true,
            ..Self::default()
        }
    }

    /// Counts a stack that was seen many times.
    pub fn add_many(&mut self, thread: u32, stack: StackId, times: u64) {
        let thread = if self.by_thread { thread } else { 0 };
        *self.counts.entry((thread, stack)).or_insert(0) += times;
    }
}

impl Sink for StackCounts {
    fn add(&mut self, _seen: &Seen, sample: Sample) {
        self.add_many(sample.thread, sample.stack, 1);
    }
}
