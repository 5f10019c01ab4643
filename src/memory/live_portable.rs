//! A live process where there is no vectored call: one read per range.

use super::{Batch, Memory, ReadError};
use read_process_memory::{CopyAddress, Pid, ProcessHandle};
use std::io::ErrorKind;
use std::sync::atomic::{AtomicU64, Ordering};

/// The memory of the process with this id.
#[derive(Debug)]
pub struct LiveMemory {
    pid: i32,
    calls: AtomicU64,
}

impl LiveMemory {
    /// Reads nothing yet.
    pub fn new(pid: i32) -> Self {
        LiveMemory {
            pid,
            calls: AtomicU64::new(0),
        }
    }
}

impl Memory for LiveMemory {
    fn fill(&self, batch: &mut Batch) -> Result<(), ReadError> {
        let handle = ProcessHandle::try_from(self.pid as Pid).map_err(|e| match e.kind() {
            ErrorKind::PermissionDenied => ReadError::NoPermission,
            ErrorKind::NotFound => ReadError::NoSuchProcess,
            _ => ReadError::Os(e.raw_os_error().unwrap_or(0)),
        })?;
        batch.fill_each(|address, buffer| {
            self.calls.fetch_add(1, Ordering::Relaxed);
            Ok(usize::try_from(address).is_ok_and(|at| handle.copy_address(at, buffer).is_ok()))
        })
    }

    fn remote_reads(&self) -> u64 {
        self.calls.load(Ordering::Relaxed)
    }
}
