//! Jobs: programs that the system ends when p5-spy does, and what they may use until then.

use super::calls::{done, owned, raw};
use super::sandbox::Limits;
use std::io;
use std::os::windows::io::{AsRawHandle, OwnedHandle};
use std::ptr::null;
use windows_sys::Win32::System::JobObjects::{
    AssignProcessToJobObject, CreateJobObjectW, JOB_OBJECT_LIMIT_ACTIVE_PROCESS,
    JOB_OBJECT_LIMIT_DIE_ON_UNHANDLED_EXCEPTION, JOB_OBJECT_LIMIT_KILL_ON_JOB_CLOSE,
    JOB_OBJECT_LIMIT_PROCESS_MEMORY, JOB_OBJECT_LIMIT_PROCESS_TIME,
    JOBOBJECT_EXTENDED_LIMIT_INFORMATION, JobObjectExtendedLimitInformation,
    SetInformationJobObject, TerminateJobObject,
};

/// What is in it ends when it is dropped, which the system does for a p5-spy that was killed.
#[derive(Debug)]
pub(super) struct JobObject(OwnedHandle);

impl JobObject {
    /// An empty one.
    ///
    /// # Errors
    /// When the system makes no job.
    pub(super) fn new() -> io::Result<Self> {
        // SAFETY: no attributes and no name are allowed.
        let job = JobObject(owned(unsafe { CreateJobObjectW(null(), null()) })?);
        job.limit(JOBOBJECT_EXTENDED_LIMIT_INFORMATION::default(), KEPT)?;
        Ok(job)
    }

    /// Each program in it may use so much; with `alone` the first one may start no others.
    ///
    /// # Errors
    /// When the system makes no job, or none with these limits.
    pub(super) fn limited(limits: Limits, alone: bool) -> io::Result<Self> {
        /// The system's unit of time is 100 ns.
        const SECOND: u64 = 10_000_000;
        let job = Self::new()?;
        let mut all = JOBOBJECT_EXTENDED_LIMIT_INFORMATION {
            ProcessMemoryLimit: usize::try_from(limits.memory).unwrap_or(usize::MAX),
            ..Default::default()
        };
        let basic = &mut all.BasicLimitInformation;
        basic.PerProcessUserTimeLimit =
            i64::try_from(limits.cpu.saturating_mul(SECOND)).unwrap_or(i64::MAX);
        basic.ActiveProcessLimit = 1;
        let mut flags = KEPT
            | JOB_OBJECT_LIMIT_DIE_ON_UNHANDLED_EXCEPTION
            | JOB_OBJECT_LIMIT_PROCESS_MEMORY
            | JOB_OBJECT_LIMIT_PROCESS_TIME;
        if alone {
            flags |= JOB_OBJECT_LIMIT_ACTIVE_PROCESS;
        }
        job.limit(all, flags)?;
        Ok(job)
    }

    /// Puts a process into it, with all that it starts from now on.
    ///
    /// # Errors
    /// When the process has ended, or is in a job that this one cannot be put into (before Windows 8).
    pub(super) fn take(&self, process: &impl AsRawHandle) -> io::Result<()> {
        // SAFETY: both handles are open.
        done(unsafe { AssignProcessToJobObject(raw(&self.0), raw(process)) })
    }

    /// What is in it goes on when it is dropped.
    ///
    /// # Errors
    /// When the system does not lift the limit.
    pub(super) fn let_go(&self) -> io::Result<()> {
        self.limit(JOBOBJECT_EXTENDED_LIMIT_INFORMATION::default(), 0)
    }

    /// Ends all that is in it, with this exit code. That all have ended is no error.
    pub(super) fn end(&self, code: u32) {
        // SAFETY: the handle is open.
        let _ = unsafe { TerminateJobObject(raw(&self.0), code) };
    }

    fn limit(
        &self,
        mut limits: JOBOBJECT_EXTENDED_LIMIT_INFORMATION,
        flags: u32,
    ) -> io::Result<()> {
        limits.BasicLimitInformation.LimitFlags = flags;
        let size = size_of::<JOBOBJECT_EXTENDED_LIMIT_INFORMATION>() as u32;
        // SAFETY: the handle is open, and the structure is as long as is said.
        done(unsafe {
            SetInformationJobObject(
                raw(&self.0),
                JobObjectExtendedLimitInformation,
                (&raw const limits).cast(),
                size,
            )
        })
    }
}

/// As long as somebody holds the job.
const KEPT: u32 = JOB_OBJECT_LIMIT_KILL_ON_JOB_CLOSE;
