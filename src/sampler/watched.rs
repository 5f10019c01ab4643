//! One process that is sampled: its threads, and what was learned about its names.

use super::coschedule::is_real_time;
use crate::attach::{PerlThread, Target};
use crate::perl::leaf::{Beyond, syscall_frame};
use crate::perl::names::{NameOptions, Names};
use crate::perl::sample::{SampleError, ThreadSampler};
use crate::process::{ThreadState, ThreadWatch, syscall_name};
use crate::profile::{Seen, StackId, ThreadAbout};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// So many failures in a row mean that the target has become something else.
const FAILURES: u32 = 20;
/// So does a time without any success.
const LOST_FOR: Duration = Duration::from_millis(100);

/// A thread of a process.
pub(super) struct WatchedThread {
    watch: ThreadWatch,
    /// A wake-up of ours does not set it aside.
    pub(super) real_time: bool,
    /// It is gone.
    pub(super) ended: bool,
    /// It waits outside of any system call: stopped, or a zombie.
    waits_for_nothing: bool,
    /// It did not run when it was looked at last.
    waits: bool,
    /// Where it runs, as far as is known.
    cpu: Option<usize>,
    looks: u8,
    /// Index in [`Seen::threads`].
    pub(super) about: u32,
    thread: PerlThread,
    sampler: ThreadSampler,
    /// The last stack and all its beginnings, outermost first.
    stacks: Vec<StackId>,
}

impl WatchedThread {
    /// What it is doing, and where when it is running.
    pub(super) fn look(&mut self) -> (ThreadState, Option<usize>) {
        /// A thread that went to another CPU is met moving, and then it is asked where it is; now and
        /// then it may look as if it stood still.
        const ASK_EVERY: u8 = 8;
        let state = self.watch.state();
        self.ended = state == ThreadState::Ended;
        let running = state == ThreadState::Running;
        self.waits = !running;
        self.waits_for_nothing = state == ThreadState::Idle(None);
        if !running {
            self.cpu = None;
        } else if self.cpu.is_none() || self.looks.is_multiple_of(ASK_EVERY) {
            self.cpu = self.watch.cpu();
        }
        self.looks = self.looks.wrapping_add(1);
        (state, self.cpu)
    }

    /// Takes a sample; the result is its stack.
    pub(super) fn take(
        &mut self,
        target: &Target,
        names: &mut Names,
        seen: &mut Seen,
        waits_in: Option<u32>,
        schedule: &mut dyn FnMut(usize),
    ) -> Result<Option<StackId>, SampleError> {
        let (watch, known) = (&mut self.watch, &mut self.cpu);
        // The target runs elsewhere by now: go there.
        let mut again = || {
            if let Some(cpu) = watch.cpu() {
                *known = Some(cpu);
                schedule(cpu);
            }
        };
        self.sampler.take(
            target.name_context(0),
            target.db_sub,
            names,
            &mut seen.frames,
            &mut again,
        )?;
        self.stacks.truncate(self.sampler.unchanged());
        let new = self.sampler.frames().iter().skip(self.stacks.len());
        for frame in new {
            let caller = self.stacks.last().copied();
            self.stacks.push(seen.stacks.intern(caller, *frame));
        }
        let Some(mut stack) = self.stacks.last().copied() else {
            return Ok(None);
        };
        let mut innermost = self.sampler.frames().last().copied();
        if let Some(leaf) = self.sampler.leaf() {
            stack = seen.stacks.intern(Some(stack), leaf);
            innermost = Some(leaf);
        }
        let machine = target.perl.identity.machine.as_deref().unwrap_or_default();
        let waits_in = waits_in.and_then(|number| syscall_name(machine, number));
        if let (Some(name), Some(below)) = (waits_in, innermost)
            && let Some(frame) = syscall_frame(name, below, &mut seen.frames)
        {
            stack = seen.stacks.intern(Some(stack), frame);
        }
        Ok(Some(stack))
    }
}

/// A process.
pub(super) struct Watched {
    pub(super) target: Target,
    pub(super) names: Names,
    beyond: Beyond,
    pub(super) threads: Vec<WatchedThread>,
    title: Arc<str>,
    /// How many threads there were at the last look.
    known_count: usize,
    /// Each of them has its interpreter, or did not get one since the look before.
    settled: bool,
    failures: u32,
    lost_since: Option<Instant>,
    /// System calls that are in the recording's count already.
    pub(super) reads_counted: u64,
}

impl Watched {
    pub(super) fn new(target: Target, names: NameOptions) -> Self {
        Watched {
            title: target.process.title().into(),
            target,
            names: Names::with(names),
            beyond: names.beyond,
            threads: Vec::new(),
            known_count: 0,
            settled: false,
            failures: 0,
            lost_since: None,
            reads_counted: 0,
        }
    }

    /// Keeps the list of threads true to the target's.
    pub(super) fn refresh_threads(&mut self, seen: &mut Seen) {
        // Who waits makes no threads.
        if self.settled && self.threads.iter().all(|t| t.waits) {
            return;
        }
        let process = self.target.process;
        let Some(count) = process.thread_count() else {
            return;
        };
        if self.settled && count == self.known_count {
            return;
        }
        // A thread that is being made has no interpreter yet: it is looked for again next time.
        let Ok(threads) = self.target.threads() else {
            return;
        };
        self.settled = threads.len() == count || count == self.known_count;
        self.known_count = count;
        self.threads.retain(|w| threads.contains(&w.thread));
        for thread in threads {
            if self.threads.iter().any(|w| w.thread == thread) {
                continue;
            }
            let about = ThreadAbout {
                pid: process.pid(),
                title: self.title.clone(),
                os_tid: thread.os_tid,
                perl_tid: thread.perl_tid,
            };
            let about = seen.threads.insert_full(about).0;
            self.threads.push(WatchedThread {
                watch: ThreadWatch::new(process.pid(), thread.os_tid),
                sampler: ThreadSampler::with_leaf(
                    &thread.variables,
                    thread.compiling,
                    self.beyond,
                    thread.pads,
                ),
                real_time: is_real_time(thread.os_tid),
                ended: false,
                waits_for_nothing: false,
                waits: false,
                cpu: None,
                looks: 0,
                about: u32::try_from(about).unwrap_or(u32::MAX),
                thread,
                stacks: Vec::new(),
            });
        }
    }

    /// Forgets threads that ended.
    pub(super) fn sweep(&mut self) {
        let before = self.threads.len();
        self.threads.retain(|t| !t.ended);
        if self.threads.len() < before {
            self.settled = false;
        }
    }

    pub(super) fn succeeded(&mut self) {
        self.failures = 0;
        self.lost_since = None;
    }

    pub(super) fn failed(&mut self) {
        self.failures += 1;
        self.lost_since.get_or_insert_with(Instant::now);
    }

    /// It is worth asking whether the process has ended.
    pub(super) fn may_be_dead(&self) -> bool {
        self.threads.iter().all(|t| t.ended || t.waits_for_nothing)
    }

    pub(super) fn has_failed(&self) -> bool {
        self.failures > 0
    }

    /// It failed so often, or for so long, that it must have become something else.
    pub(super) fn is_lost(&self) -> bool {
        let long = self.lost_since.is_some_and(|s| s.elapsed() >= LOST_FOR);
        self.failures >= FAILURES || long
    }
}
