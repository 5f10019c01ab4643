//! The honesty numbers of a recording.

use super::Tally;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::time::Duration;

/// What a recording did and cost.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Summary {
    /// Samples that were due: good + idle + ready + torn + missed + gone + all errors.
    pub attempted: u64,
    /// Stacks of threads on a CPU.
    pub good: u64,
    /// Times a thread was waiting for something else than a CPU.
    pub idle: u64,
    /// Times a thread moved in every try to read it.
    pub torn: u64,
    /// Samples that were due while p5-spy was still busy or not scheduled.
    pub missed: u64,
    /// Failures by kind.
    pub errors: BTreeMap<String, u64>,
    /// Of `attempted`, those for which p5-spy was woken late: more than a few mean that lines
    /// which make system calls have more than their share.
    pub late: u64,
    /// Of `good` and `idle`, stacks that were read while the target could run on.
    pub approximate: u64,
    /// How long the recording took.
    pub duration_seconds: f64,
    /// CPU time that p5-spy itself used.
    pub cpu_seconds: f64,
    /// System calls that read the target.
    pub remote_reads: u64,
    /// Times a thread was waiting for a CPU.
    pub ready: u64,
    /// Of `good`, those of which nobody can tell whether the thread was waiting for a CPU.
    pub unsure: u64,
    /// Of `attempted`, those that were left out so that sampling costs no more than it may: those
    /// that were taken count for them.
    pub thinned: u64,
    /// Milliseconds that p5-spy was stopped (Ctrl-Z) or the machine slept: nothing was due then.
    pub away_ms: u64,
    /// Milliseconds that the program was stopped (SIGSTOP, Ctrl-Z).
    pub stopped_ms: u64,
    /// Times a thread had ended, or its process become another program, before it was read.
    pub gone: u64,
    /// Of `good`, those at whose moment p5-spy was not let in: by the kernel's account of its CPU time
    /// the thread had a CPU then, and a stack that was seen soon after counts for it.
    pub made_up: u64,
    /// Of `good`, those of which it is known what ran in C.
    pub native: u64,
    /// Processes with a perl that had ended when the next samples were due.
    pub unseen: u64,
}

/// How many numbers at its end a recording may lack that was made before there were any.
pub const NEW_NUMBERS: usize = 9;

impl Summary {
    /// The numbers of a recording, as far as it got.
    pub fn new(tally: &Tally, duration: Duration, cpu: Duration, remote_reads: u64) -> Self {
        Summary {
            attempted: tally.attempted(),
            good: tally.good,
            idle: tally.idle,
            torn: tally.torn,
            missed: tally.missed,
            late: tally.late,
            approximate: tally.approximate,
            errors: tally
                .errors
                .iter()
                .map(|(kind, count)| ((*kind).to_owned(), *count))
                .collect(),
            duration_seconds: (duration + tally.slept).as_secs_f64(),
            cpu_seconds: cpu.as_secs_f64(),
            remote_reads,
            ready: tally.ready,
            unsure: tally.unsure,
            thinned: tally.thinned,
            away_ms: milliseconds(tally.away),
            stopped_ms: 0,
            gone: tally.gone,
            made_up: tally.made_up,
            native: tally.native,
            unseen: tally.unseen,
        }
    }
}

fn milliseconds(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}
