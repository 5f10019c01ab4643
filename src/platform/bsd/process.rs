//! A process, by what the kernel tells of it.

use crate::ids::{Pid, Tid};
use crate::platform::{Glance, Incarnation, Process, ProcessError};
use std::io;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

impl Process {
    /// Checks that there is such a process and that it runs a program.
    ///
    /// # Errors
    /// Every case of [`ProcessError`]: the id is nobody's, a zombie's, the kernel's own, or may not be asked
    /// about.
    pub fn open(pid: Pid) -> Result<Self, ProcessError> {
        let process = Process::by_id(pid);
        let about = process.told()?;
        if about.is_over() {
            return Err(ProcessError::Zombie(pid));
        }
        match about.is_kernels {
            true => Err(ProcessError::KernelThread(pid)),
            false => Ok(process),
        }
    }

    fn told(self) -> Result<super::ProcessInfo, ProcessError> {
        self.about().map_err(|e| self.error("its state", e))
    }

    pub(crate) fn error(self, what: &'static str, source: io::Error) -> ProcessError {
        let pid = self.pid();
        match source.raw_os_error() {
            Some(libc::ESRCH | libc::ENOENT) => ProcessError::NoSuchProcess(pid),
            Some(libc::EPERM | libc::EACCES) => ProcessError::NoPermission(pid),
            _ => ProcessError::Io { pid, what, source },
        }
    }

    /// Looks at a process that has not ended.
    ///
    /// # Errors
    /// [`ProcessError::NoSuchProcess`], [`ProcessError::Zombie`], and others, which do not mean that
    /// it has ended.
    pub fn glance(pid: Pid) -> Result<Glance, ProcessError> {
        let about = Process::by_id(pid).told()?;
        if about.is_over() {
            return Err(ProcessError::Zombie(pid));
        }
        Ok(Glance {
            incarnation: Incarnation {
                began: about.began,
                places: about.program,
            },
            size: about.size,
            parent: about.parent,
        })
    }

    /// The process that started the process `pid`, if that is there.
    pub fn parent_of(pid: Pid) -> Option<Pid> {
        Process::by_id(pid).about().ok().map(|about| about.parent)
    }

    /// True while it is stopped (SIGSTOP, Ctrl-Z), or held by a debugger.
    pub fn is_stopped(self) -> bool {
        self.about().is_ok_and(|about| about.state == b'T')
    }

    /// The same of one of its threads: all are stopped, or none.
    pub fn thread_is_stopped(self, _tid: Tid) -> bool {
        self.is_stopped()
    }

    /// How long ago it was started; a program that it executed since does not count.
    pub fn age(self) -> Option<Duration> {
        let started = self.about().ok()?.started?;
        let now = SystemTime::now().duration_since(UNIX_EPOCH).ok()?;
        Some(now.saturating_sub(started))
    }

    /// True while the process has not ended; a zombie has.
    pub fn is_alive(self) -> bool {
        match self.told() {
            Ok(about) => !about.is_over(),
            Err(e) => !e.is_end(),
        }
    }
}
