//! The writable memory of the calibrated perl at one of its stops.

use crate::memory::{Abi, Batch, Memory, ReadError};
use crate::platform::Mapping;
use std::borrow::Borrow;
use std::collections::{HashMap, HashSet};
use std::sync::Arc;

/// Addresses from the target may be anything: going on from one never overflows.
pub trait Offset {
    /// The address so many bytes further on.
    fn at(self, by: impl Borrow<u64>) -> u64;
}

impl Offset for u64 {
    fn at(self, by: impl Borrow<u64>) -> u64 {
        self.wrapping_add(*by.borrow())
    }
}

/// A perl that runs our small script has a few megabytes; more is not looked at.
const MAX_BYTES: u64 = 256 << 20;

/// A copy of memory, searched and followed without touching the process again.
pub struct Snapshot {
    abi: Abi,
    /// Start addresses and bytes, lowest first. Those that did not change since the stop before are
    /// the same.
    ranges: Vec<(u64, Arc<[u8]>)>,
}

impl Snapshot {
    /// Copies every mapping that can be written, as far as it is readable; without what an emulator
    /// translates code into, where it has that. `before` is the last one of the same process.
    ///
    /// # Errors
    /// Only those that concern the process as a whole.
    pub fn take(
        memory: &dyn Memory,
        abi: Abi,
        maps: &[Mapping],
        before: Option<&Snapshot>,
    ) -> Result<Self, ReadError> {
        let mut batch = Batch::new();
        let mut total = 0;
        let mut slots = Vec::new();
        // Of a program that wants it so, everything may be executed.
        let is_mixed = maps.iter().any(|m| m.writable && !m.executable);
        let is_data = |m: &&Mapping| m.writable && !(is_mixed && m.executable);
        for map in maps.iter().filter(is_data) {
            let length = map.end.saturating_sub(map.start);
            total += length;
            if total > MAX_BYTES {
                break;
            }
            slots.push((map.start, batch.push(map.start, length as usize)));
        }
        memory.fill(&mut batch)?;
        let ranges = slots
            .into_iter()
            .filter_map(|(start, slot)| {
                let bytes = batch.bytes(slot).ok()?;
                let known = before.and_then(|before| before.range(start));
                let known = known.filter(|known| known.as_ref() == bytes);
                Some((start, known.cloned().unwrap_or_else(|| bytes.into())))
            })
            .collect();
        Ok(Snapshot { abi, ranges })
    }

    /// Bytes that it has and the one before has not.
    pub fn size_beside(&self, before: Option<&Snapshot>) -> u64 {
        let is_new = |(start, bytes): &&(u64, Arc<[u8]>)| {
            let known = before.and_then(|before| before.range(*start));
            !known.is_some_and(|known| Arc::ptr_eq(known, bytes))
        };
        let new = self.ranges.iter().filter(is_new);
        new.map(|(_, bytes)| bytes.len() as u64).sum()
    }

    /// The bytes that begin there.
    fn range(&self, start: u64) -> Option<&Arc<[u8]>> {
        let index = self.ranges.binary_search_by_key(&start, |(at, _)| *at);
        Some(&self.ranges.get(index.ok()?)?.1)
    }

    /// Pointer size in bytes.
    pub fn width(&self) -> u64 {
        u64::from(self.abi.pointer_size)
    }

    /// The most significant byte of a number comes first.
    pub fn is_big_endian(&self) -> bool {
        self.abi.big_endian
    }

    /// Where a number starts of which the lowest half, of so many bytes, is at `place`.
    pub fn twice_as_wide(&self, place: u64, half: u64) -> u64 {
        match self.abi.big_endian {
            true => place.wrapping_sub(half),
            false => place,
        }
    }

    /// Where the word starts that has the 32-bit integer at `place` for its value.
    pub fn word_around(&self, place: u64) -> Option<u64> {
        let start = place - place % self.width();
        (self.word(start)? == self.uint(place, 4)?).then_some(start)
    }

    /// `length` bytes, if all of them were copied.
    pub fn bytes(&self, address: u64, length: usize) -> Option<&[u8]> {
        let index = self.ranges.partition_point(|(start, _)| *start <= address);
        let (start, bytes) = self.ranges.get(index.checked_sub(1)?)?;
        let skip = usize::try_from(address - start).ok()?;
        bytes.get(skip..skip.checked_add(length)?)
    }

    /// The first address of the mapping that `address` is in.
    pub fn start_of(&self, address: u64) -> Option<u64> {
        let index = self.ranges.partition_point(|(start, _)| *start <= address);
        let (start, _) = self.ranges.get(index.checked_sub(1)?)?;
        self.contains(address).then_some(*start)
    }

    /// An unsigned integer.
    pub fn uint(&self, address: u64, size: usize) -> Option<u64> {
        self.abi.uint(self.bytes(address, size)?, 0, size)
    }

    /// A 32-bit two's complement integer.
    pub fn int(&self, address: u64) -> Option<i64> {
        let raw = u32::try_from(self.uint(address, 4)?).ok()?;
        Some(i64::from(raw.cast_signed()))
    }

    /// A pointer.
    pub fn word(&self, address: u64) -> Option<u64> {
        self.uint(address, usize::from(self.abi.pointer_size))
    }

    /// True when `text` and a NUL stand there.
    pub fn has_text(&self, address: u64, text: &str) -> bool {
        self.bytes(address, text.len() + 1)
            .is_some_and(|b| b.split_last() == Some((&0, text.as_bytes())))
    }

    /// Where `text` stands with a NUL behind it.
    pub fn texts(&self, text: &str) -> Vec<u64> {
        let finder = memchr::memmem::Finder::new(text);
        let mut found = Vec::new();
        for (start, bytes) in &self.ranges {
            let places = finder.find_iter(bytes).map(|at| start + at as u64);
            found.extend(places.filter(|at| self.has_text(*at, text)));
        }
        found
    }

    /// Where each of the wanted words stands, aligned.
    pub fn places(&self, wanted: &HashSet<u64>) -> HashMap<u64, Vec<u64>> {
        let mut found: HashMap<u64, Vec<u64>> = HashMap::new();
        self.each_word(|address, word| {
            if wanted.contains(&word) {
                found.entry(word).or_default().push(address);
            }
        });
        found
    }

    /// Calls `visit(address, word)` for every aligned word.
    pub fn each_word(&self, mut visit: impl FnMut(u64, u64)) {
        let width = usize::from(self.abi.pointer_size);
        for (start, bytes) in &self.ranges {
            for (index, chunk) in bytes.chunks_exact(width).enumerate() {
                if let Some(word) = self.abi.uint(chunk, 0, width) {
                    visit(start + (index * width) as u64, word);
                }
            }
        }
    }

    /// Calls `visit(address, value)` for every aligned 32-bit integer.
    pub fn each_int(&self, mut visit: impl FnMut(u64, u64)) {
        for (start, bytes) in &self.ranges {
            for (index, chunk) in bytes.chunks_exact(4).enumerate() {
                if let Some(value) = self.abi.uint(chunk, 0, 4) {
                    visit(start + (index * 4) as u64, value);
                }
            }
        }
    }

    /// True when the address was copied, which means that it can be written.
    pub fn contains(&self, address: u64) -> bool {
        self.bytes(address, 1).is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::memory::FakeMemory;

    fn snapshot(big_endian: bool, bytes: [u8; 8]) -> Snapshot {
        let abi = Abi {
            pointer_size: 8,
            big_endian,
        };
        Snapshot {
            abi,
            ranges: vec![(0x1000, bytes.into())],
        }
    }

    #[test]
    fn what_did_not_change_is_kept_once() {
        let abi = Abi {
            pointer_size: 8,
            big_endian: false,
        };
        let map = |start| Mapping {
            start,
            end: start + 16,
            file_offset: 0,
            writable: true,
            executable: false,
            anonymous: true,
            heap: false,
        };
        let maps = [map(0x1000), map(0x2000)];
        let mut memory = FakeMemory::default();
        memory.map(0x1000, vec![1; 16]);
        memory.map(0x2000, vec![2; 16]);
        let first = Snapshot::take(&memory, abi, &maps, None).unwrap();
        memory.map(0x2000, vec![3; 16]);
        let second = Snapshot::take(&memory, abi, &maps, Some(&first)).unwrap();
        let same = |start| Arc::ptr_eq(first.range(start).unwrap(), second.range(start).unwrap());
        assert!(same(0x1000) && !same(0x2000));
        assert_eq!(first.size_beside(None), 32);
        assert_eq!(second.size_beside(Some(&first)), 16);
        assert_eq!(second.uint(0x2000, 1), Some(3));
        assert_eq!(first.uint(0x2000, 1), Some(2));
    }

    #[test]
    fn a_number_is_found_in_its_word_whichever_byte_comes_first() {
        let big = snapshot(true, [0, 0, 0, 0, 0, 0, 1, 2]);
        assert_eq!(big.word_around(0x1004), Some(0x1000));
        assert_eq!(big.word_around(0x1000), None);
        assert_eq!(big.twice_as_wide(0x1006, 2), 0x1004);
        let little = snapshot(false, [2, 1, 0, 0, 0, 0, 0, 0]);
        assert_eq!(little.word_around(0x1000), Some(0x1000));
        assert_eq!(little.word_around(0x1004), None);
        assert_eq!(little.twice_as_wide(0x1000, 2), 0x1000);
        let two = snapshot(false, [2, 0, 0, 0, 7, 0, 0, 0]);
        assert_eq!(two.word_around(0x1000), None);
    }
}
