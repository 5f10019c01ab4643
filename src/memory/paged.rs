//! A memory for walks through many small things that lie near each other: what is near comes along.

use super::{Batch, Memory, ReadError};
use crate::hash::Map;
use std::sync::{Mutex, PoisonError};

/// What is read at once: small enough that it is mapped whole or not at all.
const PIECE: u64 = 1024;

/// Reads another memory in pieces, each once. All that is read is of the time when its piece was.
pub struct Paged<'a> {
    below: &'a dyn Memory,
    /// Pieces that are read at most; whatever lies in others is as if it were not mapped.
    limit: usize,
    pieces: Mutex<Map<u64, Option<Vec<u8>>>>,
}

impl<'a> Paged<'a> {
    /// Nothing read yet; at most `limit` KiB will be.
    pub fn new(below: &'a dyn Memory, limit: usize) -> Self {
        Paged {
            below,
            limit,
            pieces: Mutex::default(),
        }
    }

    /// Reads those of these pieces that are not there, in one call.
    fn fetch(
        &self,
        pieces: &mut Map<u64, Option<Vec<u8>>>,
        wanted: Vec<u64>,
    ) -> Result<(), ReadError> {
        let room = self.limit.saturating_sub(pieces.len());
        let mut batch = Batch::new();
        let slots: Vec<_> = wanted
            .into_iter()
            .take(room)
            .map(|at| (at, batch.push(at, PIECE as usize)))
            .collect();
        if slots.is_empty() {
            return Ok(());
        }
        self.below.fill(&mut batch)?;
        for (at, slot) in slots {
            pieces.insert(at, batch.bytes(slot).ok().map(<[u8]>::to_vec));
        }
        Ok(())
    }
}

/// The pieces that a range lies in; none for one that ends behind the last address.
fn pieces_of(address: u64, length: usize) -> impl Iterator<Item = u64> {
    let last = address.checked_add((length as u64).saturating_sub(1));
    let first = address - address % PIECE;
    (first..=last.unwrap_or(0)).step_by(PIECE as usize)
}

fn copy(pieces: &Map<u64, Option<Vec<u8>>>, address: u64, buffer: &mut [u8]) -> bool {
    let mut at = address;
    let mut rest = buffer;
    while !rest.is_empty() {
        let start = at - at % PIECE;
        let Some(Some(piece)) = pieces.get(&start) else {
            return false;
        };
        let from = piece.get((at - start) as usize..).unwrap_or_default();
        let length = from.len().min(rest.len());
        let (Some(bytes), Some((now, later))) = (
            from.get(..length).filter(|b| !b.is_empty()),
            rest.split_at_mut_checked(length),
        ) else {
            return false;
        };
        now.copy_from_slice(bytes);
        rest = later;
        at = at.wrapping_add(length as u64);
    }
    true
}

impl Memory for Paged<'_> {
    fn fill(&self, batch: &mut Batch) -> Result<(), ReadError> {
        let mut pieces = self.pieces.lock().unwrap_or_else(PoisonError::into_inner);
        let mut missing = Vec::new();
        batch.fill_each(|address, buffer| {
            let needed = pieces_of(address, buffer.len()).take(self.limit.saturating_add(1));
            missing.extend(needed.filter(|piece| !pieces.contains_key(piece)));
            Ok(false)
        })?;
        missing.sort_unstable();
        missing.dedup();
        self.fetch(&mut pieces, missing)?;
        batch.fill_each(|address, buffer| Ok(copy(&pieces, address, buffer)))
    }

    fn remote_reads(&self) -> u64 {
        self.below.remote_reads()
    }
}

#[cfg(test)]
mod tests {
    use super::super::fake::Counting;
    use super::super::{Abi, FakeMemory, Reader};
    use super::*;

    #[test]
    fn what_lies_near_is_read_once() {
        let mut fake = FakeMemory::new();
        fake.map(0x1000, (0..0x1000u32).map(|i| (i / 16) as u8).collect());
        let below = Counting::new(fake);
        let paged = Paged::new(&below, 3);
        let abi = Abi {
            pointer_size: 8,
            big_endian: false,
        };
        let reader = Reader::new(&paged, abi);
        assert_eq!(reader.bytes(0x1010, 2).unwrap(), [1, 1]);
        assert_eq!(reader.bytes(0x1020, 2).unwrap(), [2, 2]);
        assert_eq!(below.calls(), 1);
        // Over the edge of two.
        assert_eq!(reader.bytes(0x13ff, 2).unwrap(), [63, 64]);
        assert_eq!(below.calls(), 2);
        assert!(reader.bytes(0x2000, 1).is_err());
        // The fourth piece is one too many, and so is what no memory has.
        assert!(reader.bytes(0x1800, 1).is_err());
        assert!(reader.bytes(u64::MAX - 1, 8).is_err());
        assert!(reader.bytes(0x1000, 0x1001).is_err());
        assert!(reader.bytes(0x1000, 0).unwrap().is_empty());
    }
}
