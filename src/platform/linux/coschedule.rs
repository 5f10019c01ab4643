//! Co-scheduled reading: run on the CPU that the target thread runs on. When our timer fires, the
//! scheduler sets the target aside to run us, as it would for any other process; while we run
//! there, it cannot. Nothing is asked of the target: only our own thread's affinity changes.

use crate::ids::Tid;
use crate::platform::Priority;
use std::io;
use std::mem::{size_of, zeroed};

/// Moves the calling thread between CPUs, and back to where it may run when dropped.
pub struct CoSchedule {
    original: libc::cpu_set_t,
    pinned: Option<usize>,
    usable: bool,
}

impl CoSchedule {
    /// Not pinned yet.
    pub fn new() -> Self {
        // SAFETY: a cpu_set_t is a plain bit array, for which all zeros is the empty set.
        let mut original: libc::cpu_set_t = unsafe { zeroed() };
        // SAFETY: `original` is a valid place for the result and its size is given.
        let got =
            unsafe { libc::sched_getaffinity(0, size_of::<libc::cpu_set_t>(), &mut original) };
        CoSchedule {
            original,
            pinned: None,
            usable: got == 0,
        }
    }

    /// The only CPU that this thread may run on now, if it is bound to one.
    pub fn pinned(&self) -> Option<usize> {
        self.pinned
    }

    /// Makes sure that this thread runs on that CPU. False where that cannot be had: the CPU is
    /// not ours to use, or affinity is refused.
    pub fn follow(&mut self, cpu: usize) -> bool {
        if !self.usable || cpu >= libc::CPU_SETSIZE as usize {
            return false;
        }
        if self.pinned == Some(cpu) {
            return true;
        }
        // SAFETY: `original` is an initialised set and `cpu` is below its size.
        if !unsafe { libc::CPU_ISSET(cpu, &self.original) } {
            return false;
        }
        // SAFETY: as in `new`.
        let mut only: libc::cpu_set_t = unsafe { zeroed() };
        // SAFETY: `cpu` is below the size of the set.
        unsafe { libc::CPU_SET(cpu, &mut only) };
        self.usable = set(&only).is_ok();
        self.pinned = self.usable.then_some(cpu);
        self.usable
    }
}

impl Default for CoSchedule {
    fn default() -> Self {
        Self::new()
    }
}

impl Drop for CoSchedule {
    fn drop(&mut self) {
        if self.pinned.is_some() {
            // Nothing can be done about a failure, and the thread is about to end anyway.
            let _ = set(&self.original);
        }
    }
}

/// Sets the affinity of the calling thread, never of another.
fn set(cpus: &libc::cpu_set_t) -> io::Result<()> {
    // SAFETY: `cpus` is an initialised set of the size that is given.
    match unsafe { libc::sched_setaffinity(0, size_of::<libc::cpu_set_t>(), cpus) } {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}

/// Lets the calling thread onto its CPU the moment its timer fires. Otherwise the scheduler may
/// wait until the target's turn is over or until a system call of the target gives it occasion:
/// then lines that make system calls get more than their share of the samples. With the right to
/// do so (root, CAP_SYS_NICE) the thread takes the lowest real-time priority: it runs for some
/// microseconds per sample. Otherwise it asks for short turns, which since Linux 6.12 are let in
/// sooner.
pub fn wake_at_once() -> Priority {
    /// The least that the kernel accepts, in nanoseconds.
    const SHORT_TURN: u64 = 100_000;
    // SAFETY: getpriority has no memory effects; 0 is ourselves.
    let nice = unsafe { libc::getpriority(libc::PRIO_PROCESS, 0) };
    let ask = |policy: i32, priority: u32, runtime: u64| {
        let attributes = libc::sched_attr {
            size: size_of::<libc::sched_attr>() as u32,
            sched_policy: policy as u32,
            sched_flags: libc::SCHED_FLAG_RESET_ON_FORK as u64,
            sched_nice: nice,
            sched_priority: priority,
            sched_runtime: runtime,
            sched_deadline: 0,
            sched_period: 0,
        };
        // SAFETY: `attributes` is valid during the call, which reads its `size` bytes.
        unsafe { libc::syscall(libc::SYS_sched_setattr, 0, &attributes, 0) == 0 }
    };
    // Without a real-time priority timers are put together, and fire up to 50 µs late.
    // SAFETY: the call has no memory effects; it changes the calling thread's timers only.
    unsafe { libc::prctl(libc::PR_SET_TIMERSLACK, 1 as libc::c_ulong) };
    if ask(libc::SCHED_FIFO, 1, 0) {
        return Priority::RealTime;
    }
    ask(libc::SCHED_OTHER, 0, SHORT_TURN);
    Priority::Ordinary
}

/// True when the thread has a real-time policy: then a wake-up of ours does not set it aside.
pub fn is_real_time(tid: Tid) -> bool {
    // SAFETY: the call has no memory effects; it only asks about a thread. musl has no function for it.
    let policy =
        unsafe { libc::syscall(libc::SYS_sched_getscheduler, tid.native()) } as libc::c_int;
    [libc::SCHED_FIFO, libc::SCHED_RR].contains(&(policy & 0xff))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_thread_goes_where_it_is_told_and_back() {
        std::thread::spawn(|| {
            let before = CoSchedule::new().original;
            // SAFETY: the set is initialised and indices are below its size.
            let cpus: Vec<usize> = (0..1024)
                .filter(|cpu| unsafe { libc::CPU_ISSET(*cpu, &before) })
                .collect();
            let mut schedule = CoSchedule::new();
            for cpu in &cpus {
                assert!(schedule.follow(*cpu));
                // SAFETY: sched_getcpu has no preconditions.
                assert_eq!(unsafe { libc::sched_getcpu() } as usize, *cpu);
            }
            assert!(!schedule.follow(1023) || cpus.contains(&1023));
            drop(schedule);
            let after = CoSchedule::new().original;
            // SAFETY: both sets are initialised.
            assert!(unsafe { libc::CPU_EQUAL(&before, &after) });
        })
        .join()
        .unwrap();
    }

    #[test]
    fn ordinary_threads_are_not_real_time() {
        assert!(!is_real_time(Tid::from(0)));
    }
}
