//! Standing beside one thread: for those who take a single sample what the loop does for each.

use super::coschedule::{CoSchedule, is_real_time};
use super::{ThreadState, ThreadWatch};

/// A thread that is read from its own CPU, where it cannot move meanwhile.
pub struct Beside {
    tid: i32,
    watch: ThreadWatch,
    /// What it was doing when it was asked last, until that is used.
    state: Option<ThreadState>,
    schedule: Option<CoSchedule>,
}

impl Beside {
    /// Stays where it is until [`Beside::follow`].
    pub fn new(pid: i32, tid: i32) -> Self {
        Beside {
            tid,
            watch: ThreadWatch::new(pid, tid),
            state: None,
            schedule: None,
        }
    }

    /// What the thread is doing.
    pub fn state(&mut self) -> ThreadState {
        *self.state.insert(self.watch.state())
    }

    /// Moves the calling thread to the CPU that the thread runs on. Where it waits, a wake-up of ours
    /// would not set it aside, or the CPU is not ours to use, nothing changes.
    pub fn follow(&mut self) {
        let state = match self.state.take() {
            Some(state) => state,
            None => self.watch.state(),
        };
        if state == ThreadState::Running
            && !is_real_time(self.tid)
            && let Some(cpu) = self.watch.cpu()
        {
            let schedule = self.schedule.get_or_insert_with(CoSchedule::new);
            schedule.follow(cpu);
        }
    }
}
