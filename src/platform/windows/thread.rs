//! Whether a thread wants a CPU: asked as often as it is sampled. The system counts how often each
//! thread got one. Where it does not (wine), all there is to go by is the thread's CPU time, which
//! grows in steps.

use super::calls::raw;
use super::handle::thread;
use super::system::{OneThread, System};
use super::{BRIEF, clocks};
use crate::ids::{Pid, Tid};
use crate::platform::{Runs, ThreadState};
use std::os::windows::io::OwnedHandle;
use std::time::{Duration, Instant};
use windows_sys::Wdk::System::Threading::{NtQueryInformationThread, ThreadBasicInformation};
use windows_sys::Win32::Foundation::WAIT_OBJECT_0;
use windows_sys::Win32::System::Threading::{
    THREAD_QUERY_INFORMATION, THREAD_SYNCHRONIZE, WaitForSingleObject,
};

/// What NtQueryInformationThread tells of a thread (THREAD_BASIC_INFORMATION, class 0).
#[repr(C)]
#[derive(Default)]
struct Basic {
    exit_status: i32,
    block: u64,
    client: [u64; 2],
    affinity: u64,
    priority: [i32; 2],
}

/// Where the system's own block of a thread is (TEB).
pub(super) fn block(tid: Tid) -> Option<u64> {
    let handle = thread(tid, THREAD_QUERY_INFORMATION).ok()?;
    let (mut about, mut length) = (Basic::default(), 0);
    // SAFETY: the handle is open, and the structure is as long as is said.
    let status = unsafe {
        NtQueryInformationThread(
            raw(&handle),
            ThreadBasicInformation,
            (&raw mut about).cast(),
            size_of::<Basic>() as u32,
            &mut length,
        )
    };
    (status == 0 && about.block != 0).then_some(about.block)
}

/// One thread. Its handle keeps its id from being another's.
#[derive(Debug)]
pub struct ThreadWatch {
    pid: Pid,
    tid: Tid,
    handle: Option<OwnedHandle>,
    /// CPU time as it was when it grew last, and when that was.
    grown: Option<(Duration, Option<Instant>)>,
}

/// CPU time grows in steps of this or less: what has not grown for so long waits.
const STEP: Duration = Duration::from_millis(32);

impl ThreadWatch {
    /// A thread that is already gone reports [`ThreadState::Ended`].
    pub fn new(pid: Pid, tid: Tid) -> Self {
        ThreadWatch {
            pid,
            tid,
            handle: thread(tid, THREAD_SYNCHRONIZE).ok(),
            grown: None,
        }
    }

    /// None: the system does not tell.
    pub fn cpu(&mut self) -> Option<usize> {
        None
    }

    fn one(&self) -> Option<OneThread> {
        let system = System::younger_than(BRIEF);
        system.process(self.pid)?.thread(self.tid).copied()
    }

    /// What the system has counted; `None` where it does not count.
    pub fn runs(&mut self) -> Option<Runs> {
        let one = self.one().filter(|one| one.switches > 0)?;
        Some(Runs {
            time: u64::try_from(one.cpu.as_nanos()).unwrap_or(u64::MAX),
            turns: one.switches.into(),
            waited: 0,
        })
    }

    /// Asks the system what the thread is doing.
    pub fn state(&mut self) -> ThreadState {
        let Some(one) = self.one().filter(|one| !one.is_over() && !self.has_ended()) else {
            return ThreadState::Ended;
        };
        let runs = match one.switches {
            0 => self.is_growing(one.cpu),
            _ => one.wants_cpu(),
        };
        match runs {
            true => ThreadState::Running,
            false => ThreadState::Idle(None),
        }
    }

    fn has_ended(&self) -> bool {
        self.handle.as_ref().is_some_and(|handle| {
            // SAFETY: the handle is open and may be waited for.
            unsafe { WaitForSingleObject(raw(handle), 0) == WAIT_OBJECT_0 }
        })
    }

    /// Its CPU time has grown within the last step. The first look waits for that.
    fn is_growing(&mut self, listed: Duration) -> bool {
        /// Between two looks.
        const PAUSE: Duration = Duration::from_millis(2);
        let time = |watch: &Self| {
            let handle = watch.handle.as_ref();
            handle
                .and_then(|h| clocks::time_of_thread(raw(h)))
                .unwrap_or(listed)
        };
        let Some((before, when)) = self.grown else {
            let (before, began) = (time(self), Instant::now());
            let mut now = before;
            while now == before && began.elapsed() < STEP {
                std::thread::sleep(PAUSE);
                now = time(self);
            }
            self.grown = Some((now, (now != before).then(Instant::now)));
            return now != before;
        };
        let now = time(self);
        if now != before {
            self.grown = Some((now, Some(Instant::now())));
            return true;
        }
        when.is_some_and(|when| when.elapsed() < STEP)
    }
}
