//! The threads of FreeBSD's libthr, as it lists them for debuggers (thr_symbols.c, libthread_db), and what
//! each keeps under a key.

use crate::ids::Tid;
use crate::memory::{ReadError, Reader};
use std::collections::HashSet;

/// More than any process has.
const MAX_THREADS: usize = 100_000;
/// `specific` is within this of the start of `struct pthread` (thr_private.h).
const WITHIN: usize = 0x800;
/// So many threads may be in the list and nowhere else.
const MOST_UNKNOWN: usize = 16;

/// What the library says of itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Libthr {
    /// Where `_thread_list` is, in the process.
    pub list: u64,
    /// `_thread_off_tid`.
    pub tid: u64,
    /// `_thread_off_next`.
    pub next: u64,
}

impl Libthr {
    /// Where each of these threads keeps its value of a key. The main thread, whose number the kernel
    /// keeps to itself, is the one in the list that is none of the others. It is known by what it keeps
    /// (`main`) where in its structure the values are. `None` where that is not found.
    ///
    /// # Errors
    /// Only those that concern the target as a whole.
    pub fn places(
        &self,
        reader: &Reader<'_>,
        tids: &[Tid],
        key: u64,
        main: u64,
    ) -> Result<Option<Vec<(Tid, u64)>>, ReadError> {
        let Some((first, others)) = tids.split_first() else {
            return Ok(None);
        };
        let all = self.threads(reader)?;
        let (known, unknown): (Vec<_>, Vec<_>) =
            all.into_iter().partition(|(tid, _)| others.contains(tid));
        // One that is being made or unmade may be in the list and nowhere else.
        let found = unknown.iter().take(MOST_UNKNOWN).find_map(|(_, block)| {
            let offset = specific_in(reader, *block, key, main)?;
            Some((*block, offset))
        });
        let Some((block, offset)) = found else {
            return Ok(None);
        };
        let all = [(*first, block)].into_iter().chain(known);
        let places = all.filter_map(|(tid, block)| {
            let array = reader.pointer(block.wrapping_add(offset)).ok()?;
            // A thread that never kept anything has none yet.
            (array != 0).then(|| (tid, place(reader, array, key)))
        });
        Ok(Some(places.collect()))
    }

    /// Id and structure of every thread in the list.
    fn threads(&self, reader: &Reader<'_>) -> Result<Vec<(Tid, u64)>, ReadError> {
        let mut found: Vec<(Tid, u64)> = Vec::new();
        let mut seen = HashSet::new();
        let mut at = reader.pointer(self.list)?;
        while at != 0 && found.len() < MAX_THREADS && seen.insert(at) {
            // It changes while it is followed: what was followed so far is what there is.
            let Ok(tid) = reader.uint(at.wrapping_add(self.tid), 4) else {
                break;
            };
            if let Ok(tid) = u32::try_from(tid) {
                found.push((Tid::from(tid), at));
            }
            match reader.pointer(at.wrapping_add(self.next)) {
                Ok(next) => at = next,
                Err(_) => break,
            }
        }
        Ok(found)
    }
}

/// Where in its structure a thread has the array of its values, by one that is known to be in it; the
/// structure begins with a word or more of something else.
fn specific_in(reader: &Reader<'_>, block: u64, key: u64, value: u64) -> Option<u64> {
    let width = usize::from(reader.abi().pointer_size);
    let mut found = (width..WITHIN).step_by(width).filter_map(|offset| {
        let offset = offset as u64;
        let array = reader.pointer(block.wrapping_add(offset)).ok()?;
        let held = (array != 0).then(|| reader.pointer(place(reader, array, key)).ok())?;
        (held == Some(value)).then_some(offset)
    });
    let one = found.next()?;
    found.next().is_none().then_some(one)
}

/// A value in the array: each has a number with it (`struct pthread_specific_elem`).
fn place(reader: &Reader<'_>, array: u64, key: u64) -> u64 {
    let width = u64::from(reader.abi().pointer_size);
    array.wrapping_add(key.wrapping_mul(2 * width))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::memory::{Abi, FakeMemory};

    const ABI: Abi = Abi {
        pointer_size: 8,
        big_endian: false,
    };
    const LIBTHR: Libthr = Libthr {
        list: 0x1000,
        tid: 0,
        next: 0x38,
    };
    const SPECIFIC: usize = 0x1f8;
    const KEY: u64 = 3;

    fn words(size: usize, all: &[(usize, u64)]) -> Vec<u8> {
        let mut bytes = vec![0; size];
        for (at, word) in all {
            ABI.store(&mut bytes, *at, 8, *word).unwrap();
        }
        bytes
    }

    /// Three threads: one that was made last and runs no Perl yet, one with an interpreter, the main one.
    fn process() -> FakeMemory {
        let mut memory = FakeMemory::new();
        memory.map(0x1000, words(16, &[(0, 0x10_0000)]));
        let thread = |tid: u64, next: u64, specific: u64| {
            words(0x900, &[(0, tid), (0x38, next), (SPECIFIC, specific)])
        };
        memory.map(0x10_0000, thread(100_300, 0x20_0000, 0));
        memory.map(0x20_0000, thread(100_200, 0x30_0000, 0x5000));
        memory.map(0x30_0000, thread(100_100, 0, 0x6000));
        memory.map(0x5000, words(0x1000, &[(0x30, 0x7777_0000)]));
        memory.map(0x6000, words(0x1000, &[(0x30, 0x8888_0000), (0x38, 1)]));
        memory
    }

    fn tids(all: &[u32]) -> Vec<Tid> {
        all.iter().map(|tid| Tid::from(*tid)).collect()
    }

    fn places(memory: &FakeMemory, main: u64) -> Option<Vec<(Tid, u64)>> {
        let reader = Reader::new(memory, ABI);
        // The main thread has the process's number.
        let tids = tids(&[771, 100_200, 100_300]);
        LIBTHR.places(&reader, &tids, KEY, main).unwrap()
    }

    #[test]
    fn values_are_where_the_main_threads_is_found() {
        let found = places(&process(), 0x8888_0000).unwrap();
        let expected = [(771, 0x6030), (100_200, 0x5030)];
        assert_eq!(found, expected.map(|(tid, at)| (Tid::from(tid), at)));
    }

    #[test]
    fn what_could_be_in_two_places_or_is_nowhere_is_not_found() {
        let mut memory = process();
        assert_eq!(places(&memory, 0x9999_0000), None);
        let (start, bytes) = memory.segment_mut(0x30_0000).unwrap();
        assert_eq!(start, 0x30_0000);
        ABI.store(bytes, 0x100, 8, 0x6000).unwrap();
        assert_eq!(places(&memory, 0x8888_0000), None);
    }

    #[test]
    fn a_list_that_leads_nowhere_ends() {
        let mut memory = process();
        let (_, bytes) = memory.segment_mut(0x20_0000).unwrap();
        ABI.store(bytes, 0x38, 8, 0x20_0000).unwrap();
        assert_eq!(places(&memory, 0x8888_0000), None);
        let (_, bytes) = memory.segment_mut(0x20_0000).unwrap();
        ABI.store(bytes, 0x38, 8, 0xdead_0000).unwrap();
        assert_eq!(places(&memory, 0x8888_0000), None);
        // A circle of two has an end, too.
        let (_, bytes) = memory.segment_mut(0x20_0000).unwrap();
        ABI.store(bytes, 0x38, 8, 0x10_0000).unwrap();
        assert_eq!(places(&memory, 0x8888_0000), None);
    }
}
