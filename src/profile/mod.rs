//! What was sampled: every distinct stack once, with its count, and what became of every attempt.

pub mod functions;

use crate::perl::names::{Frame, FrameId, FrameTable};
use indexmap::IndexMap;
use std::collections::BTreeMap;

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

/// Distinct stacks with their counts.
#[derive(Debug, Default)]
pub struct StackCounts {
    counts: IndexMap<Box<[FrameId]>, u64>,
}

impl StackCounts {
    /// Counts a stack once more.
    pub fn add(&mut self, stack: &[FrameId]) {
        match self.counts.get_mut(stack) {
            Some(count) => *count += 1,
            None => {
                self.counts.insert(stack.into(), 1);
            }
        }
    }

    /// Stacks, innermost frame first, with their counts.
    pub fn iter(&self) -> impl Iterator<Item = (&[FrameId], u64)> {
        self.counts.iter().map(|(stack, count)| (&**stack, *count))
    }

    /// Number of distinct stacks.
    pub fn len(&self) -> usize {
        self.counts.len()
    }

    /// True before the first.
    pub fn is_empty(&self) -> bool {
        self.counts.is_empty()
    }
}

/// A finished profile, as the output formats take it.
#[derive(Debug)]
pub struct Profile {
    /// The frames, by [`FrameId::index`].
    pub frames: Vec<Frame>,
    counts: StackCounts,
}

impl Profile {
    /// Takes the frames and counts of a recording.
    pub fn new(table: &FrameTable, counts: StackCounts) -> Self {
        Profile {
            frames: table.iter().cloned().collect(),
            counts,
        }
    }

    /// Stacks, innermost frame first, with their counts.
    pub fn stacks(&self) -> impl Iterator<Item = (&[FrameId], u64)> {
        self.counts.iter()
    }

    /// All counted samples.
    pub fn total(&self) -> u64 {
        self.stacks().map(|(_, count)| count).sum()
    }
}
