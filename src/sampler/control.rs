//! What a sampler is asked for, what it is told meanwhile, what it has so far, and how it ended.

use super::Follow;
use crate::attach::AttachError;
use crate::ids::Pid;
use crate::native::NativeLevel;
use crate::perl::names::NameOptions;
use crate::profile::{Seen, Tally};
use crate::remedy::Notice;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// How often, how long, and what counts.
#[derive(Debug, Clone, Copy)]
pub struct Settings {
    /// Samples per second.
    pub rate: f64,
    /// When to end by itself.
    pub duration: Option<Duration>,
    /// Record the stacks of waiting threads too.
    pub idle: bool,
    /// Read the stacks of waiting threads once a second where they are not recorded: to be looked
    /// at, not to be counted.
    pub glances: bool,
    /// Which children are sampled too.
    pub follow: Follow,
    /// What frames say.
    pub names: NameOptions,
    /// The op that runs has a frame of its own, whatever it calls.
    pub shows_ops: bool,
    /// What is shown of C below Perl; `None`: nothing.
    pub native: Option<NativeLevel>,
    /// The most that sampling may cost: a share of a CPU. `None`: whatever it takes.
    pub max_cpu: Option<f64>,
}

/// What the sampler is told from outside while it runs, and when it means to end.
#[derive(Debug)]
pub struct Control {
    /// End.
    pub stop: AtomicBool,
    /// Take no samples for now.
    pub pause: AtomicBool,
    /// Record the stacks of waiting threads too: what the settings say, until somebody changes it.
    pub idle: AtomicBool,
    made: Instant,
    /// Microseconds after `made`; 0 for no end.
    over: AtomicU64,
}

impl Default for Control {
    fn default() -> Self {
        Control {
            stop: AtomicBool::default(),
            pause: AtomicBool::default(),
            idle: AtomicBool::default(),
            made: Instant::now(),
            over: AtomicU64::new(0),
        }
    }
}

impl Control {
    pub(super) fn set_deadline(&self, deadline: Option<Instant>) {
        let after = deadline.map_or(0, |d| {
            let after = d.saturating_duration_since(self.made).as_micros();
            u64::try_from(after).unwrap_or(u64::MAX).max(1)
        });
        self.over.store(after, Ordering::Relaxed);
    }

    /// How long ago the sampler should have ended by itself: if it did not, it is stuck.
    pub fn overdue(&self) -> Option<Duration> {
        match self.over.load(Ordering::Relaxed) {
            0 => None,
            over => self.made.elapsed().checked_sub(Duration::from_micros(over)),
        }
    }
}

/// What a recording has so far; shared with whoever shows it.
#[derive(Debug, Default)]
pub struct Recording<S> {
    /// Frames, stacks and threads.
    pub seen: Seen,
    /// What became of the samples.
    pub tally: Tally,
    /// The stacks.
    pub sink: S,
    /// Processes that are sampled now.
    pub processes: usize,
    /// Their threads that run Perl.
    pub threads: usize,
    /// How often a sample of each thread was due.
    pub ticks: u64,
    /// System calls that read the targets.
    pub remote_reads: u64,
    /// Perls among the processes that are followed that cannot be read, by process, with the reason.
    pub unread: Arc<BTreeMap<Pid, Notice>>,
    /// Processes that were found some time ago and not looked into yet.
    pub unlooked: usize,
}

/// Why a recording ended.
#[derive(Debug)]
pub enum End {
    /// It was told to.
    Stopped,
    /// Its time was over.
    Duration,
    /// The last target ended.
    TargetEnded,
    /// The last target can no longer be read as a perl: it became another program.
    Lost(Box<AttachError>),
    /// Reading a target does not come back: the sampler was left alone with it.
    Stuck,
}

/// What samples fail of that could not be taken as too many files are open.
pub const TOO_FEW_FILES: &str = "too few files can be open";
