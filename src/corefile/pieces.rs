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
        let Some((at, left)) = self.place(address) else {
            return 0;
        };
        let length = usize::try_from(left)
            .unwrap_or(usize::MAX)
            .min(buffer.len());
        let read = buffer
            .get_mut(..length)
            .map(|buffer| read_exactly(&self.core.file, buffer, at));
        match read {
            Some(Ok(())) => length,
            _ => 0,
        }
    }

    /// Where in the file an address is, and how many bytes of its piece follow.
    pub(super) fn place(&self, address: u64) -> Option<(u64, u64)> {
        let (piece, skip) = self.piece(address)?;
        let left = piece.kept.checked_sub(skip)?;
        Some((piece.offset.checked_add(skip)?, left))
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
