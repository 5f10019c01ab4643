//! Standing beside one thread: for those who take a single sample what the loop does for each.

use crate::ids::{Pid, Tid};
use crate::platform::{
    Arrival, CoSchedule, HeldCpu, Runs, ThreadState, ThreadWatch, Witness, is_real_time, monotonic,
};

/// A thread that is read from its own CPU, where it cannot move meanwhile.
pub struct SharedCpu {
    /// `None` for a thread that is no more: it does nothing.
    thread: Option<Live>,
    /// What it was doing when it was asked last, until that is used.
    state: Option<ThreadState>,
    schedule: Option<CoSchedule>,
}

struct Live {
    pid: Pid,
    tid: Tid,
    watch: ThreadWatch,
}

/// Of a thread that is no more.
const AT_REST: ThreadState = ThreadState::Idle(None);

impl SharedCpu {
    /// Stays where it is until [`SharedCpu::follow`].
    pub fn new(pid: Pid, tid: Tid) -> Self {
        let watch = ThreadWatch::new(pid, tid);
        SharedCpu {
            thread: Some(Live { pid, tid, watch }),
            state: None,
            schedule: None,
        }
    }

    /// Beside a thread of which only its memory is left, and which rests for ever.
    pub fn of_nobody() -> Self {
        SharedCpu {
            thread: None,
            state: None,
            schedule: None,
        }
    }

    /// What the thread is doing.
    pub fn state(&mut self) -> ThreadState {
        let thread = self.thread.as_mut();
        let state = thread.map_or(AT_REST, |thread| thread.watch.state());
        *self.state.insert(state)
    }

    /// Whether the thread, which is [`ThreadState::Running`], had a CPU until we came to it; otherwise
    /// it only wants one. `None` where nobody can tell.
    pub fn has_cpu(&mut self) -> Option<bool> {
        /// It may go to another CPU while we come to the one that it was on.
        const TRIES: usize = 3;
        let thread = self.thread.as_ref()?;
        let witness = Witness::new(thread.pid, thread.tid, false);
        for _ in 0..TRIES {
            let (before, looked) = (self.thread.as_mut()?.watch.runs()?, monotonic());
            if self.state() != ThreadState::Running {
                return None;
            }
            self.follow();
            let here = self.schedule.as_ref()?.pinned()?;
            let held = witness.held(&mut Arrival::new(here), looked)?;
            let watch = &mut self.thread.as_mut()?.watch;
            let same = before.is_same_turn(watch.runs()?);
            match held {
                HeldCpu::Until(_) if same => return Some(true),
                HeldCpu::Not if watch.cpu() == Some(here) => return Some(false),
                _ => {}
            }
        }
        None
    }

    /// True if it is where we are, so that it cannot run meanwhile.
    pub fn is_set_aside(&mut self) -> bool {
        let here = self.schedule.as_ref().and_then(CoSchedule::pinned);
        let there = self.thread.as_mut().and_then(|thread| thread.watch.cpu());
        here.is_some() && here == there
    }

    /// How often it got a CPU, and for how long; `None` where nobody counts.
    pub fn runs(&mut self) -> Option<Runs> {
        self.thread.as_mut()?.watch.runs()
    }

    /// Moves the calling thread to the CPU that the thread runs on. Where it waits, a wake-up of ours
    /// would not set it aside, or the CPU is not ours to use, nothing changes.
    pub fn follow(&mut self) {
        let Some(thread) = &mut self.thread else {
            return;
        };
        let state = match self.state.take() {
            Some(state) => state,
            None => thread.watch.state(),
        };
        if state == ThreadState::Running
            && !is_real_time(thread.tid)
            && let Some(cpu) = thread.watch.cpu()
        {
            let schedule = self.schedule.get_or_insert_with(CoSchedule::new);
            schedule.follow(cpu);
        }
    }
}
