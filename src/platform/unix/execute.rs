//! Running a program for p5-spy's own purpose. One that is held runs confined, and by its descriptor:
//! where the system can, no name of it is looked up, by anybody.

use super::orphans::{forget_helper, start_helper};
use crate::ids::Pid;
pub use crate::platform::runnable::Pinned;
use crate::platform::sandbox::{Limits, Owner, confine_program};
use crate::platform::{Listed, become_program};
use std::ffi::{CString, OsStr, OsString};
use std::fs::File;
use std::io;
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

/// The folder in which a program finds its own descriptors.
#[cfg(target_os = "linux")]
const OWN_DESCRIPTORS: &str = "/proc/self/fd";
/// The folder in which a program finds its own descriptors.
#[cfg(not(target_os = "linux"))]
const OWN_DESCRIPTORS: &str = "/dev/fd";

/// The variables by which a perl finds its libraries.
pub const LIBRARIES: &[&str] = &["LD_LIBRARY_PATH", "LD_PRELOAD", "PERL5LIB"];

/// Whether two names are those of one variable of the environment.
pub fn is_same_variable(one: &OsStr, other: &OsStr) -> bool {
    one == other
}

/// The usual form of a path as `canonicalize` has it.
pub fn usual_name(path: &Path) -> PathBuf {
    path.to_owned()
}

/// Why nothing can be run with the rights of a process, and no more: nothing here.
pub fn hindrance(_: &Owner) -> Option<String> {
    None
}

/// A program that runs, with a pipe to it and one from it. Dropped, it is ended.
#[derive(Debug)]
pub struct Execution {
    child: Child,
    /// What it reads.
    pub input: File,
    /// What it writes.
    pub output: File,
}

impl Drop for Execution {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        forget_helper(self.pid());
    }
}

impl Execution {
    /// Runs what our user named, as ourselves; the first of the words is its name for itself.
    ///
    /// # Errors
    /// In words, when the system does not start it.
    pub fn named(
        name: &Path,
        words: &[OsString],
        environment: &[(OsString, OsString)],
        _: Limits,
    ) -> Result<Self, String> {
        let mut command = Command::new(name);
        let variables = environment.iter().map(|(name, value)| (name, value));
        command.args(words.iter().skip(1));
        command.env_clear().envs(variables);
        Self::start(&mut command)
    }

    /// In a process group of its own, which the terminal's signals do not reach.
    fn start(command: &mut Command) -> Result<Self, String> {
        command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .process_group(0);
        let mut child = start_helper(|| command.spawn(), |child| Pid::from(child.id()))
            .map_err(|e| format!("it does not start: {e}"))?;
        let streams = child.stdin.take().zip(child.stdout.take());
        let (input, output) = streams.ok_or("it has no streams")?;
        Ok(Execution {
            child,
            input: OwnedFd::from(input).into(),
            output: OwnedFd::from(output).into(),
        })
    }

    /// Its process id.
    pub fn pid(&self) -> Pid {
        Pid::from(self.child.id())
    }

    /// Whether it waits for something, such as its input; `None` when it has ended.
    pub fn waits(&self) -> Option<bool> {
        Listed::one(self.pid()).map(|listed| listed.state == b'S')
    }
}

impl Pinned {
    /// The word by which a loader finds its program.
    pub fn loaded_word(&self) -> Option<OsString> {
        let loaded = self.loaded.as_ref()?.descriptor().as_raw_fd();
        Some(format!("{OWN_DESCRIPTORS}/{loaded}").into())
    }

    /// Runs it, with these words and variables; the first of the words is its name for itself.
    ///
    /// # Errors
    /// In words, when its confinement is refused, or the system does not start it.
    pub fn execute(
        &self,
        words: &[OsString],
        environment: &[(OsString, OsString)],
        limits: Limits,
    ) -> Result<Execution, String> {
        let mut command = Command::new(&self.name);
        self.run_by(&mut command, limits, words, environment)?;
        Execution::start(&mut command)
    }

    /// Has a command run it, with these words and variables instead of its own.
    ///
    /// # Errors
    /// In words, when one of them has a NUL in it.
    fn run_by(
        &self,
        command: &mut Command,
        limits: Limits,
        words: &[OsString],
        environment: &[(OsString, OsString)],
    ) -> Result<(), String> {
        let words = Strings::of(words.iter().map(|word| word.as_os_str().to_owned()))?;
        let pair = |(name, value): &(OsString, OsString)| {
            let mut pair = name.clone();
            pair.push("=");
            pair.push(value);
            pair
        };
        let environment = Strings::of(environment.iter().map(pair))?;
        let pinned = self.clone();
        let run = move || Err(pinned.run(limits, &words, &environment));
        // SAFETY: the closure runs between fork and exec in a process of a single thread; it makes
        // system calls and takes memory, which the C library keeps usable after a fork.
        unsafe { command.pre_exec(run) };
        Ok(())
    }

    /// Becomes the program; comes back only with an error.
    fn run(&self, limits: Limits, words: &Strings, environment: &Strings) -> io::Error {
        if let Err(e) = confine_program(&self.owner, limits) {
            return e.into();
        }
        if let Some(loaded) = &self.loaded {
            // SAFETY: takes numbers. The loader opens it by its number.
            unsafe { libc::fcntl(loaded.descriptor().as_raw_fd(), libc::F_SETFD, 0) };
        }
        // SAFETY: both lists end with a null pointer and live, as what they point to, during the call.
        unsafe {
            become_program(
                &self.program,
                words.pointers.as_ptr(),
                environment.pointers.as_ptr(),
            )
        }
    }
}

/// Strings as `execve` takes them.
struct Strings {
    /// Into `owned`, with a null pointer behind the last.
    pointers: Vec<*const libc::c_char>,
    _owned: Vec<CString>,
}

// SAFETY: the pointers lead to what the structure owns and never changes.
unsafe impl Send for Strings {}
// SAFETY: the same.
unsafe impl Sync for Strings {}

impl Strings {
    fn of(texts: impl Iterator<Item = OsString>) -> Result<Self, String> {
        let owned = texts.map(|text| CString::new(OsStr::as_bytes(&text)));
        let owned: Vec<CString> = owned
            .collect::<Result<_, _>>()
            .map_err(|_| "one of its words has a NUL in it".to_owned())?;
        let pointers = owned.iter().map(|text| text.as_ptr());
        Ok(Strings {
            pointers: pointers.chain([std::ptr::null()]).collect(),
            _owned: owned,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::platform::Process;
    use std::sync::Arc;

    #[test]
    fn a_program_runs_by_its_descriptor_whatever_its_name_is_by_now() {
        let folder = tempfile::tempdir().unwrap();
        let name = folder.path().join("echo");
        std::fs::copy("/bin/echo", &name).unwrap();
        let started = Command::new(&name).arg("-n").stdout(Stdio::null()).spawn();
        started.unwrap().wait().unwrap();
        let sleeper = folder.path().join("sleep");
        std::fs::copy("/bin/sleep", &sleeper).unwrap();
        let mut sleeping = Command::new(&sleeper).arg("60").spawn().unwrap();
        let process = Process::open(Pid::from(sleeping.id())).unwrap();
        // Until it has become that program it is us.
        while process.executable().unwrap() != sleeper {
            std::thread::yield_now();
        }
        let pinned = Pinned {
            name: "other".into(),
            program: Arc::new(process.pin_program().unwrap()),
            loaded: None,
            owner: Arc::new(Owner::of(process).unwrap()),
        };
        std::fs::remove_file(&sleeper).unwrap();
        std::fs::copy("/bin/false", &sleeper).unwrap();
        let limits = Limits {
            memory: 1 << 30,
            cpu: 5,
        };
        let mut command = Command::new("never looked up");
        let words = ["sleep".into(), "0".into()];
        pinned.run_by(&mut command, limits, &words, &[]).unwrap();
        let status = command.status().unwrap();
        sleeping.kill().unwrap();
        sleeping.wait().unwrap();
        assert!(status.success(), "{status}");
        let bad = pinned.run_by(&mut command, limits, &["a\0b".into()], &[]);
        assert!(bad.is_err());
    }
}
