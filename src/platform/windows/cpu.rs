//! Where a thread runs. Windows tells nobody which CPU another thread is on, so that it cannot be read
//! from there: whoever samples gets a copy of more than one moment, which counts as approximate.

use crate::ids::{Pid, Tid};
use crate::platform::{Priority, ThreadState, ThreadWatch};
use std::time::Duration;
use windows_sys::Win32::System::Threading::{
    GetCurrentThread, SetThreadPriority, THREAD_PRIORITY_TIME_CRITICAL,
};

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

    /// False: that cannot be had.
    pub fn follow(&mut self, _: usize) -> bool {
        false
    }
}

/// Lets the calling thread onto a CPU the moment its timer fires, as far as it may: the highest priority
/// that needs no rights. It runs for some microseconds per sample.
pub fn wake_at_once() -> Priority {
    // SAFETY: the handle is that of the calling thread; nobody else's priority changes.
    unsafe { SetThreadPriority(GetCurrentThread(), THREAD_PRIORITY_TIME_CRITICAL) };
    Priority::Ordinary
}

/// False: no thread that runs Perl has such a priority.
pub fn is_real_time(_: Tid) -> bool {
    false
}

/// Each thread takes one handle, of which a process may have millions.
pub fn allow_many_watches() {}

/// None: waiting threads do not tell by a number what they wait for.
pub fn syscall_name(_: &str, _: u32) -> Option<&'static str> {
    None
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

/// Knows nothing of when a thread left a CPU.
#[derive(Debug)]
pub struct Witness;

impl Witness {
    /// Of a thread.
    pub fn new(_: Pid, _: Tid) -> Self {
        Witness
    }

    /// Not known.
    pub fn held(&self, _: &mut Arrival, _: u64) -> Option<bool> {
        None
    }
}

/// Knows nothing of how long a thread has waited for a CPU.
#[derive(Debug)]
pub struct OwnWait;

impl OwnWait {
    /// Of the calling thread.
    pub fn start() -> Self {
        OwnWait
    }

    /// Not known.
    pub fn since_last(&mut self) -> Option<Duration> {
        None
    }
}

/// One thread, for who takes a single sample.
pub struct SharedCpu {
    watch: ThreadWatch,
}

impl SharedCpu {
    /// Of a thread.
    pub fn new(pid: Pid, tid: Tid) -> Self {
        SharedCpu {
            watch: ThreadWatch::new(pid, tid),
        }
    }

    /// What the thread is doing.
    pub fn state(&mut self) -> ThreadState {
        self.watch.state()
    }

    /// Nobody can tell.
    pub fn has_cpu(&mut self) -> Option<bool> {
        None
    }

    /// Stays where it is.
    pub fn follow(&mut self) {}
}
