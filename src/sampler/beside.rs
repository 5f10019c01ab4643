//! Standing beside one thread: for those who take a single sample what the loop does for each.

use super::coschedule::{CoSchedule, is_real_time};
use crate::process::{ThreadState, ThreadWatch};

/// A thread that is read from its own CPU, where it cannot move meanwhile.
pub struct Beside {
    watch: ThreadWatch,
    schedule: CoSchedule,
    /// A wake-up of ours sets it aside.
    gives_way: bool,
}

impl Beside {
    /// Stays where it is until [`Beside::follow`].
    pub fn new(pid: i32, tid: i32) -> Self {
        Beside {
            watch: ThreadWatch::new(pid, tid),
            schedule: CoSchedule::new(),
            gives_way: !is_real_time(tid),
        }
    }

    /// What the thread is doing.
    pub fn state(&mut self) -> ThreadState {
        self.watch.state()
    }

    /// Moves the calling thread to the CPU that the thread runs on. Where it waits or the CPU is not
    /// ours to use, nothing changes.
    pub fn follow(&mut self) {
        if self.gives_way
            && self.state() == ThreadState::Running
            && let Some(cpu) = self.watch.cpu()
        {
            self.schedule.follow(cpu);
        }
    }
}
