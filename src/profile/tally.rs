//! The account of a recording while it goes on.

use std::collections::BTreeMap;
use std::time::Duration;

/// What became of the samples.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Tally {
    /// Stacks of threads on a CPU.
    pub good: u64,
    /// Times a thread was waiting for something else than a CPU.
    pub idle: u64,
    /// Times a thread was waiting for a CPU.
    pub ready: u64,
    /// Of `good`, those of which nobody can tell whether the thread was waiting for a CPU.
    pub unsure: u64,
    /// Of `good`, those at whose moment p5-spy was not let in, or saw the thread before it was on its CPU: by the kernel's
    /// account of its CPU time the thread had one then, and a stack that was seen soon after counts for it.
    pub made_up: u64,
    /// Of `good`, those of which it is known what ran in C.
    pub native: u64,
    /// Of all, those that were left out so that sampling costs no more than it may: those that were
    /// taken count for them.
    pub thinned: u64,
    /// Times a thread moved in every try to read it.
    pub torn: u64,
    /// Times a sample was due and could not be taken in time.
    pub missed: u64,
    /// Stacks (of `good` and `idle`) that were read while the target could run on.
    pub approximate: u64,
    /// Attempts for which p5-spy woke up too late, as the target's turn had to end first.
    pub late: u64,
    /// Times a thread had ended, or its process become another program, before it was read.
    pub gone: u64,
    /// Processes with a perl that had ended when the next samples were due.
    pub unseen: u64,
    /// Failures, by kind.
    pub errors: BTreeMap<&'static str, u64>,
    /// How long p5-spy was stopped or asleep: nothing was due then.
    pub away: Duration,
    /// Of that, how long the machine slept.
    pub slept: Duration,
}

impl Tally {
    /// All samples that were due.
    pub fn attempted(&self) -> u64 {
        self.good + self.idle + self.ready + self.torn + self.missed + self.gone + self.failed()
    }

    /// So many of those that were missed are counted by one that was taken; if there are no more, of those that seemed to
    /// wait for a CPU.
    pub fn makes_up(&mut self, more: u64) {
        let of_missed = more.min(self.missed);
        self.missed -= of_missed;
        self.ready = self.ready.saturating_sub(more - of_missed);
        self.made_up += more;
        self.good += more;
    }

    /// What came after an earlier state of the same tally.
    pub fn since(&self, before: &Tally) -> Tally {
        let earlier = |kind: &&'static str| before.errors.get(kind).copied().unwrap_or(0);
        Tally {
            good: self.good - before.good,
            idle: self.idle - before.idle,
            ready: self.ready - before.ready,
            unsure: self.unsure - before.unsure,
            made_up: self.made_up - before.made_up,
            native: self.native - before.native,
            thinned: self.thinned - before.thinned,
            torn: self.torn - before.torn,
            missed: self.missed.saturating_sub(before.missed),
            approximate: self.approximate - before.approximate,
            late: self.late - before.late,
            away: self.away.saturating_sub(before.away),
            slept: self.slept.saturating_sub(before.slept),
            gone: self.gone - before.gone,
            unseen: self.unseen - before.unseen,
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
