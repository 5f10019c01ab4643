//! Which threads are read in a round, and in which order.

use super::presence::{Admission, Presence};
use super::watched::WatchedThread;
use super::{Sampler, TOO_FEW_FILES};
use crate::perl::leaf::level::LeafLevel;
use crate::platform::{Arrival, HeldCpu, Stint, Testimony, ThreadState, monotonic};
use crate::profile::Sink;
use std::time::{Duration, Instant};

/// Stacks of threads that wait are looked at this often where they are not recorded.
const GLANCE_EVERY: Duration = Duration::from_secs(1);

/// A thread whose turn it is: where it is in the lists, its CPU if it is running, and whether it is.
#[derive(Debug, Clone, Copy)]
pub(super) struct Turn {
    pub(super) cpu: Option<usize>,
    pub(super) process: usize,
    pub(super) thread: usize,
    pub(super) running: bool,
    /// It held our CPU until it began to wait, which made room for us: the kernel lets nobody in
    /// while it does something for a thread.
    pub(super) paused: bool,
    /// Where in its time on that CPU it was when its sample was due, if it was on one.
    pub(super) stint: Stint,
    /// When it was looked at: nanoseconds of CLOCK_MONOTONIC.
    pub(super) looked: u64,
    /// The system call that it waits in.
    pub(super) waits_in: Option<u32>,
    /// It still has the stack that was read last.
    pub(super) rests: bool,
    /// It waits, and its stack is not counted.
    pub(super) is_glance: bool,
}

impl<S: Sink> Sampler<S> {
    /// Lists the threads to be read, by CPU, those of our own CPU first: they cannot run while we
    /// do. Returns how many are waiting and not to be read.
    pub(super) fn whose_turn(&mut self, all: bool) -> usize {
        self.turns.clear();
        let threads = self.watched.iter().map(|w| w.threads.len()).sum::<usize>();
        let glances = self.glances();
        let is_quiet = !all && !glances && !self.settings.idle && self.load.nobody_runs(threads);
        if is_quiet && !self.somebody_moved() {
            return threads;
        }
        let names_calls = self.settings.names.beyond == LeafLevel::Ops;
        let crowd = self.is_crowd();
        let ours = self.schedule.pinned();
        let admission = Admission::of(self.priority, self.tick, self.waited);
        let mut idle = 0;
        self.running = 0;
        for (process, watched) in self.watched.iter_mut().enumerate() {
            for (thread, w) in watched.threads.iter_mut().enumerate() {
                let before = monotonic();
                let look = w.look(crowd, ours);
                let running = look.state == ThreadState::Running;
                let waits_in = match look.state {
                    ThreadState::Idle(call) if names_calls => call,
                    _ => None,
                };
                if look.state == ThreadState::Unknown {
                    *self.own.tally.errors.entry(TOO_FEW_FILES).or_insert(0) +=
                        u64::from(self.weight);
                    continue;
                }
                self.running += usize::from(running);
                if look.is_new {
                    w.learns();
                }
                let held = match &mut self.arrival {
                    Some(arrival) if !running && look.is_new && !w.ended => {
                        gave_way(w, arrival, self.tick, before, admission)
                    }
                    _ => Some(HeldCpu::Not),
                };
                let stint = held.and_then(HeldCpu::stint).unwrap_or_default();
                let presence = Presence::of(held, admission, &mut self.usual);
                // Whoever waits now had a CPU then, and what it did is not known.
                if matches!(presence, Presence::Late | Presence::Unknown) {
                    self.own.tally.missed += u64::from(self.weight);
                    if presence == Presence::Late {
                        w.misses(stint, self.weight);
                    }
                    continue;
                }
                let paused = presence == Presence::OnCpu;
                let is_counted = running || paused || self.settings.idle;
                if running || paused || ((self.settings.idle || glances) && !w.ended) {
                    self.turns.push(Turn {
                        cpu: look.cpu.filter(|_| !look.rests),
                        process,
                        thread,
                        running,
                        paused,
                        stint,
                        looked: before,
                        waits_in,
                        rests: look.rests,
                        is_glance: !is_counted,
                    });
                }
                idle += usize::from(!is_counted && !w.ended);
            }
        }
        self.turns
            .sort_by_key(|turn| (turn.cpu.is_some() && turn.cpu != ours, turn.cpu));
        idle
    }

    /// True if one of them came to a CPU or left one since this round was due.
    fn somebody_moved(&self) -> bool {
        let mut threads = self.watched.iter().flat_map(|w| &w.threads);
        threads.any(|thread| thread.has_moved(self.tick))
    }

    /// True once in a while, where stacks of waiting threads are looked at.
    fn glances(&mut self) -> bool {
        let now = Instant::now();
        let is_due = !self.settings.idle && self.glance_due.is_some_and(|due| now >= due);
        if is_due {
            self.glance_due = Some(now + GLANCE_EVERY);
        }
        is_due
    }

    /// More threads run than there are CPUs: most of them have not had a turn since the last look.
    pub(super) fn is_crowd(&self) -> bool {
        self.running > self.cpus
    }
}

/// Whether a thread that waits now had a CPU when its sample was due, and made room for us there.
fn gave_way(
    thread: &mut WatchedThread,
    arrival: &mut Arrival,
    due: u64,
    looked: u64,
    admission: Admission,
) -> Option<HeldCpu> {
    let held = thread.held(arrival, due);
    let knows_all = thread.testimony() == Testimony::History;
    let is_there = held.and_then(HeldCpu::stint).is_some();
    if !is_there || knows_all && admission != Admission::AtOnce {
        return held.or(Some(HeldCpu::Not));
    }
    let has_just_left = matches!(thread.held(arrival, looked), Some(HeldCpu::Until(_)));
    match has_just_left || thread.locate() == Some(arrival.cpu) {
        true => held,
        false => Some(HeldCpu::Not),
    }
}
