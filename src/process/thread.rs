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
    tid: i32,
    source: Option<(File, Source)>,
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
            file.read(&mut [0; 16]).ok()?;
            Some((file, source))
        };
        ThreadWatch {
            tid,
            source: open("syscall", Source::Syscall).or_else(|| open("stat", Source::Stat)),
        }
    }

    /// The kernel's id of the thread.
    pub fn tid(&self) -> i32 {
        self.tid
    }

    /// Asks the kernel.
    pub fn state(&mut self) -> ThreadState {
        let Some((file, source)) = &mut self.source else {
            return ThreadState::Ended;
        };
        let mut text = [0u8; 512];
        let got = file.seek(SeekFrom::Start(0)).and_then(|_| file.read(&mut text));
        let text = match got {
            Ok(n) if n > 0 => text.get(..n).unwrap_or_default(),
            _ => return ThreadState::Ended,
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_thread_that_asks_is_running() {
        let pid = std::process::id() as i32;
        // SAFETY: gettid has no preconditions.
        let tid = unsafe { libc::gettid() };
        assert_eq!(ThreadWatch::new(pid, tid).state(), ThreadState::Running);
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
