//! Programs that p5-spy starts itself: they keep their streams and their exit status, and what
//! p5-spy ends it ends with all that came of it.

use super::orphans::{adopted, descendants, reap};
use crate::ids::Pid;
use crate::platform::{Process, SpawnError, Streams};
use std::ffi::OsString;
use std::io;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::ExitStatus;
use std::time::{Duration, Instant};

/// A program that p5-spy started. Dropping it ends the program, and all that came of it.
#[derive(Debug)]
pub struct Child {
    inner: std::process::Child,
    status: Option<ExitStatus>,
    /// What it left behind may go on.
    is_left: bool,
}

/// How long a program may take to end after SIGTERM before it gets SIGKILL.
const GRACE: Duration = Duration::from_secs(3);

impl Child {
    /// Starts `program` with `arguments`. Must be called from the main thread: the kernel ends
    /// the program when the thread that started it dies.
    ///
    /// # Errors
    /// [`SpawnError`] with the reason and what to type instead.
    pub fn start(
        program: &OsString,
        arguments: &[OsString],
        streams: Streams,
    ) -> Result<Self, SpawnError> {
        let mut command = streams.command(program, arguments);
        let parent = std::process::id() as i32;
        // SAFETY: the closure runs between fork and exec and only makes the system calls
        // prctl (or procctl), signal and getppid, which are async-signal-safe.
        unsafe {
            command.pre_exec(move || {
                end_with_parent();
                super::inherited::ignore_again();
                if libc::getppid() != parent {
                    return Err(io::Error::from_raw_os_error(libc::ESRCH));
                }
                Ok(())
            });
        }
        let inner = command.spawn();
        let inner = inner.map_err(|cause| SpawnError::new(program, cause))?;
        Ok(Child {
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
        reap(self.pid());
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

    /// Sends a signal, unless it has ended.
    pub fn signal(&mut self, signal: i32) {
        if self.ended().is_none() {
            // The id is the program's until we reap it.
            send(self.pid(), signal);
        }
    }

    /// Ends it without asking.
    pub fn kill(&mut self) {
        self.signal(libc::SIGKILL);
    }

    /// Its status when it has ended by itself; what it left behind, a daemon or an agent, goes on.
    pub fn leave(mut self) -> Option<ExitStatus> {
        self.is_left = self.ended().is_some();
        self.end()
    }

    /// Asks it and all that came of it to end (SIGTERM), waits, and insists (SIGKILL).
    pub fn end(&mut self) -> Option<ExitStatus> {
        if self.is_left {
            return self.status;
        }
        // A shell does not pass the request on to what it runs.
        let others = self.others();
        for signal in [libc::SIGTERM, libc::SIGCONT] {
            // SIGCONT: a stopped program would not see the request.
            others.iter().for_each(|pid| send(*pid, signal));
            self.signal(signal);
        }
        let deadline = Instant::now() + GRACE;
        while Instant::now() < deadline && !(self.ended().is_some() && self.others().is_empty()) {
            std::thread::sleep(Duration::from_millis(5));
        }
        // What a process starts while it is being ended is met at the next turn.
        while Instant::now() < deadline + GRACE {
            let others = self.others();
            if self.ended().is_some() && others.is_empty() {
                break;
            }
            others.iter().for_each(|pid| send(*pid, libc::SIGKILL));
            self.signal(libc::SIGKILL);
            std::thread::sleep(Duration::from_millis(1));
        }
        self.is_left = true;
        self.status
    }

    /// What it started and what that started, daemons too, as far as they have not ended.
    fn others(&mut self) -> Vec<Pid> {
        let roots: Vec<Pid> = adopted(self.pid()).chain([self.pid()]).collect();
        let mut others = descendants(&roots);
        others.retain(|pid| *pid != self.pid() && Process::glance(*pid).is_ok());
        others
    }
}

/// From now on the calling process gets SIGTERM when its parent ends, however that ends. macOS has no
/// such thing: there the program outlives a p5-spy that was killed.
fn end_with_parent() {
    #[cfg(target_os = "linux")]
    // SAFETY: takes numbers.
    unsafe {
        libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGTERM)
    };
    #[cfg(target_os = "freebsd")]
    {
        let mut signal = libc::SIGTERM;
        // SAFETY: 0 is the calling process; the number lives during the call.
        unsafe {
            libc::procctl(
                libc::P_PID,
                0,
                libc::PROC_PDEATHSIG_CTL,
                (&raw mut signal).cast(),
            )
        };
    }
}

fn send(pid: Pid, signal: i32) {
    // SAFETY: kill has no memory effects; that the process is gone is no error here.
    unsafe { libc::kill(pid.native(), signal) };
}

impl Drop for Child {
    fn drop(&mut self) {
        self.end();
    }
}

/// The status a shell would report: the exit code, or 128 and the signal's number.
pub fn exit_code(status: ExitStatus) -> i32 {
    status
        .code()
        .or_else(|| status.signal().map(|signal| 128 + signal))
        .unwrap_or(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn start(script: &str) -> Child {
        Child::start(
            &"/bin/sh".into(),
            &["-c".into(), script.into()],
            Streams::default(),
        )
        .unwrap()
    }

    fn wait(child: &mut Child) -> i32 {
        loop {
            if let Some(status) = child.ended() {
                return exit_code(status);
            }
            std::thread::sleep(Duration::from_millis(2));
        }
    }

    #[test]
    fn statuses_are_what_a_shell_reports() {
        assert_eq!(wait(&mut start("exit 7")), 7);
        assert_eq!(wait(&mut start("kill -9 $$")), 137);
    }

    #[test]
    fn nothing_is_left_behind() {
        let child = start("trap '' TERM; while :; do sleep 0.01; done");
        let pid = child.pid();
        drop(child);
        assert!(!Process::by_id(pid).is_alive());
    }

    #[test]
    fn failures_say_what_to_do() {
        let no_such =
            Child::start(&"/nonexistent/perl".into(), &[], Streams::default()).unwrap_err();
        assert!(
            no_such.to_string().contains("is it in your PATH?"),
            "{no_such}"
        );
        let not_executable =
            Child::start(&"/etc/passwd".into(), &[], Streams::default()).unwrap_err();
        assert!(
            not_executable.to_string().contains("p5-spy -- perl"),
            "{not_executable}"
        );
    }
}
