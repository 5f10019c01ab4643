//! The threads of a C library that links their control blocks in a ring, as musl does (struct pthread,
//! pthread_impl.h): a block begins with its own address, and has those of the one before and the one
//! behind it side by side. What a thread keeps under a key is in an array that its block points to.
//! Where in the block each of these is, is not taken for granted: the ring must close over threads of the
//! process, its first one among them, and the array must have the main interpreter. Threads that are not in
//! it are not the library's, as an emulator's own.

use crate::ids::Tid;
use crate::memory::{ReadError, Reader};
use crate::platform::Mapping;
use std::collections::HashMap;

/// The members that are looked at are within this distance of a block's beginning.
const HEAD: usize = 0x200;
/// A thread's stack is as large as anybody wants, with the block near its end.
const WHOLE: u64 = 512 << 10;
const END: u64 = 64 << 10;
/// More memory is not searched.
const MOST: u64 = 64 << 20;
/// Keys that a process can have (PTHREAD_KEYS_MAX).
const KEYS: u64 = 128;
/// Threads that are followed.
const MANY: usize = 1 << 16;

/// Where in a block its members are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Places {
    /// The address of the block before; behind it that of the next one.
    links: u64,
    /// The kernel's id of the thread.
    tid: u64,
}

/// The blocks of a process's threads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ring {
    places: Places,
    /// By the kernel's id of each thread.
    pub blocks: HashMap<Tid, u64>,
}

/// Where each thread has the value of perl's key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KeyPlace {
    /// In the block: where the array is.
    array: u64,
    /// In the array.
    key: u64,
}

impl Ring {
    /// Searches memory for the ring of these threads, which are all that a process has, the main thread
    /// first.
    pub fn find(reader: &Reader<'_>, maps: &[Mapping], tids: &[Tid]) -> Option<Self> {
        let mut left = MOST;
        for map in maps.iter().filter(|m| m.writable && m.anonymous) {
            let size = map.end.saturating_sub(map.start);
            let length = if size > WHOLE { END } else { size }.min(left);
            left -= length;
            let start = map.end.saturating_sub(length);
            let Ok(bytes) = reader.bytes(start, usize::try_from(length).ok()?) else {
                continue;
            };
            let width = usize::from(reader.abi().pointer_size);
            for offset in (0..bytes.len()).step_by(width) {
                let address = start.wrapping_add(offset as u64);
                if reader.abi().pointer(&bytes, offset) == Some(address)
                    && let Some(ring) = Self::at(reader, address, tids)
                {
                    return Some(ring);
                }
            }
        }
        None
    }

    /// The ring that a block at this address is in, if there is one.
    fn at(reader: &Reader<'_>, block: u64, tids: &[Tid]) -> Option<Self> {
        let width = usize::from(reader.abi().pointer_size);
        let head = reader.bytes(block, HEAD).ok()?;
        let is_tid = |at: &usize| {
            let word = reader.abi().uint(&head, *at, 4);
            word.and_then(|w| u32::try_from(w).ok())
                .is_some_and(|w| tids.contains(&Tid::from(w)))
        };
        for links in (width..6 * width).step_by(width) {
            for tid in (links + 2 * width..HEAD).step_by(4).filter(is_tid) {
                let (links, tid) = (links as u64, tid as u64);
                let blocks = follow(reader, block, Places { links, tid }, tids);
                if let Some(blocks) = blocks {
                    let places = Places { links, tid };
                    return Some(Ring { places, blocks });
                }
            }
        }
        None
    }

    /// The same ring with the threads that there are now, from a block that is still in it.
    pub fn again(&self, reader: &Reader<'_>, tids: &[Tid]) -> Option<Self> {
        let known = tids.iter().filter_map(|tid| self.blocks.get(tid));
        let found = known
            .take(4)
            .find_map(|block| follow(reader, *block, self.places, tids));
        Some(Ring {
            places: self.places,
            blocks: found?,
        })
    }

    /// Where perl's key is: there a thread has the main interpreter. `key` is its number, where that
    /// is known. `None` where there is no such place, or there are several.
    pub fn key_place(&self, reader: &Reader<'_>, key: Option<u64>, main: u64) -> Option<KeyPlace> {
        let width = u64::from(reader.abi().pointer_size);
        let keys = key.map_or(0..KEYS, |key| key..key.saturating_add(1));
        let mut found = Vec::new();
        for block in self.blocks.values() {
            let Ok(head) = reader.bytes(*block, HEAD) else {
                continue;
            };
            for at in (0..HEAD).step_by(width as usize) {
                let array = reader.abi().pointer(&head, at).unwrap_or(0);
                let length = (keys.end - keys.start).saturating_mul(width);
                let start = array.wrapping_add(keys.start.wrapping_mul(width));
                let Ok(values) = reader.bytes(start, usize::try_from(length).ok()?) else {
                    continue;
                };
                let of_main = |index: &u64| {
                    let offset = usize::try_from(index * width).unwrap_or(usize::MAX);
                    reader.abi().pointer(&values, offset) == Some(main)
                };
                let places = (0..keys.end - keys.start).filter(of_main);
                found.extend(places.map(|index| KeyPlace {
                    array: at as u64,
                    key: keys.start + index,
                }));
            }
        }
        found.dedup();
        match found.as_slice() {
            [first, others @ ..] if others.iter().all(|other| other == first) => Some(*first),
            _ => None,
        }
    }
}

impl KeyPlace {
    /// The address of the value that the thread with this block has, 0 where it has none.
    ///
    /// # Errors
    /// Any [`ReadError`] of the block.
    pub fn of(self, reader: &Reader<'_>, block: u64) -> Result<u64, ReadError> {
        let width = u64::from(reader.abi().pointer_size);
        let array = reader.pointer(block.wrapping_add(self.array))?;
        Ok(match array {
            0 => 0,
            array => array.wrapping_add(self.key.wrapping_mul(width)),
        })
    }
}

/// The blocks from this one on, round to it again; `None` unless each is a block, linked both ways, of
/// another of the threads, and the main thread has one.
fn follow(
    reader: &Reader<'_>,
    first: u64,
    places: Places,
    tids: &[Tid],
) -> Option<HashMap<Tid, u64>> {
    let abi = reader.abi();
    let width = u64::from(abi.pointer_size);
    let mut blocks = HashMap::new();
    let (mut at, mut before) = (first, None);
    for _ in 0..MANY {
        let head = reader.bytes(at, HEAD).ok()?;
        let word = |place: u64| abi.pointer(&head, usize::try_from(place).ok()?);
        if word(0)? != at || before.is_some_and(|before| word(places.links) != Some(before)) {
            return None;
        }
        let tid = abi.uint(&head, usize::try_from(places.tid).ok()?, 4)?;
        let tid = Tid::from(u32::try_from(tid).ok()?);
        if !tids.contains(&tid) {
            return None;
        }
        if blocks.insert(tid, at).is_some() {
            return None;
        }
        let next = word(places.links + width)?;
        if next == first {
            let head = reader.bytes(first, HEAD).ok()?;
            let last = abi.pointer(&head, usize::try_from(places.links).ok()?)?;
            let has_main = tids.first().is_some_and(|main| blocks.contains_key(main));
            return (last == at && has_main).then_some(blocks);
        }
        (before, at) = (Some(at), next);
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::memory::{Abi, FakeMemory};

    const ABI: Abi = Abi {
        pointer_size: 8,
        big_endian: false,
    };
    const BLOCKS: [u64; 3] = [0x10000, 0x20000, 0x30000];
    const TIDS: [Tid; 3] = [Tid::new(4711), Tid::new(4712), Tid::new(4713)];
    const MAIN: u64 = 0x5008;

    fn mapping(start: u64) -> Mapping {
        Mapping {
            start,
            end: start + 0x1000,
            file_offset: 0,
            writable: true,
            executable: false,
            anonymous: true,
            heap: false,
        }
    }

    /// Three threads as musl 1.2 has them on x86-64, each with an array of keys; `change` may spoil
    /// a block.
    fn found(change: impl Fn(usize, &mut Vec<u8>)) -> Option<(Ring, Option<KeyPlace>)> {
        found_among(&TIDS, change)
    }

    fn found_among(
        tids: &[Tid],
        change: impl Fn(usize, &mut Vec<u8>),
    ) -> Option<(Ring, Option<KeyPlace>)> {
        let mut memory = FakeMemory::new();
        for (index, block) in BLOCKS.iter().enumerate() {
            let mut bytes = vec![0; 0x1000];
            let put = |bytes: &mut Vec<u8>, at, value| ABI.store(bytes, at, 8, value).unwrap();
            put(&mut bytes, 0, *block);
            put(&mut bytes, 16, BLOCKS[(index + 2) % 3]);
            put(&mut bytes, 24, BLOCKS[(index + 1) % 3]);
            ABI.store(&mut bytes, 48, 4, TIDS[index].number() as u64)
                .unwrap();
            put(&mut bytes, 128, block + 0x400);
            put(
                &mut bytes,
                0x400 + 5 * 8,
                if index == 0 { MAIN } else { 0x6008 },
            );
            change(index, &mut bytes);
            memory.map(*block, bytes);
        }
        let maps = BLOCKS.map(mapping);
        let reader = Reader::new(&memory, ABI);
        let ring = Ring::find(&reader, &maps, tids)?;
        assert_eq!(ring.again(&reader, tids), Some(ring.clone()));
        let place = ring.key_place(&reader, Some(5), MAIN);
        assert_eq!(place, ring.key_place(&reader, None, MAIN));
        Some((ring, place))
    }

    #[test]
    fn the_ring_of_all_threads_is_found_and_their_key_in_it() {
        let (ring, place) = found(|_, _| {}).unwrap();
        assert_eq!(ring.blocks[&TIDS[1]], BLOCKS[1]);
        let expected = KeyPlace { array: 128, key: 5 };
        assert_eq!(place, Some(expected));
    }

    #[test]
    fn an_emulator_has_threads_beside_the_ring() {
        let [main, second, third] = TIDS;
        let all = [main, Tid::new(4714), second, third];
        let (ring, place) = found_among(&all, |_, _| {}).unwrap();
        assert_eq!((ring.blocks.len(), place.is_some()), (3, true));
        // A ring without the main thread is somebody else's.
        assert_eq!(
            found_among(&[Tid::new(4710), main, second, third], |_, _| {}),
            None
        );
        assert_eq!(found_among(&[main, second], |_, _| {}), None);
    }

    #[test]
    fn a_ring_that_does_not_close_is_none() {
        for at in [0, 16, 24, 48] {
            let spoil = |index, bytes: &mut Vec<u8>| {
                if index == 1 {
                    bytes[at..at + 4].fill(0x77);
                }
            };
            assert_eq!(found(spoil), None, "{at}");
        }
    }

    #[test]
    fn a_key_that_could_be_in_two_places_is_in_none() {
        let twice = |index, bytes: &mut Vec<u8>| {
            if index == 0 {
                ABI.store(bytes, 136, 8, BLOCKS[0] + 0x600).unwrap();
                ABI.store(bytes, 0x600 + 5 * 8, 8, MAIN).unwrap();
            }
        };
        assert_eq!(found(twice).unwrap().1, None);
    }
}
