//! Whether a thread is on the CPU, asked as often as it is sampled.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};

/// What a thread was doing at the moment of the question.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ThreadState {
    /// On a CPU, or ready to be.
    Running,
    /// Waiting in the kernel.
    Idle,
    /// The thread is gone.
    Ended,
}

/// One thread with its /proc file kept open: opening costs more than reading.
#[derive(Debug)]
pub struct ThreadWatch {
    source: Option<(File, Source)>,
    stat: Option<File>,
}

#[derive(Debug, Clone, Copy)]
enum Source {
    /// `task/TID/syscall`: the word "running", or what it waits in. The cheapest.
    Syscall,
    /// `task/TID/stat`: for kernels without the former, or where it is forbidden.
    Stat,
}

impl ThreadWatch {
    /// Opens the thread's files; a thread that is already gone reports [`ThreadState::Ended`].
    pub fn new(pid: i32, tid: i32) -> Self {
        let open = |name: &str, source| {
            let mut file = File::open(format!("/proc/{pid}/task/{tid}/{name}")).ok()?;
            // Permission is checked at the first read, not at open.
            read_again(&mut file, &mut [0; 16])?;
            Some((file, source))
        };
        ThreadWatch {
            source: open("syscall", Source::Syscall).or_else(|| open("stat", Source::Stat)),
            stat: File::open(format!("/proc/{pid}/task/{tid}/stat")).ok(),
        }
    }

    /// The CPU that the thread runs on, or ran on last.
    pub fn cpu(&mut self) -> Option<usize> {
        let mut text = [0u8; 1024];
        let got = read_again(self.stat.as_mut()?, &mut text)?;
        // The name in parentheses may hold anything; the numbers after it are fields 3 and on,
        // and the CPU is field 39 (proc_pid_stat(5)).
        let rest = got.get(memchr::memrchr(b')', got)? + 2..)?;
        let field = rest.split(|b| *b == b' ').nth(39 - 3)?;
        std::str::from_utf8(field).ok()?.parse().ok()
    }

    /// Asks the kernel what the thread is doing.
    pub fn state(&mut self) -> ThreadState {
        let Some((file, source)) = &mut self.source else {
            return ThreadState::Ended;
        };
        let mut text = [0u8; 512];
        let Some(text) = read_again(file, &mut text) else {
            return ThreadState::Ended;
        };
        match source {
            Source::Syscall if text.starts_with(b"running") => ThreadState::Running,
            Source::Syscall => ThreadState::Idle,
            Source::Stat => match memchr::memrchr(b')', text).and_then(|at| text.get(at + 2)) {
                Some(b'R') => ThreadState::Running,
                Some(b'Z' | b'X') | None => ThreadState::Ended,
                Some(_) => ThreadState::Idle,
            },
        }
    }
}

/// The whole file from its start; `None` at an error or when it is empty: the thread is gone.
fn read_again<'t>(file: &mut File, text: &'t mut [u8]) -> Option<&'t [u8]> {
    file.seek(SeekFrom::Start(0)).ok()?;
    let length = file.read(text).ok()?;
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
        let mut watch = ThreadWatch::new(std::process::id() as i32, told.recv().unwrap());
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

    #[test]
    fn a_thread_that_waits_is_idle() {
        let (tell, told) = std::sync::mpsc::channel();
        let (release, wait) = std::sync::mpsc::channel::<()>();
        let thread = std::thread::spawn(move || {
            // SAFETY: gettid has no preconditions.
            tell.send(unsafe { libc::gettid() }).unwrap();
            let _ = wait.recv();
        });
        let tid = told.recv().unwrap();
        let mut watch = ThreadWatch::new(std::process::id() as i32, tid);
        let deadline = std::time::Instant::now() + std::time::Duration::from_secs(20);
        while watch.state() != ThreadState::Idle {
            assert!(std::time::Instant::now() < deadline);
            std::thread::yield_now();
        }
        drop(release);
        thread.join().unwrap();
        while watch.state() != ThreadState::Ended {
            assert!(std::time::Instant::now() < deadline);
            std::thread::yield_now();
        }
    }
}
