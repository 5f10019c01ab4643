//! A live process on Linux: one `process_vm_readv` for many ranges.

use crate::ids::Pid;
use crate::memory::{Batch, Memory, ReadError};
use read_process_memory::{CopyAddress, ProcessHandle};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

/// UIO_MAXIOV: more ranges than this need another call.
const MAX_RANGES: usize = 1024;

/// The memory of the process with this id. Reading needs the rights of `ptrace(2)` but never
/// attaches, stops or signals.
#[derive(Debug)]
pub struct LiveMemory {
    pid: Pid,
    calls: AtomicU64,
    /// Cleared when the kernel or a seccomp filter has no process_vm_readv.
    vectored: AtomicBool,
}

impl LiveMemory {
    /// Reads nothing yet.
    pub fn new(pid: Pid) -> Self {
        LiveMemory {
            pid,
            calls: AtomicU64::new(0),
            vectored: AtomicBool::new(true),
        }
    }

    /// Reads ranges `first..` of the batch with one call; returns how many bytes came.
    fn vectored_read(&self, batch: &mut Batch, first: usize) -> Result<(usize, usize), i32> {
        let ranges = batch.ranges.iter().skip(first).take(MAX_RANGES);
        let remote: Vec<libc::iovec> = ranges
            .map(|r| libc::iovec {
                iov_base: r.address as *mut libc::c_void,
                iov_len: r.length,
            })
            .collect();
        let wanted: usize = remote.iter().map(|r| r.iov_len).sum();
        let start = batch.ranges.get(first).map_or(0, |r| r.start);
        let Some(buffer) = batch.buffer.get_mut(start..start + wanted) else {
            return Err(libc::EINVAL);
        };
        let local = libc::iovec {
            iov_base: buffer.as_mut_ptr().cast(),
            iov_len: buffer.len(),
        };
        self.calls.fetch_add(1, Ordering::Relaxed);
        // SAFETY: `local` describes `buffer`, which is exclusively borrowed during the call, and
        // `remote` is only interpreted in the address space of the other process.
        let got = unsafe {
            libc::process_vm_readv(
                self.pid.native(),
                &local,
                1,
                remote.as_ptr(),
                remote.len() as libc::c_ulong,
                0,
            )
        };
        match usize::try_from(got) {
            Ok(got) => Ok((got, remote.len())),
            Err(_) => Err(std::io::Error::last_os_error().raw_os_error().unwrap_or(0)),
        }
    }

    fn one_by_one(&self, batch: &mut Batch) -> Result<(), ReadError> {
        let handle =
            ProcessHandle::try_from(self.pid.native()).map_err(|e| whole_process_error(&e))?;
        batch.fill_each(|address, buffer| {
            self.calls.fetch_add(1, Ordering::Relaxed);
            let Ok(at) = usize::try_from(address) else {
                return Ok(false);
            };
            match handle.copy_address(at, buffer) {
                Ok(()) => Ok(true),
                Err(e) => match whole_process_error(&e) {
                    ReadError::Os(_) => Ok(false),
                    fatal => Err(fatal),
                },
            }
        })
    }
}

fn whole_process_error(error: &std::io::Error) -> ReadError {
    classify(error.raw_os_error().unwrap_or(0))
}

fn classify(errno: i32) -> ReadError {
    match errno {
        libc::EPERM | libc::EACCES => ReadError::NoPermission,
        // A process whose memory is already torn down answers ENOENT on /proc.
        libc::ESRCH | libc::ENOENT => ReadError::NoSuchProcess,
        other => ReadError::Os(other),
    }
}

impl Memory for LiveMemory {
    fn fill(&self, batch: &mut Batch) -> Result<(), ReadError> {
        if !self.vectored.load(Ordering::Relaxed) {
            return self.one_by_one(batch);
        }
        for range in &mut batch.ranges {
            range.read = false;
        }
        let mut first = 0;
        while first < batch.ranges.len() {
            let (mut got, asked) = match self.vectored_read(batch, first) {
                Ok(done) => done,
                Err(libc::EFAULT) => (0, MAX_RANGES),
                Err(libc::EINTR) => continue,
                Err(libc::ENOSYS) => {
                    self.vectored.store(false, Ordering::Relaxed);
                    return self.one_by_one(batch);
                }
                Err(errno) => return Err(classify(errno)),
            };
            let mut complete = 0;
            for range in batch.ranges.iter_mut().skip(first).take(asked) {
                if got < range.length {
                    break;
                }
                got -= range.length;
                range.read = true;
                complete += 1;
            }
            // The range that stopped the call stays unread; the ones behind it get their chance.
            let stopped = complete < asked && first + complete < batch.ranges.len();
            first += complete + usize::from(stopped);
        }
        Ok(())
    }

    fn remote_reads(&self) -> u64 {
        self.calls.load(Ordering::Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::memory::Slot;

    #[test]
    fn unmapped_ranges_do_not_hide_their_neighbours() {
        let bytes: Vec<u8> = (0..=255).collect();
        let address = bytes.as_ptr() as u64;
        let memory = LiveMemory::new(Pid::from(std::process::id() as i32));
        let mut batch = Batch::new();
        let first = batch.push(address, 16);
        let bad = batch.push(8, 8);
        let last = batch.push(address + 16, 16);
        memory.fill(&mut batch).unwrap();
        assert_eq!(batch.bytes(first).unwrap(), &bytes[..16]);
        assert_eq!(
            batch.bytes(bad),
            Err(ReadError::BadAddress {
                address: 8,
                length: 8
            })
        );
        assert_eq!(batch.bytes(last).unwrap(), &bytes[16..32]);
        memory.vectored.store(false, Ordering::Relaxed);
        memory.fill(&mut batch).unwrap();
        assert_eq!(batch.bytes(last).unwrap(), &bytes[16..32]);
        assert!(batch.bytes(bad).is_err());
    }

    #[test]
    fn more_ranges_than_one_call_takes() {
        let bytes = vec![7u8; 5000];
        let memory = LiveMemory::new(Pid::from(std::process::id() as i32));
        let mut batch = Batch::new();
        let slots: Vec<Slot> = (0..5000u64)
            .map(|i| batch.push(bytes.as_ptr() as u64 + i, 1))
            .collect();
        memory.fill(&mut batch).unwrap();
        assert!(slots.iter().all(|s| batch.bytes(*s) == Ok(&[7u8][..])));
        assert_eq!(memory.remote_reads(), 5);
    }

    #[test]
    fn a_process_that_is_not_there() {
        let mut batch = Batch::new();
        batch.push(4096, 8);
        let gone = LiveMemory::new(Pid::from(0x3fff_fffe));
        assert_eq!(gone.fill(&mut batch), Err(ReadError::NoSuchProcess));
    }
}
