//! The memory of a live process. The system reads one range by a call, and each call costs, so ranges
//! near each other are read as one.

use super::calls::raw;
use super::handle::process;
use crate::ids::Pid;
use crate::memory::{Batch, Memory, ReadError};
use std::io;
use std::os::windows::io::OwnedHandle;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};
use windows_sys::Win32::Foundation::{
    ERROR_ACCESS_DENIED, ERROR_INVALID_HANDLE, ERROR_INVALID_PARAMETER, ERROR_NOACCESS,
    ERROR_PARTIAL_COPY, WAIT_OBJECT_0,
};
use windows_sys::Win32::System::Diagnostics::Debug::ReadProcessMemory;
use windows_sys::Win32::System::Threading::{
    PROCESS_SYNCHRONIZE, PROCESS_VM_READ, WaitForSingleObject,
};

/// What lies between two ranges is read along if it is less than this: a call costs more.
const NEAR: u64 = 512;
/// No piece that is read by one call becomes longer for the sake of its neighbours.
const LONGEST: u64 = 64 << 10;

/// The memory of the process with this id. It is opened when it is read first, and no other process
/// can have its id until it is dropped.
#[derive(Debug)]
pub struct LiveMemory {
    pid: Pid,
    handle: OnceLock<Result<OwnedHandle, ReadError>>,
    calls: AtomicU64,
}

/// Ranges that are read by one call.
#[derive(Debug, Default)]
struct Piece {
    start: u64,
    end: u64,
    /// Their places in the batch.
    ranges: Vec<usize>,
}

impl LiveMemory {
    /// Reads nothing yet.
    pub fn new(pid: Pid) -> Self {
        LiveMemory {
            pid,
            handle: OnceLock::new(),
            calls: AtomicU64::new(0),
        }
    }

    fn handle(&self) -> Result<&OwnedHandle, ReadError> {
        let open =
            || process(self.pid, PROCESS_VM_READ | PROCESS_SYNCHRONIZE).map_err(|e| classify(&e));
        self.handle.get_or_init(open).as_ref().map_err(|e| *e)
    }

    /// Reads one range; false where not all of it is there.
    fn read(&self, handle: &OwnedHandle, at: u64, buffer: &mut [u8]) -> Result<bool, ReadError> {
        if buffer.is_empty() {
            return Ok(true);
        }
        let Ok(place) = usize::try_from(at) else {
            return Ok(false);
        };
        self.calls.fetch_add(1, Ordering::Relaxed);
        let mut got = 0;
        // SAFETY: the handle is open, the buffer is exclusively borrowed and as long as is said; the
        // address is looked up in the other process only.
        let done = unsafe {
            ReadProcessMemory(
                raw(handle),
                std::ptr::without_provenance(place),
                buffer.as_mut_ptr().cast(),
                buffer.len(),
                &mut got,
            )
        };
        if done != 0 && got == buffer.len() {
            return Ok(true);
        }
        let error = io::Error::last_os_error();
        if has_ended(handle) {
            return Err(ReadError::NoSuchProcess);
        }
        match classify(&error) {
            ReadError::NoPermission => Err(ReadError::NoPermission),
            // A place that is not there, and whatever else a single range has.
            _ => Ok(false),
        }
    }

    fn read_piece(
        &self,
        handle: &OwnedHandle,
        batch: &mut Batch,
        piece: &Piece,
    ) -> Result<(), ReadError> {
        let mut one_by_one = |of: &[usize]| {
            for index in of {
                let Some(range) = batch.ranges.get_mut(*index) else {
                    continue;
                };
                let place = range.start..range.start + range.length;
                let buffer = batch.buffer.get_mut(place).unwrap_or_default();
                range.read = self.read(handle, range.address, buffer)?;
            }
            Ok(())
        };
        let [_, _, ..] = piece.ranges.as_slice() else {
            return one_by_one(&piece.ranges);
        };
        let length = usize::try_from(piece.end - piece.start).unwrap_or(0);
        let mut bytes = vec![0; length];
        // What lies between them need not be there.
        if !self.read(handle, piece.start, &mut bytes)? {
            return one_by_one(&piece.ranges);
        }
        for index in &piece.ranges {
            if let Some(range) = batch.ranges.get_mut(*index)
                && let Ok(skip) = usize::try_from(range.address - piece.start)
                && let Some(from) = bytes.get(skip..skip + range.length)
                && let Some(to) = batch
                    .buffer
                    .get_mut(range.start..range.start + range.length)
            {
                to.copy_from_slice(from);
                range.read = true;
            }
        }
        Ok(())
    }
}

/// Ranges that lie near each other, as pieces in the order in which the ranges come. What is asked for
/// twice is to be read twice, with all that stands between in the batch in between: from there on
/// nothing is put to a piece from before.
fn pieces(batch: &Batch) -> Vec<Piece> {
    let ranges = &batch.ranges;
    let mut pieces: Vec<Piece> = Vec::new();
    let mut first = 0;
    for (index, range) in ranges.iter().enumerate() {
        let Some(end) = range.address.checked_add(range.length as u64) else {
            continue;
        };
        let start = range.address;
        let of_this_turn = pieces.get(first..).unwrap_or_default();
        let is_again = of_this_turn.iter().any(|piece| {
            let mut members = piece.ranges.iter().filter_map(|i| ranges.get(*i));
            members.any(|r| start < r.address + r.length as u64 && r.address < end)
        });
        if is_again {
            first = pieces.len();
        }
        let near = pieces
            .get_mut(first..)
            .unwrap_or_default()
            .iter_mut()
            .find(|piece| {
                let joined = piece.end.max(end) - piece.start.min(start);
                let touches = start <= piece.end.saturating_add(NEAR)
                    && piece.start <= end.saturating_add(NEAR);
                touches && joined <= LONGEST
            });
        match near {
            Some(piece) => {
                piece.start = piece.start.min(start);
                piece.end = piece.end.max(end);
                piece.ranges.push(index);
            }
            None => pieces.push(Piece {
                start,
                end,
                ranges: vec![index],
            }),
        }
    }
    pieces
}

fn has_ended(handle: &OwnedHandle) -> bool {
    // SAFETY: the handle is open and may be waited for.
    unsafe { WaitForSingleObject(raw(handle), 0) == WAIT_OBJECT_0 }
}

fn classify(error: &io::Error) -> ReadError {
    let code = error.raw_os_error().unwrap_or(0);
    match u32::try_from(code).unwrap_or(0) {
        ERROR_ACCESS_DENIED => ReadError::NoPermission,
        ERROR_INVALID_PARAMETER | ERROR_INVALID_HANDLE => ReadError::NoSuchProcess,
        ERROR_PARTIAL_COPY | ERROR_NOACCESS => ReadError::Os(code),
        _ => ReadError::Os(code),
    }
}

impl Memory for LiveMemory {
    fn fill(&self, batch: &mut Batch) -> Result<(), ReadError> {
        let handle = self.handle()?;
        for range in &mut batch.ranges {
            range.read = false;
        }
        for piece in pieces(batch) {
            self.read_piece(handle, batch, &piece)?;
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

    #[test]
    fn neighbours_are_one_piece_and_a_second_look_comes_later() {
        let mut batch = Batch::new();
        for (address, length) in [
            (0x1000, 8),
            (0x1010, 8),
            (0x9000, 64),
            (0x20000, 8),
            (0x9000, 64),
            (0x1000, 8),
        ] {
            batch.push(address, length);
        }
        let all: Vec<Vec<usize>> = pieces(&batch).into_iter().map(|p| p.ranges).collect();
        assert_eq!(all, [vec![0, 1], vec![2], vec![3], vec![4], vec![5]]);
        batch.clear();
        batch.push(u64::MAX, 2);
        assert!(pieces(&batch).is_empty());
    }

    #[test]
    fn unmapped_ranges_do_not_hide_their_neighbours() {
        let bytes: Vec<u8> = (0..=255).collect();
        let address = bytes.as_ptr() as u64;
        let memory = LiveMemory::new(Pid::ours());
        let mut batch = Batch::new();
        let first = batch.push(address, 16);
        let bad = batch.push(8, 8);
        let last = batch.push(address + 16, 16);
        memory.fill(&mut batch).unwrap();
        assert_eq!(batch.bytes(first).unwrap(), &bytes[..16]);
        assert!(batch.bytes(bad).is_err());
        assert_eq!(batch.bytes(last).unwrap(), &bytes[16..32]);
        assert_eq!(memory.remote_reads(), 2);
    }
}
