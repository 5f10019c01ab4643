//! A live process on macOS: `mach_vm_read_overwrite`, which copies what is there and stops nobody.

use super::task::Task;
use crate::ids::Pid;
use crate::memory::{Batch, Memory, ReadError};
use crate::platform::is_someones;
use mach2::kern_return::{KERN_INVALID_ADDRESS, KERN_PROTECTION_FAILURE};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

/// The memory of the process with this id.
#[derive(Debug)]
pub struct LiveMemory {
    pid: Pid,
    calls: AtomicU64,
    /// Asked for at the first read, and anew when the process has become another program.
    task: Mutex<Option<Task>>,
}

impl LiveMemory {
    /// Reads nothing yet.
    pub fn new(pid: Pid) -> Self {
        LiveMemory {
            pid,
            calls: AtomicU64::new(0),
            task: Mutex::new(None),
        }
    }

    /// The system says the same of a process that is not there and of one that may not be read.
    fn task(&self) -> Result<Task, ReadError> {
        Task::of(self.pid).map_err(|_| match is_someones(self.pid) {
            true => ReadError::NoPermission,
            false => ReadError::NoSuchProcess,
        })
    }
}

impl Memory for LiveMemory {
    fn fill(&self, batch: &mut Batch) -> Result<(), ReadError> {
        let mut held = self.task.lock().unwrap_or_else(PoisonError::into_inner);
        let mut is_new = held.is_none();
        if is_new {
            *held = Some(self.task()?);
        }
        batch.fill_each(|address, buffer| {
            loop {
                let Some(task) = held.as_ref() else {
                    return Err(ReadError::NoSuchProcess);
                };
                self.calls.fetch_add(1, Ordering::Relaxed);
                match task.read(address, buffer) {
                    Ok(got) => return Ok(got == buffer.len()),
                    Err(KERN_INVALID_ADDRESS | KERN_PROTECTION_FAILURE) => return Ok(false),
                    // A port of what the process was before an exec; or it is no more.
                    Err(_) if !is_new => {
                        *held = None;
                        *held = Some(self.task()?);
                        is_new = true;
                    }
                    Err(_) if is_someones(self.pid) => return Ok(false),
                    Err(_) => return Err(ReadError::NoSuchProcess),
                }
            }
        })
    }

    fn remote_reads(&self) -> u64 {
        self.calls.load(Ordering::Relaxed)
    }
}
