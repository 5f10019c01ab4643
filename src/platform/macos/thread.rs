//! What a thread is doing.

use super::kernel;
use crate::ids::{Pid, Tid};
use crate::platform::{Process, Runs, ThreadState};

/// One thread, of which the kernel is asked what it does and how often it got a CPU.
#[derive(Debug)]
pub struct ThreadWatch {
    pid: Pid,
    /// What the kernel calls it; `None` for one that is not there.
    id: Option<u64>,
}

impl ThreadWatch {
    /// Finds the thread; one that is already gone reports [`ThreadState::Ended`].
    pub fn new(pid: Pid, tid: Tid) -> Self {
        let id = match tid == pid {
            true => Process::by_id(pid).first_thread(),
            false => u64::try_from(tid.number()).ok(),
        };
        ThreadWatch { pid, id }
    }

    /// The CPU that the thread runs on: not told.
    pub fn cpu(&mut self) -> Option<usize> {
        None
    }

    /// What the kernel has counted: no turns.
    pub fn runs(&mut self) -> Option<Runs> {
        None
    }

    /// Asks the kernel what the thread is doing.
    pub fn state(&mut self) -> ThreadState {
        let Some(id) = self.id else {
            return ThreadState::Ended;
        };
        match kernel::thread(self.pid, id) {
            Ok(info) if info.run_state == libc::TH_STATE_RUNNING => ThreadState::Running,
            Ok(_) => ThreadState::Idle(None),
            Err(_) => ThreadState::Ended,
        }
    }
}
