//! The pieces of memory that a core file itself has.

use super::header::{CoreFile, CorePiece};
use crate::platform::opened::read_exactly;
use std::sync::Arc;

/// The bytes that a core file itself has.
pub(super) struct KeptMemory {
    core: Arc<CoreFile>,
}

impl KeptMemory {
    pub(super) fn of(core: Arc<CoreFile>) -> Self {
        KeptMemory { core }
    }

    /// The piece that an address is in, and how far it is from the piece's start.
    pub(super) fn piece(&self, address: u64) -> Option<(&CorePiece, u64)> {
        let pieces = &self.core.pieces;
        let behind = pieces.partition_point(|piece| piece.start <= address);
        let piece = pieces.get(behind.checked_sub(1)?)?;
        (address < piece.end).then_some((piece, address - piece.start))
    }

    /// Reads as much as there is of one piece: so many bytes.
    pub(super) fn some(&self, address: u64, buffer: &mut [u8]) -> usize {
        let read = || {
            let (piece, skip) = self.piece(address)?;
            let left = usize::try_from(piece.kept.checked_sub(skip)?).unwrap_or(usize::MAX);
            let length = left.min(buffer.len());
            let buffer = buffer.get_mut(..length).filter(|b| !b.is_empty())?;
            let at = piece.offset.checked_add(skip)?;
            read_exactly(&self.core.file, buffer, at).ok()?;
            Some(length)
        };
        let mut read = read;
        read().unwrap_or(0)
    }

    /// All of a range, which may be of several pieces.
    pub(super) fn read(&self, address: u64, buffer: &mut [u8]) -> bool {
        fill(address, buffer, |at, rest| self.some(at, rest))
    }
}

/// Fills a buffer by what reads some of it at a time.
pub(super) fn fill(
    address: u64,
    buffer: &mut [u8],
    mut some: impl FnMut(u64, &mut [u8]) -> usize,
) -> bool {
    let mut done = 0;
    while let Some(rest) = buffer.get_mut(done..).filter(|rest| !rest.is_empty()) {
        let Some(at) = address.checked_add(done as u64) else {
            return false;
        };
        match some(at, rest) {
            0 => return false,
            more => done += more,
        }
    }
    true
}
