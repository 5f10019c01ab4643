//! A copy of a thread's stack, taken at one moment, in front of memory that goes on.

use crate::memory::{Batch, Memory, ReadError};

/// The deepest stack that is copied: perl's own is a few thousand bytes, but for recursion in C.
const MOST: usize = 256 << 10;
/// What is read at a time: the end of a stack's mapping may be near.
const PIECE: usize = 16 << 10;

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
        let pieces = (0..MOST).step_by(PIECE);
        let slots: Vec<_> = pieces
            .map(|at| batch.push(sp.wrapping_add(at as u64), PIECE))
            .collect();
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
