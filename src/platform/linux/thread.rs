//! Whether a thread is on the CPU, and if not what it waits in: asked as often as it is sampled.

use super::stat::Stat;
use crate::ids::{Pid, Tid};
use crate::platform::limits::has_room;
use crate::platform::{Runs, ThreadState};
use std::fs::File;
use std::os::fd::AsRawFd;
use std::time::Duration;

/// One thread with its /proc files, which are kept open as long as there is room: opening costs more
/// than reading.
#[derive(Debug)]
pub struct ThreadWatch {
    source: Option<(Asked, StateSource)>,
    stat: Asked,
    schedstat: Asked,
}

/// So many more files must be able to be open: to attach takes some.
const SPARE: u64 = 32;
/// A file that is opened when it is read first, as not every thread needs each, and kept open where
/// there is room.
#[derive(Debug)]
struct Asked {
    path: String,
    file: Option<File>,
}

/// Why a file has no answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Silence {
    /// The thread is gone.
    Gone,
    /// Too many files are open.
    Full,
}

impl Asked {
    fn new(path: String) -> Self {
        Asked { path, file: None }
    }

    fn read<'t>(&mut self, text: &'t mut [u8]) -> Result<&'t [u8], Silence> {
        if let Some(file) = &self.file {
            return read_again(file, text).ok_or(Silence::Gone);
        }
        let file = File::open(&self.path).map_err(|e| match e.raw_os_error() {
            Some(libc::EMFILE | libc::ENFILE) => Silence::Full,
            _ => Silence::Gone,
        })?;
        let got = read_again(&file, text).ok_or(Silence::Gone)?;
        if has_room(file.as_raw_fd(), SPARE) {
            self.file = Some(file);
        }
        Ok(got)
    }
}

#[derive(Debug, Clone, Copy)]
enum StateSource {
    /// `task/TID/syscall`: the word "running", or what it waits in. The cheapest.
    Syscall,
    /// `task/TID/stat`: for kernels without the former, or where it is forbidden.
    Stat,
}

impl ThreadWatch {
    /// Opens the thread's files; a thread that is already gone reports [`ThreadState::Ended`].
    pub fn new(pid: Pid, tid: Tid) -> Self {
        let path = |name: &str| format!("/proc/{pid}/task/{tid}/{name}");
        let open = |name: &str, source| {
            let mut file = Asked::new(path(name));
            // Permission is checked at the first read, not at open.
            match file.read(&mut [0; 16]) {
                Err(Silence::Gone) => None,
                _ => Some((file, source)),
            }
        };
        ThreadWatch {
            source: open("syscall", StateSource::Syscall)
                .or_else(|| open("stat", StateSource::Stat)),
            stat: Asked::new(path("stat")),
            schedstat: Asked::new(path("schedstat")),
        }
    }

    /// The CPU that the thread runs on, or ran on last.
    pub fn cpu(&mut self) -> Option<usize> {
        let mut text = [0u8; 1024];
        let got = self.stat.read(&mut text).ok()?;
        /// "processor".
        const CPU: usize = 39;
        Stat::of(got)?.number(CPU)
    }

    /// What the kernel has counted; `None` where it does not count, and where
    /// [`ThreadWatch::state`] cannot tell a thread that waits from one that is about to.
    pub fn runs(&mut self) -> Option<Runs> {
        if !matches!(self.source, Some((_, StateSource::Syscall))) {
            return None;
        }
        let mut text = [0u8; 96];
        runs_of(self.schedstat.read(&mut text).ok()?)
    }

    /// Asks the kernel what the thread is doing.
    pub fn state(&mut self) -> ThreadState {
        let Some((file, source)) = &mut self.source else {
            return ThreadState::Ended;
        };
        let mut text = [0u8; 512];
        let text = match file.read(&mut text) {
            Ok(text) => text,
            Err(Silence::Gone) => return ThreadState::Ended,
            Err(Silence::Full) => return ThreadState::Unknown,
        };
        match source {
            StateSource::Syscall if text.starts_with(b"running") => ThreadState::Running,
            StateSource::Syscall => ThreadState::Idle(number(text)),
            StateSource::Stat => match Stat::of(text) {
                Some(stat) if stat.state() == Some(b'R') => ThreadState::Running,
                Some(stat) if !stat.is_over() => ThreadState::Idle(None),
                _ => ThreadState::Ended,
            },
        }
    }
}

/// Where a thread that waits executes, and its stack pointer (proc_pid_syscall(5)); `None` for one that runs, or
/// that may not be asked.
pub fn resting_place(pid: Pid, tid: Tid) -> Option<(u64, u64)> {
    let mut text = [0u8; 512];
    let mut file = Asked::new(format!("/proc/{pid}/task/{tid}/syscall"));
    place_of(file.read(&mut text).ok()?)
}

/// The last two words of the file; one that runs has but one.
fn place_of(text: &[u8]) -> Option<(u64, u64)> {
    let mut words = std::str::from_utf8(text).ok()?.split_ascii_whitespace();
    let number = |word: &str| u64::from_str_radix(word.strip_prefix("0x")?, 16).ok();
    let (pc, sp) = (words.next_back()?, words.next_back()?);
    Some((number(pc)?, number(sp)?))
}

/// `task/TID/schedstat` (sched-stats.rst): time on the CPU, time waiting for it, turns. A kernel that
/// does not count writes zeros.
pub(crate) fn runs_of(text: &[u8]) -> Option<Runs> {
    let mut words = std::str::from_utf8(text).ok()?.split_ascii_whitespace();
    let time = words.next()?.parse().ok()?;
    let waited = words.next()?.parse().ok()?;
    let turns = words.next()?.parse().ok()?;
    (turns > 0).then_some(Runs {
        time,
        turns,
        waited,
    })
}

/// How long the thread that made this has waited for a CPU.
#[derive(Debug)]
pub struct OwnWait {
    file: Option<File>,
    last: Duration,
}

impl OwnWait {
    /// Of the calling thread.
    pub fn start() -> Self {
        let file = File::open("/proc/thread-self/schedstat").ok();
        let mut wait = OwnWait {
            file,
            last: Duration::ZERO,
        };
        wait.since_last();
        wait
    }

    /// Since the last call; `None` where the kernel does not count.
    pub fn since_last(&mut self) -> Option<Duration> {
        let mut text = [0u8; 96];
        let text = read_again(self.file.as_ref()?, &mut text)?;
        let mut words = std::str::from_utf8(text).ok()?.split_ascii_whitespace();
        let all = Duration::from_nanos(words.nth(1)?.parse().ok()?);
        let before = std::mem::replace(&mut self.last, all);
        // No thread has run that never got a CPU.
        let counts = words.next()? != "0";
        counts.then(|| all.saturating_sub(before))
    }
}

/// The first word of `task/TID/syscall` (proc_pid_syscall(5)): -1 is no system call.
pub(crate) fn number(text: &[u8]) -> Option<u32> {
    let word = text.split(|b| b.is_ascii_whitespace()).next()?;
    std::str::from_utf8(word).ok()?.parse().ok()
}

/// The whole file from its start; `None` at an error or when it is empty: the thread is gone.
fn read_again<'t>(file: &File, text: &'t mut [u8]) -> Option<&'t [u8]> {
    let length = super::text::read_from_start(file, text).ok()?;
    text.get(..length).filter(|t| !t.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_thread_that_computes_is_running() {
        let (tell, told) = std::sync::mpsc::channel();
        let done = std::sync::Arc::new(std::sync::atomic::AtomicBool::new(false));
        let watched = done.clone();
        let thread = std::thread::spawn(move || {
            // SAFETY: gettid has no preconditions.
            tell.send(unsafe { libc::gettid() }).unwrap();
            while !watched.load(std::sync::atomic::Ordering::Relaxed) {
                std::hint::spin_loop();
            }
        });
        let mut watch = ThreadWatch::new(
            Pid::from(std::process::id() as i32),
            Tid::from(told.recv().unwrap()),
        );
        let deadline = std::time::Instant::now() + std::time::Duration::from_secs(20);
        while watch.state() != ThreadState::Running {
            assert!(std::time::Instant::now() < deadline);
        }
        // SAFETY: sysconf has no preconditions.
        let cpus = unsafe { libc::sysconf(libc::_SC_NPROCESSORS_CONF) } as usize;
        assert!(watch.cpu().unwrap() < cpus);
        done.store(true, std::sync::atomic::Ordering::Relaxed);
        thread.join().unwrap();
    }

    /// Watches a thread while it does `work` until it is idle; `release` lets it end.
    fn idle_in(work: impl FnOnce() + Send + 'static, release: impl FnOnce()) -> Option<u32> {
        let (tell, told) = std::sync::mpsc::channel();
        let thread = std::thread::spawn(move || {
            // SAFETY: gettid has no preconditions.
            tell.send(unsafe { libc::gettid() }).unwrap();
            work();
        });
        let mut watch = ThreadWatch::new(
            Pid::from(std::process::id() as i32),
            Tid::from(told.recv().unwrap()),
        );
        let deadline = std::time::Instant::now() + std::time::Duration::from_secs(20);
        let mut last = None;
        // Twice the same: a thread that only just started may wait for something else.
        let found = loop {
            assert!(std::time::Instant::now() < deadline);
            let state = watch.state();
            match state {
                ThreadState::Idle(number) if last == Some(state) => break number,
                _ => last = Some(state),
            }
            std::thread::sleep(std::time::Duration::from_millis(20));
        };
        release();
        thread.join().unwrap();
        while watch.state() != ThreadState::Ended {
            assert!(std::time::Instant::now() < deadline);
            std::thread::yield_now();
        }
        found
    }

    /// What this test program itself was made for.
    fn name(number: Option<u32>) -> &'static str {
        let machine = match std::env::consts::ARCH {
            "x86" => "i386",
            other => other,
        };
        crate::platform::syscall_name(machine, number.unwrap()).unwrap()
    }

    #[test]
    fn a_thread_that_sleeps_is_idle_in_its_system_call() {
        let sleep = || std::thread::sleep(std::time::Duration::from_millis(300));
        let found = name(idle_in(sleep, || ()));
        assert!(found.contains("nanosleep"), "{found}");
    }

    #[test]
    fn a_thread_that_reads_a_pipe_is_idle_in_read() {
        let (mut out, into) = std::io::pipe().unwrap();
        let read = move || {
            let _ = std::io::Read::read(&mut out, &mut [0]);
        };
        assert_eq!(name(idle_in(read, || drop(into))), "read");
    }

    #[test]
    fn what_has_run_has_another_count() {
        let (mut out, mut into) = std::io::pipe().unwrap();
        let (mut answer, mut back) = std::io::pipe().unwrap();
        let (tell, told) = std::sync::mpsc::channel();
        let thread = std::thread::spawn(move || {
            // SAFETY: gettid has no preconditions.
            tell.send(unsafe { libc::gettid() }).unwrap();
            while let Ok(1) = std::io::Read::read(&mut out, &mut [0]) {
                std::io::Write::write_all(&mut back, &[0]).unwrap();
            }
        });
        let mut watch = ThreadWatch::new(
            Pid::from(std::process::id() as i32),
            Tid::from(told.recv().unwrap()),
        );
        let mut at_rest = || {
            let deadline = std::time::Instant::now() + std::time::Duration::from_secs(20);
            loop {
                assert!(std::time::Instant::now() < deadline);
                let runs = watch.runs();
                if let ThreadState::Idle(Some(_)) = watch.state()
                    && watch.runs() == runs
                {
                    break runs;
                }
                std::thread::yield_now();
            }
        };
        let mut last = at_rest();
        for _ in 0..100 {
            assert_eq!(at_rest(), last);
            std::io::Write::write_all(&mut into, &[0]).unwrap();
            std::io::Read::read_exact(&mut answer, &mut [0]).unwrap();
            let now = at_rest();
            assert!(now.is_none() || now != last);
            last = now;
        }
        drop(into);
        thread.join().unwrap();
    }

    #[test]
    fn what_the_kernel_says_is_read_right() {
        assert_eq!(
            number(b"230 0x0 0x0 0x7ffe 0x7ffe 0x0 0x0 0x7ff 0x7fe\n"),
            Some(230)
        );
        assert_eq!(number(b"-1 0x7ffe 0x7fe\n"), None);
        let runs = Runs {
            time: 17,
            turns: 3,
            waited: 4,
        };
        assert_eq!(runs_of(b"17 4 3\n"), Some(runs));
        assert_eq!(runs_of(b"0 0 0\n"), None);
        assert_eq!(runs_of(b"17 4\n"), None);
        assert_eq!(number(b"nonsense\n"), None);
    }
}
