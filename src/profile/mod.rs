//! What was sampled: every distinct stack once, with its count, and what became of every attempt.

pub mod fresh;
pub mod index;
mod stacks;
pub mod sums;

pub use stacks::{StackId, StackTree};

use crate::perl::names::{Frame, FrameId, FrameKind, FrameTable, UNKNOWN};
use indexmap::{IndexMap, IndexSet};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

/// A thread that was sampled.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct ThreadAbout {
    /// Its process.
    pub pid: i32,
    /// That one's command line, cut to a sane length.
    pub title: Arc<str>,
    /// The kernel's id.
    pub os_tid: i32,
    /// What `threads->tid` says; `None` where that cannot be told.
    pub perl_tid: Option<u64>,
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

/// One stack of one thread at one moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sample {
    /// The stack.
    pub stack: StackId,
    /// Index of the thread in [`Seen::threads`].
    pub thread: u32,
    /// The thread was on a CPU or ready to be.
    pub running: bool,
    /// Since the start of the recording.
    pub at: Duration,
}

/// Takes samples.
pub trait Sink: Send {
    /// One sample.
    fn add(&mut self, seen: &Seen, sample: Sample);
}

/// What became of the samples.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Tally {
    /// Stacks of running threads.
    pub good: u64,
    /// Times a thread was waiting.
    pub idle: u64,
    /// Times a thread moved in every try to read it.
    pub torn: u64,
    /// Times a sample was due and could not be taken in time.
    pub missed: u64,
    /// Stacks (of `good` and `idle`) that were read while the target could run on.
    pub approximate: u64,
    /// Attempts for which p5-spy woke up too late, as the target's turn had to end first.
    pub late: u64,
    /// Failures, by kind.
    pub errors: BTreeMap<&'static str, u64>,
}

impl Tally {
    /// All samples that were due.
    pub fn attempted(&self) -> u64 {
        self.good + self.idle + self.torn + self.missed + self.failed()
    }

    /// What came after an earlier state of the same tally.
    pub fn since(&self, before: &Tally) -> Tally {
        let earlier = |kind: &&'static str| before.errors.get(kind).copied().unwrap_or(0);
        Tally {
            good: self.good - before.good,
            idle: self.idle - before.idle,
            torn: self.torn - before.torn,
            missed: self.missed - before.missed,
            approximate: self.approximate - before.approximate,
            late: self.late - before.late,
            errors: self
                .errors
                .iter()
                .map(|(kind, count)| (*kind, count - earlier(kind)))
                .filter(|(_, c)| *c > 0)
                .collect(),
        }
    }

    /// All failures.
    pub fn failed(&self) -> u64 {
        self.errors.values().sum()
    }
}

/// How often each stack was seen.
#[derive(Debug, Default)]
pub struct StackCounts {
    by_thread: bool,
    /// By thread, or under thread 0 where threads are not kept apart.
    counts: IndexMap<(u32, StackId), u64>,
}

impl StackCounts {
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

/// A finished profile, as the output formats take it.
#[derive(Debug)]
pub struct Profile {
    /// The frames, by [`FrameId::index`].
    pub frames: Vec<Frame>,
    stacks: Vec<(Vec<FrameId>, u64)>,
}

impl Profile {
    /// Takes what a recording has. Where threads are kept apart, each stack begins with its process,
    /// if there are several, and its thread.
    pub fn new(mut seen: Seen, counts: &StackCounts) -> Self {
        let roots = if counts.by_thread {
            thread_roots(&mut seen)
        } else {
            Vec::new()
        };
        let stacks = counts.counts.iter().map(|((thread, stack), count)| {
            let root = roots.get(*thread as usize).into_iter().flatten();
            let frames = seen.stacks.frames(*stack).chain(root.copied());
            (frames.collect(), *count)
        });
        Profile {
            stacks: stacks.collect(),
            frames: seen.frames.iter().cloned().collect(),
        }
    }

    /// Stacks, innermost frame first, with their counts.
    pub fn stacks(&self) -> impl Iterator<Item = (&[FrameId], u64)> {
        self.stacks.iter().map(|(stack, count)| (&**stack, *count))
    }

    /// All counted samples.
    pub fn total(&self) -> u64 {
        self.stacks.iter().map(|(_, count)| count).sum()
    }
}

/// What stands below the stacks of each thread, innermost first.
fn thread_roots(seen: &mut Seen) -> Vec<Vec<FrameId>> {
    let first = seen.threads.first().map(|t| t.pid);
    let several_processes = seen.threads.iter().any(|t| Some(t.pid) != first);
    let root = |table: &mut FrameTable, kind, name: String| {
        table.intern(Frame::new(kind, name.into(), UNKNOWN.into(), 0))
    };
    let table = &mut seen.frames;
    let roots = seen.threads.iter().map(|thread| {
        let tid = thread.perl_tid.map_or_else(
            || format!("thread {}", thread.os_tid),
            |tid| format!("thread {tid} (OS {})", thread.os_tid),
        );
        let mut frames = vec![root(table, FrameKind::Thread, tid)];
        if several_processes {
            let name = format!("process {} ({})", thread.pid, thread.title);
            frames.push(root(table, FrameKind::Process, name));
        }
        frames
    });
    roots.collect()
}
