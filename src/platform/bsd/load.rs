//! What one question would tell of the whole machine: here there is no such question, so that each
//! process is asked.

use crate::ids::Pid;

/// Nothing is known.
#[derive(Debug)]
pub struct Load;

impl Load {
    /// Asks for nothing.
    pub fn open() -> Self {
        Load
    }

    /// True when we are the only one who runs.
    pub fn nobody_runs(&self, _threads: usize) -> bool {
        false
    }

    /// How many threads there are on the machine.
    pub fn threads(&self) -> Option<u32> {
        None
    }

    /// What changes with each new process.
    pub fn newest(&self) -> Option<(Pid, u32)> {
        None
    }
}
