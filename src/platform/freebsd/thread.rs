//! What a thread is doing.

use super::kinfo::{Kinfo, SRUN};
use crate::ids::{Pid, Tid};
use crate::platform::{Process, Runs, ThreadState};

/// One thread, of which the kernel is asked what it does and how often it got a CPU.
#[derive(Debug)]
pub struct ThreadWatch {
    pid: Pid,
    tid: Tid,
}

impl ThreadWatch {
    /// Asks nothing yet.
    pub fn new(pid: Pid, tid: Tid) -> Self {
        ThreadWatch { pid, tid }
    }

    fn look(&self) -> Option<Kinfo> {
        let all = Process::by_id(self.pid).kinfo_of_threads().ok()?;
        match self.tid == self.pid {
            true => all.into_iter().next(),
            false => all.into_iter().find(|one| Tid::from(one.tid) == self.tid),
        }
    }

    /// The CPU that the thread runs on, or ran on last.
    pub fn cpu(&mut self) -> Option<usize> {
        self.look()?.cpu
    }

    /// What the kernel has counted.
    pub fn runs(&mut self) -> Option<Runs> {
        let one = self.look()?;
        let time = u64::try_from(one.run_time.as_nanos()).ok()?;
        // With the turn that lasts.
        let turns = one.switches.saturating_add(1);
        Some(Runs {
            time,
            turns,
            waited: 0,
        })
    }

    /// Asks the kernel what the thread is doing.
    pub fn state(&mut self) -> ThreadState {
        match self.look() {
            None => ThreadState::Ended,
            Some(one) if one.letter() == b'Z' => ThreadState::Ended,
            Some(one) if one.state == SRUN => ThreadState::Running,
            Some(_) => ThreadState::Idle(None),
        }
    }
}
