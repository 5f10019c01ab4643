//! What has been counted, and what the view shows of it: the same, but while it is paused.

use crate::ids::{Pid, Tid};
use crate::profile::Tally;
use crate::profile::fresh::{Fresh, Last, ThreadStackCounts};
use crate::profile::index::Index;
use crate::sampler::Recording;
use std::collections::{HashSet, VecDeque};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Seconds of load that are kept: more than any terminal is wide.
const HISTORY: usize = 600;

/// Counts by thread and stack that are kept apart: some tens of megabytes.
const MOST_COUNTS: usize = 1 << 19;

/// The thread of counts that are kept apart no more.
pub const OTHERS: u32 = u32::MAX;

/// Everything that was counted by some moment.
#[derive(Debug, Clone, Default)]
pub struct Ledger {
    /// Samples of the last period.
    pub recent: ThreadStackCounts,
    /// Samples since the start; those of the last period are among them.
    pub all: ThreadStackCounts,
    /// The last stack of each thread.
    pub last: Vec<Option<Last>>,
    /// What became of the samples of the last period.
    pub recent_tally: Tally,
    /// What became of all samples.
    pub tally: Tally,
    /// Length of the last period.
    pub period: Duration,
    /// How often each thread was due in it.
    pub ticks: u64,
    /// Since the start, or since the counts were reset.
    pub elapsed: Duration,
    /// Since the view was opened.
    pub age: Duration,
    /// How many processes are sampled.
    pub processes: usize,
    /// How many threads of theirs run Perl.
    pub threads: usize,
    /// Of each period the share of samples that met a running thread, the last one at the end.
    pub history: VecDeque<f64>,
    /// Threads that have ended, by their index.
    pub ended: HashSet<u32>,
    /// The program is stopped by a signal.
    pub is_stopped: bool,
}

impl Ledger {
    /// Keeps threads without samples in the last period apart no more: a server that replaces its
    /// workers for days must not fill the memory.
    fn merge_the_ended(&mut self) {
        let busy: HashSet<u32> = self.recent.keys().map(|(thread, _)| *thread).collect();
        for ((thread, stack), count) in std::mem::take(&mut self.all) {
            let kept = if busy.contains(&thread) {
                thread
            } else {
                OTHERS
            };
            let all = self.all.entry((kept, stack)).or_default();
            all.running += count.running;
            all.waiting += count.waiting;
        }
    }
}

/// The counts as they go on, and as they were when the view was paused.
#[derive(Debug)]
pub struct Books {
    /// What the counts refer to.
    pub index: Index,
    live: Ledger,
    frozen: Option<Ledger>,
    opened: Instant,
    started: Instant,
    last: Instant,
    /// The recording's own numbers, which know no reset, at the last look and at the last reset.
    seen: Tally,
    base: Tally,
    seen_ticks: u64,
    /// Samples of waiting threads that still come are not counted.
    drops_waiting: bool,
}

impl Books {
    /// Nothing yet.
    pub fn new(now: Instant, folders: Option<Vec<String>>) -> Self {
        Books {
            index: Index::relative_to(folders),
            live: Ledger::default(),
            frozen: None,
            opened: now,
            started: now,
            last: now,
            seen: Tally::default(),
            base: Tally::default(),
            seen_ticks: 0,
            drops_waiting: false,
        }
    }

    /// What is to be shown.
    pub fn shown(&self) -> &Ledger {
        self.frozen.as_ref().unwrap_or(&self.live)
    }

    /// True while the picture stands still.
    pub fn is_paused(&self) -> bool {
        self.frozen.is_some()
    }

    /// Stops the picture, or lets it go on.
    pub fn pause(&mut self) {
        self.frozen = match self.frozen {
            Some(_) => None,
            None => Some(self.live.clone()),
        };
    }

    /// Takes over what the recording has; from here on it is the last period.
    pub fn gather(&mut self, now: Instant, recording: &Mutex<Recording<Fresh>>) {
        let (mut counts, tally, ticks);
        {
            let mut recording = recording.lock().unwrap_or_else(PoisonError::into_inner);
            self.index.copy(&recording.seen);
            counts = recording.sink.take();
            self.live.last = recording.sink.last().to_vec();
            tally = recording.tally.clone();
            ticks = recording.ticks;
            self.live.processes = recording.processes;
            self.live.threads = recording.threads;
        }
        self.index.settle();
        if self.drops_waiting {
            counts.retain(|_, count| {
                count.waiting = 0;
                count.running > 0
            });
        }
        let live = &mut self.live;
        for (key, count) in &counts {
            let all = live.all.entry(*key).or_default();
            all.running += count.running;
            all.waiting += count.waiting;
        }
        if live.all.len() > MOST_COUNTS {
            live.merge_the_ended();
        }
        live.recent = counts;
        live.recent_tally = tally.since(&self.seen);
        live.tally = tally.since(&self.base);
        live.ticks = ticks - self.seen_ticks;
        // Nothing was due while p5-spy was stopped.
        let stopped = |tally: &Tally| tally.away.saturating_sub(tally.slept);
        live.period = (now - self.last).saturating_sub(stopped(&live.recent_tally));
        live.elapsed = (now - self.started).saturating_sub(stopped(&live.tally));
        live.age = now - self.opened;
        let attempted = live.recent_tally.attempted();
        let load = live.recent_tally.good as f64 / attempted.max(1) as f64;
        live.history.push_back(load);
        if live.history.len() > HISTORY {
            live.history.pop_front();
        }
        self.seen = tally;
        self.seen_ticks = ticks;
        self.last = now;
    }

    /// Takes over the last stacks only.
    pub fn glance(&mut self, now: Instant, recording: &Mutex<Recording<Fresh>>) {
        {
            let recording = recording.lock().unwrap_or_else(PoisonError::into_inner);
            self.index.copy(&recording.seen);
            self.live.last = recording.sink.last().to_vec();
        }
        self.index.settle();
        self.live.age = now - self.opened;
    }

    /// Notes whether the program is stopped: `look` tells, and is asked only when nothing runs.
    pub fn note_stopped(&mut self, look: impl FnOnce() -> bool) {
        let tally = &self.live.recent_tally;
        self.live.is_stopped = tally.good + tally.ready == 0 && look();
    }

    /// Looks which threads are still there: those of which `is_there` (of process and thread) is
    /// true.
    pub fn count_the_living(&mut self, is_there: impl Fn(Pid, Tid) -> bool) {
        for (number, thread) in (0u32..).zip(&self.index.threads) {
            if !self.live.ended.contains(&number) && !is_there(thread.pid, thread.os_tid) {
                self.live.ended.insert(number);
            }
        }
    }

    /// Counts anew, waiting threads too or no longer.
    pub fn count_waiting(
        &mut self,
        waiting: bool,
        now: Instant,
        recording: &Mutex<Recording<Fresh>>,
    ) {
        self.reset(now, recording);
        self.drops_waiting = !waiting;
    }

    /// Starts all counts anew; what was paused goes on.
    pub fn reset(&mut self, now: Instant, recording: &Mutex<Recording<Fresh>>) {
        self.gather(now, recording);
        self.frozen = None;
        self.base = self.seen.clone();
        self.started = now;
        let live = &mut self.live;
        live.all.clear();
        live.recent.clear();
        live.history.clear();
        live.tally = Tally::default();
        live.recent_tally = Tally::default();
        live.elapsed = Duration::ZERO;
        live.ticks = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::frames::{Frame, FrameKind};
    use crate::profile::Seen;
    use crate::profile::fresh::Count;

    #[test]
    fn threads_that_ended_are_one_in_the_end() {
        let mut seen = Seen::default();
        let frame = Frame::new(FrameKind::Sub, "main::a".into(), "a.pl".into(), 1);
        let frame = seen.frames.intern(frame);
        let stack = seen.stacks.intern(None, frame);
        let once = Count {
            running: 1,
            waiting: 2,
        };
        let mut ledger = Ledger {
            all: (0..10).map(|thread| ((thread, stack), once)).collect(),
            recent: ThreadStackCounts::from([((3, stack), once)]),
            ..Ledger::default()
        };
        ledger.merge_the_ended();
        let others = Count {
            running: 9,
            waiting: 18,
        };
        assert_eq!(
            ledger.all,
            ThreadStackCounts::from([((3, stack), once), ((OTHERS, stack), others)])
        );
    }
}
