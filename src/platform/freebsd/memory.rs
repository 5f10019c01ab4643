//! A live process on FreeBSD: /proc/PID/mem, which asks for the rights of a debugger and, unlike ptrace,
//! stops nobody.

use crate::ids::Pid;
use crate::memory::{Batch, Memory, ReadError};
use crate::platform::limits::has_room;
use std::fs::File;
use std::os::fd::AsRawFd;
use std::os::unix::fs::FileExt;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};

/// The memory of the process with this id.
#[derive(Debug)]
pub struct LiveMemory {
    pid: Pid,
    calls: AtomicU64,
    /// Kept open where there is room.
    file: OnceLock<File>,
}

/// So many more files must be able to be open: to attach takes some.
const SPARE: u64 = 32;

impl LiveMemory {
    /// Reads nothing yet.
    pub fn new(pid: Pid) -> Self {
        LiveMemory {
            pid,
            calls: AtomicU64::new(0),
            file: OnceLock::new(),
        }
    }

    fn open(&self) -> Result<File, ReadError> {
        let opened = File::open(format!("/proc/{}/mem", self.pid));
        opened.map_err(|e| match e.raw_os_error() {
            // Without procfs nothing is there, whoever it is.
            Some(libc::ENOENT) if !is_mounted() => ReadError::NoPermission,
            errno => classify(errno.unwrap_or(0)),
        })
    }

    fn read_all(&self, file: &File, batch: &mut Batch) -> Result<(), ReadError> {
        batch.fill_each(|address, buffer| {
            loop {
                self.calls.fetch_add(1, Ordering::Relaxed);
                return match file.read_at(buffer, address) {
                    // What comes short ends where nothing is mapped.
                    Ok(got) => Ok(got == buffer.len()),
                    Err(e) if e.kind() == std::io::ErrorKind::Interrupted => continue,
                    Err(e) => match classify(e.raw_os_error().unwrap_or(0)) {
                        ReadError::Os(_) => Ok(false),
                        fatal => Err(fatal),
                    },
                };
            }
        })
    }
}

/// Whether procfs is there.
pub(super) fn is_mounted() -> bool {
    std::path::Path::new("/proc/curproc/mem").exists()
}

fn classify(errno: i32) -> ReadError {
    match errno {
        libc::EPERM | libc::EACCES => ReadError::NoPermission,
        libc::ESRCH | libc::ENOENT => ReadError::NoSuchProcess,
        other => ReadError::Os(other),
    }
}

impl Memory for LiveMemory {
    fn fill(&self, batch: &mut Batch) -> Result<(), ReadError> {
        if let Some(file) = self.file.get() {
            return self.read_all(file, batch);
        }
        let file = self.open()?;
        self.read_all(&file, batch)?;
        if has_room(file.as_raw_fd(), SPARE) {
            self.file.get_or_init(|| file);
        }
        Ok(())
    }

    fn remote_reads(&self) -> u64 {
        self.calls.load(Ordering::Relaxed)
    }
}
