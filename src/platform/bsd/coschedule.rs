//! Where to run beside a thread. macOS binds no thread to a CPU, and on FreeBSD a wake-up does not set
//! an ordinary thread aside: a copy is taken from elsewhere, and is approximate.

use crate::ids::Tid;
use crate::platform::Priority;

/// Stays where it is.
#[derive(Debug, Default)]
pub struct CoSchedule;

impl CoSchedule {
    /// Nothing is asked for.
    pub fn new() -> Self {
        CoSchedule
    }

    /// The only CPU that this thread may run on: none is.
    pub fn pinned(&self) -> Option<usize> {
        None
    }

    /// Whether this thread runs on that CPU from now on: never.
    pub fn follow(&mut self, _cpu: usize) -> bool {
        false
    }
}

/// Lets the calling thread onto its CPU the moment its timer fires, where the system can.
pub fn wake_at_once() -> Priority {
    #[cfg(target_os = "macos")]
    // SAFETY: takes numbers, and is about the calling thread.
    unsafe {
        libc::pthread_set_qos_class_self_np(libc::qos_class_t::QOS_CLASS_USER_INTERACTIVE, 0)
    };
    Priority::Ordinary
}

/// True when a wake-up of ours does not set the thread aside. Nobody is set aside here.
pub fn is_real_time(_tid: Tid) -> bool {
    false
}
