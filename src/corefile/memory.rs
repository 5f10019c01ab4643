//! The memory of a core file. What was mapped from files and never written to is not in it: that is read from
//! the files, where they are still the same.

use super::files::FilesBehind;
use super::header::CoreFile;
use super::pieces::{KeptMemory, fill};
use crate::memory::{Batch, Memory, ReadError};
use std::sync::Arc;

/// The memory of a process as its core file has it.
pub struct CoreMemory {
    kept: KeptMemory,
    files: Arc<FilesBehind>,
}

impl CoreMemory {
    pub(super) fn of(core: Arc<CoreFile>, files: Arc<FilesBehind>) -> Self {
        CoreMemory {
            kept: KeptMemory::of(core),
            files,
        }
    }

    /// Who could write to memory did: what a file says of that is not true any more.
    fn some(&self, address: u64, buffer: &mut [u8]) -> usize {
        match self.kept.some(address, buffer) {
            0 if self.kept.piece(address).is_some_and(|(p, _)| p.writable) => 0,
            0 => {
                let file = self.files.at(address);
                file.map_or(0, |file| file.read(address, buffer))
            }
            read => read,
        }
    }
}

impl Memory for CoreMemory {
    fn fill(&self, batch: &mut Batch) -> Result<(), ReadError> {
        batch.fill_each(|address, buffer| Ok(fill(address, buffer, |at, rest| self.some(at, rest))))
    }
}
