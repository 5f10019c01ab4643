//! Our own waiting for a CPU, which is not counted here.

use std::time::Duration;

/// How long the thread that made this has waited for a CPU.
#[derive(Debug)]
pub struct OwnWait;

impl OwnWait {
    /// Of the calling thread.
    pub fn start() -> Self {
        OwnWait
    }

    /// Since the last call; `None` where the kernel does not count.
    pub fn since_last(&mut self) -> Option<Duration> {
        None
    }
}
