//! A copy of a thread's stack, taken at one moment, in front of memory that goes on.

use crate::memory::{Batch, Memory, ReadError};

/// The deepest stack that is copied: perl's own is a few thousand bytes, but for recursion in C.
const MOST: u64 = 256 << 10;
/// Pages are at least as large: a mapping ends with one, and what is read at a time must not reach beyond it.
const PAGE: u64 = 4096;

/// The copy, and what lies elsewhere.
pub struct StackCopy<'a> {
    below: &'a dyn Memory,
    start: u64,
    bytes: Vec<u8>,
}

impl<'a> StackCopy<'a> {
    /// Copies from the stack pointer on.
    pub fn take(below: &'a dyn Memory, sp: u64) -> Self {
        let mut batch = Batch::new();
        let mut slots = Vec::new();
        let mut at = sp;
        while let Some(end) = at
            .checked_add(1)
            .and_then(|at| at.checked_next_multiple_of(PAGE))
            && at - sp < MOST
        {
            slots.push(batch.push(at, (end - at) as usize));
            at = end;
        }
        let mut bytes = Vec::new();
        if below.fill(&mut batch).is_ok() {
            for slot in slots {
                match batch.bytes(slot) {
                    Ok(piece) => bytes.extend_from_slice(piece),
                    Err(_) => break,
                }
            }
        }
        StackCopy {
            below,
            start: sp,
            bytes,
        }
    }

    fn copied(&self, address: u64, length: usize) -> Option<&[u8]> {
        let skip = usize::try_from(address.checked_sub(self.start)?).ok()?;
        self.bytes.get(skip..skip.checked_add(length)?)
    }
}

impl Memory for StackCopy<'_> {
    fn fill(&self, batch: &mut Batch) -> Result<(), ReadError> {
        let mut failed = Ok(());
        batch.fill_each(|address, buffer| {
            if let Some(copied) = self.copied(address, buffer.len()) {
                buffer.copy_from_slice(copied);
                return Ok(true);
            }
            let mut one = Batch::new();
            let slot = one.push(address, buffer.len());
            if let Err(e) = self.below.fill(&mut one) {
                failed = Err(e);
            }
            Ok(one.bytes(slot).is_ok_and(|bytes| {
                buffer.copy_from_slice(bytes);
                true
            }))
        })?;
        failed
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::memory::FakeMemory;

    #[test]
    fn the_end_of_a_stack_is_copied_too() {
        let below = |with: u8| {
            let mut memory = FakeMemory::new();
            memory.map(0x7000, vec![with; 0x2000]);
            memory
        };
        let read = |memory: &dyn Memory, at: u64| {
            let mut batch = Batch::new();
            let slot = batch.push(at, 8);
            memory.fill(&mut batch).unwrap();
            batch.bytes(slot).ok().map(<[u8]>::to_vec)
        };
        let (before, after) = (below(1), below(2));
        let mut copy = StackCopy::take(&before, 0x7ff8);
        // From now on the thread runs.
        copy.below = &after;
        assert_eq!(read(&copy, 0x7ff8), Some(vec![1; 8]));
        assert_eq!(read(&copy, 0x7ffc), Some(vec![1; 8]));
        assert_eq!(read(&copy, 0x8ff8), Some(vec![1; 8]));
        assert_eq!(read(&copy, 0x7ff0), Some(vec![2; 8]));
        assert_eq!(read(&copy, 0x9000), None);
        assert!(StackCopy::take(&before, u64::MAX).bytes.is_empty());
    }
}
