//! What only Linux has, for the systems that lack it: nobody stands beside a thread on its CPU, nothing tells
//! when it left one or what it waits in, and our own waiting is not counted.

use super::{Ability, HeldCpu, LeftRegisters, Runs, Testimony};
use crate::ids::{Pid, Tid};
use std::time::Duration;

/// Goes nowhere.
#[derive(Debug, Default)]
pub struct CoSchedule;

impl CoSchedule {
    /// Not pinned.
    pub fn new() -> Self {
        CoSchedule
    }

    /// None: the thread is bound to no CPU.
    pub fn pinned(&self) -> Option<usize> {
        None
    }

    /// Whether this thread runs on that CPU from now on: never.
    pub fn follow(&mut self, _cpu: usize) -> bool {
        false
    }
}

/// Watches a thread's registers, which nobody tells.
#[derive(Debug)]
pub struct RegisterWatch;

impl RegisterWatch {
    /// None.
    pub fn of(_tid: Tid) -> Option<Self> {
        None
    }

    /// Nothing.
    pub fn last(&self) -> Option<LeftRegisters> {
        None
    }
}

/// Where a thread that waits executes, and its stack pointer: nobody says.
pub fn resting_place(_pid: Pid, _tid: Tid) -> Option<(u64, u64)> {
    None
}

/// True when a wake-up of ours does not set the thread aside. Nobody is set aside here.
pub fn is_real_time(_tid: Tid) -> bool {
    false
}

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
    pub fn new(_pid: Pid, _tid: Tid, _with_registers: bool) -> Self {
        Witness
    }

    /// None.
    pub fn registers(&self) -> Option<LeftRegisters> {
        None
    }

    /// No more than can be seen.
    pub fn testimony(&self) -> Testimony {
        Testimony::Present
    }

    /// Nothing is recorded.
    pub fn has_moved(&self, _since: u64) -> bool {
        false
    }

    /// Nothing.
    pub fn learn(&mut self, _runs: impl FnOnce() -> Option<Runs>) {}

    /// Nobody records where it was.
    pub fn recorded(&self, _since: u64) -> Option<HeldCpu> {
        None
    }

    /// Whether the thread held a CPU at that time: not known.
    pub fn held(&self, _arrival: &mut Arrival, _since: u64) -> Option<HeldCpu> {
        None
    }
}

/// How long the thread that made this has waited for a CPU.
#[derive(Debug)]
pub struct OwnWait;

impl OwnWait {
    /// Of the calling thread.
    pub fn start() -> Self {
        OwnWait
    }

    /// Since the last call: not counted.
    pub fn since_last(&mut self) -> Option<Duration> {
        None
    }
}

/// The kernel's name of a system call: which one a thread is in is not told.
pub fn syscall_name(_machine: &str, _number: u32) -> Option<&'static str> {
    None
}

/// What all of these have to say of sampling.
pub(super) fn no_shared_cpu() -> Ability {
    Ability::missing(
        "a CPU of the program's",
        "cannot be shared on this system: stacks are approximate",
        None,
    )
}
