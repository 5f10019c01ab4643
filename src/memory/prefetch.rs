//! A memory that fetches with one call what a walk along pointers asked for the last time.

use super::{Batch, Memory, ReadError, Slot, cover};
use crate::hash::OrderedSet;
use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

/// Reads through another memory. The ranges that it starts with come with one call; whatever else
/// is asked for is read when it is asked for. All that is read is kept, so that one answer never
/// contradicts another.
pub struct Prefetched<'a> {
    below: &'a dyn Memory,
    state: Mutex<PrefetchState>,
}

#[derive(Default)]
struct PrefetchState {
    /// Where the longest range is held that begins at an address.
    held: BTreeMap<u64, HeldRange>,
    /// What was read, in the order of the questions.
    asked: OrderedSet<(u64, usize)>,
    batches: Vec<Batch>,
}

#[derive(Clone, Copy)]
struct HeldRange {
    length: usize,
    batch: usize,
    slot: Slot,
}

impl<'a> Prefetched<'a> {
    /// Fetches these ranges. One that cannot be read is as if it had not been named.
    ///
    /// # Errors
    /// As [`Memory::fill`]: when nothing of the target can be read.
    pub fn new(below: &'a dyn Memory, ranges: &[(u64, usize)]) -> Result<Self, ReadError> {
        let mut state = PrefetchState::default();
        if !ranges.is_empty() {
            let mut spans = Vec::new();
            cover(ranges, &mut spans);
            state.fetch(below, &spans)?;
        }
        Ok(Prefetched {
            below,
            state: Mutex::new(state),
        })
    }

    /// The ranges that were asked for, to be fetched in advance the next time.
    pub fn used(&self) -> Vec<(u64, usize)> {
        let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.asked.iter().copied().collect()
    }
}

impl PrefetchState {
    fn fetch(&mut self, below: &dyn Memory, ranges: &[(u64, usize)]) -> Result<(), ReadError> {
        let mut batch = Batch::new();
        let slots: Vec<Slot> = ranges.iter().map(|(a, len)| batch.push(*a, *len)).collect();
        below.fill(&mut batch)?;
        let index = self.batches.len();
        for ((address, length), slot) in ranges.iter().zip(slots) {
            let is_longer = self.held.get(address).is_none_or(|h| h.length < *length);
            if is_longer && batch.bytes(slot).is_ok() {
                let held = HeldRange {
                    length: *length,
                    batch: index,
                    slot,
                };
                self.held.insert(*address, held);
            }
        }
        self.batches.push(batch);
        Ok(())
    }

    /// Copies a range out of one that is held.
    fn copy(&mut self, address: u64, buffer: &mut [u8]) -> bool {
        /// How many ranges that begin in front of it are looked at for one that has it.
        const NEAR: usize = 8;
        let length = buffer.len();
        let found = self.held.range(..=address).rev().take(NEAR);
        let part = found.filter_map(|(start, held)| {
            let offset = usize::try_from(address.checked_sub(*start)?).ok()?;
            let bytes = self.batches.get(held.batch)?.bytes(held.slot).ok()?;
            bytes.get(offset..offset.checked_add(length)?)
        });
        let Some(part) = { part }.next() else {
            return false;
        };
        buffer.copy_from_slice(part);
        self.asked.insert((address, length));
        true
    }
}

impl Memory for Prefetched<'_> {
    fn fill(&self, batch: &mut Batch) -> Result<(), ReadError> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let mut missing = Vec::new();
        batch.fill_each(|address, buffer| {
            let known = state.copy(address, buffer);
            if !known {
                missing.push((address, buffer.len()));
            }
            Ok(known)
        })?;
        if missing.is_empty() {
            return Ok(());
        }
        state.fetch(self.below, &missing)?;
        batch.fill_each(|address, buffer| Ok(state.copy(address, buffer)))
    }

    fn remote_reads(&self) -> u64 {
        self.below.remote_reads()
    }
}

#[cfg(test)]
mod tests {
    use super::super::FakeMemory;
    use super::super::fake::Counting;
    use super::*;

    fn read(memory: &dyn Memory, address: u64, length: usize) -> Result<Vec<u8>, ReadError> {
        let mut batch = Batch::new();
        let slot = batch.push(address, length);
        memory.fill(&mut batch)?;
        batch.bytes(slot).map(<[u8]>::to_vec)
    }

    #[test]
    fn what_was_asked_for_comes_with_one_call_the_next_time() {
        let mut fake = FakeMemory::new();
        fake.map(0x1000, (0..64).collect());
        let below = Counting::new(fake);
        let first = Prefetched::new(&below, &[]).unwrap();
        assert_eq!(read(&first, 0x1008, 4).unwrap(), [8, 9, 10, 11]);
        assert_eq!(read(&first, 0x1020, 8).unwrap()[0], 32);
        // Within what is held, and again: no call.
        assert_eq!(read(&first, 0x1024, 2).unwrap(), [36, 37]);
        assert_eq!(read(&first, 0x1008, 4).unwrap(), [8, 9, 10, 11]);
        assert!(read(&first, 0x9000, 4).is_err());
        assert_eq!(below.calls(), 3);

        let wanted = first.used();
        assert_eq!(wanted, [(0x1008, 4), (0x1020, 8), (0x1024, 2)]);
        let second = Prefetched::new(&below, &wanted).unwrap();
        assert_eq!(read(&second, 0x1020, 8).unwrap()[0], 32);
        assert_eq!(read(&second, 0x1008, 4).unwrap(), [8, 9, 10, 11]);
        assert_eq!(below.calls(), 4);
        // Elsewhere this time: what is not used is not asked for again.
        let third = Prefetched::new(&below, &wanted).unwrap();
        assert_eq!(read(&third, 0x1030, 1).unwrap(), [48]);
        assert_eq!(third.used(), [(0x1030, 1)]);
    }
}
