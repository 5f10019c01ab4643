//! Whether the program is stopped (SIGSTOP, Ctrl-Z): then it waits for nothing but to go on.

use crate::ids::Pid;
use crate::platform::Process;
use std::time::{Duration, Instant};

/// Between two looks.
const EVERY: Duration = Duration::from_millis(250);

/// Counts how long all of some processes were stopped.
pub struct Halted {
    pids: Vec<Pid>,
    last: Instant,
    total: Duration,
}

impl Halted {
    /// From now on.
    pub fn watch(pids: Vec<Pid>) -> Self {
        Halted {
            pids,
            last: Instant::now(),
            total: Duration::ZERO,
        }
    }

    /// Looks now and then; to be called more often.
    pub fn look(&mut self) {
        let since = self.last.elapsed();
        if since < EVERY {
            return;
        }
        self.last = Instant::now();
        if are_stopped(&self.pids) {
            // While p5-spy was stopped itself, nobody knows.
            self.total += since.min(EVERY * 2);
        }
    }

    /// How long it was so far, in milliseconds.
    pub fn milliseconds(&self) -> u64 {
        u64::try_from(self.total.as_millis()).unwrap_or(u64::MAX)
    }
}

/// True when there are such processes, and each is stopped.
pub fn are_stopped(pids: &[Pid]) -> bool {
    let is_stopped = |pid: &Pid| Process::open(*pid).is_ok_and(Process::is_stopped);
    !pids.is_empty() && pids.iter().all(is_stopped)
}
