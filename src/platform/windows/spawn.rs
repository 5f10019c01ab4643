//! Programs that p5-spy starts itself. With all that comes of them they are in one job, which ends
//! when p5-spy does.

use super::job::JobObject;
use crate::ids::Pid;
use crate::platform::{SpawnError, Streams};
use std::ffi::OsString;
use std::io;
use std::process::ExitStatus;
use std::time::{Duration, Instant};

/// A program that p5-spy started. Dropping it ends the program, and all that came of it.
#[derive(Debug)]
pub struct Child {
    inner: std::process::Child,
    status: Option<ExitStatus>,
    /// `None` where the system has no job for it: then only the program itself is ended.
    job: Option<JobObject>,
    /// What it left behind may go on.
    is_left: bool,
}

/// What an ended program's exit code is, as for one that a console ends.
const ENDED: u32 = windows_sys::Win32::Foundation::STATUS_CONTROL_C_EXIT as u32;
/// How long a program that is ended is waited for.
const GRACE: Duration = Duration::from_secs(3);

impl Child {
    /// Starts `program` with `arguments`.
    ///
    /// # Errors
    /// [`SpawnError`] with the reason and what to type instead.
    pub fn start(
        program: &OsString,
        arguments: &[OsString],
        streams: Streams,
    ) -> Result<Self, SpawnError> {
        let mut command = streams.command(program, arguments);
        let inner = command.spawn();
        let inner = inner.map_err(|cause| SpawnError::new(program, cause))?;
        Ok(Child {
            // What it starts before it is in the job is not: there is no safe way to start it stopped.
            job: job_of(&inner).ok(),
            inner,
            status: None,
            is_left: false,
        })
    }

    /// Its process id.
    pub fn pid(&self) -> Pid {
        Pid::from(self.inner.id())
    }

    /// Its exit status if it has ended.
    pub fn ended(&mut self) -> Option<ExitStatus> {
        if self.status.is_none() {
            self.status = self.inner.try_wait().ok().flatten();
        }
        self.status
    }

    /// Waits for its end, but not for long. True if it came.
    pub fn ends_within(&mut self, time: Duration) -> bool {
        let deadline = Instant::now() + time;
        while self.ended().is_none() && Instant::now() < deadline {
            std::thread::sleep(Duration::from_millis(2));
        }
        self.ended().is_some()
    }

    /// Passes a request on: the console has sent its own to the program as well, and there are no
    /// others.
    pub fn signal(&mut self, _: i32) {}

    /// Ends it without asking.
    pub fn kill(&mut self) {
        if self.ended().is_none() {
            let _ = self.inner.kill();
        }
    }

    /// Its status when it has ended by itself; what it left behind goes on.
    pub fn leave(mut self) -> Option<ExitStatus> {
        self.is_left = self.ended().is_some();
        if self.is_left
            && let Some(job) = &self.job
        {
            // Where that is refused they end with us.
            let _ = job.let_go();
        }
        self.end()
    }

    /// Ends it and all that came of it: nobody can ask a program of Windows to end.
    pub fn end(&mut self) -> Option<ExitStatus> {
        if self.is_left {
            return self.status;
        }
        match &self.job {
            Some(job) => job.end(ENDED),
            None => self.kill(),
        }
        self.ends_within(GRACE);
        self.is_left = true;
        self.status
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        self.end();
    }
}

fn job_of(child: &std::process::Child) -> io::Result<JobObject> {
    let job = JobObject::new()?;
    job.take(child)?;
    Ok(job)
}

/// What the program gave to ExitProcess; 1 where the system does not tell.
pub fn exit_code(status: ExitStatus) -> i32 {
    status.code().unwrap_or(1)
}
