//! What the sampler has that the others do not have yet. It reads targets without holding anything
//! that somebody else waits for, and hands over between two rounds.

use super::Recording;
use crate::ids::Pid;
use crate::profile::{Sample, Seen, Sink, Tally};
use crate::remedy::Notice;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, TryLockError};

/// As many samples are kept while the recording is in somebody's hands; then it is waited for.
const MOST: usize = 1 << 16;

/// The sampler's own account.
#[derive(Debug, Default)]
pub(super) struct Own {
    pub seen: Seen,
    pub tally: Tally,
    pub processes: usize,
    pub threads: usize,
    pub ticks: u64,
    pub remote_reads: u64,
    pub unread: Arc<BTreeMap<Pid, Notice>>,
    pub unlooked: usize,
    /// Samples that were not handed over.
    pub samples: Vec<Sample>,
    /// Stacks of waiting threads that are not counted, and were not handed over.
    pub glances: Vec<Sample>,
}

impl Own {
    /// Hands over what is new, unless somebody else is looking at the recording at the moment: then
    /// the next round will do. A thread of real time does not wait for an ordinary one.
    pub fn publish<S: Sink>(&mut self, recording: &Mutex<Recording<S>>) {
        let locked = match recording.try_lock() {
            Ok(locked) => locked,
            Err(TryLockError::WouldBlock) if self.samples.len() < MOST => return,
            Err(TryLockError::WouldBlock) => {
                recording.lock().unwrap_or_else(PoisonError::into_inner)
            }
            // A panic elsewhere must not cost the recording.
            Err(TryLockError::Poisoned(poisoned)) => poisoned.into_inner(),
        };
        self.fill(locked);
    }

    /// Hands over the last.
    pub fn publish_all<S: Sink>(&mut self, recording: &Mutex<Recording<S>>) {
        self.fill(recording.lock().unwrap_or_else(PoisonError::into_inner));
    }

    fn fill<S: Sink>(&mut self, mut locked: MutexGuard<'_, Recording<S>>) {
        let recording = &mut *locked;
        recording.seen.catch_up(&self.seen);
        recording.tally = self.tally.clone();
        recording.processes = self.processes;
        recording.threads = self.threads;
        recording.ticks = self.ticks;
        recording.remote_reads = self.remote_reads;
        recording.unread = self.unread.clone();
        recording.unlooked = self.unlooked;
        for sample in self.samples.drain(..) {
            recording.sink.add(&recording.seen, sample);
        }
        for sample in self.glances.drain(..) {
            recording.sink.glance(sample);
        }
    }
}
