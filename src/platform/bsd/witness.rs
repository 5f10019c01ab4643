//! Whether a thread held its CPU when we came there: nothing tells.

use crate::ids::{Pid, Tid};

/// Our coming to a CPU.
#[derive(Debug, Clone, Copy)]
pub struct Arrival {
    /// Where it was.
    pub cpu: usize,
}

impl Arrival {
    /// Our coming to that CPU.
    pub fn new(cpu: usize) -> Self {
        Arrival { cpu }
    }
}

/// Watches nothing.
#[derive(Debug)]
pub struct Witness;

impl Witness {
    /// Of a thread.
    pub fn new(_pid: Pid, _tid: Tid) -> Self {
        Witness
    }

    /// True if the thread held a CPU at that time: not known.
    pub fn held(&self, _arrival: &mut Arrival, _since: u64) -> Option<bool> {
        None
    }
}
