//! Which thread runs which interpreter: thread-specific data, and the list of threads.pm.
//!
//! By thread-specific data, of which each C library keeps its own list: glibc (here: its blocks begin with
//! their own address or are in a list), musl (`ring.rs`), FreeBSD's (`libthr.rs`), Windows
//! (`platform/slots.rs`); macOS tells itself. And threads.pm's own list has perl's thread ids.

pub mod libthr;
pub mod ring;

use crate::ids::Tid;
use crate::memory::{Abi, Batch, ReadError, Reader};
use crate::perl::values::context::PerlView;
use crate::platform::Mapping;
use std::collections::HashMap;

/// A mapping is searched whole up to this size; of a larger one (a thread's stack) only the end,
/// where glibc puts the thread's control block.
const WHOLE: u64 = 512 << 10;
/// How much of the end.
const END: u64 = 64 << 10;
/// Larger mappings are searched in pieces of this size, and no further than that in all.
const PIECE: u64 = 256 << 10;
const MAX_SEARCHED: u64 = 1 << 30;
const PAGE: u64 = 4096;
/// The thread's id is within this distance of its control block (struct pthread, nptl/descr.h).
const TID_WITHIN: usize = 0x400;
/// How much of a thread's control block is read: struct pthread is 2304 bytes in glibc 2.36.
const BLOCK: usize = 0x900;
/// glibc keeps the first 32 keys of a thread in an array of the control block (nptl/descr.h).
const FIRST_BLOCK_KEYS: u64 = 32;

/// What libc says of itself for debuggers: `_thread_db_…` in nptl_db/structs.def. The offset of
/// the array of pointers to blocks of 32 keys, and that of the value within one key's pair.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KeyLayout {
    /// Offset in the control block of the pointers to key blocks.
    pub specific: u64,
    /// Offset of the value in a key's pair of sequence number and value.
    pub data: u64,
}

/// By what glibc's control block of a thread is known (struct pthread, nptl/descr.h).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BlockMark {
    /// It begins with a header that has the block's own address in its first and its third word
    /// (tcbhead_t, where the thread's register points to the block: x86-64, i386, s390x).
    OwnAddress,
    /// The thread's id stands behind 24 words of padding and a node of a list that is linked both
    /// ways (where the register points behind the block: arm64, arm, powerpc, riscv64).
    Listed,
}

/// Words in front of the thread's id, of which the last two are the node (list_t: next, previous).
const LISTED_TID: u64 = 26;

impl BlockMark {
    /// That of the processors of this name, as [`crate::image::Image::machine`] has it.
    pub fn of_machine(machine: Option<&str>) -> Self {
        match machine {
            None | Some("x86_64" | "i386" | "s390x") => BlockMark::OwnAddress,
            Some(_) => BlockMark::Listed,
        }
    }
}

/// The thread control blocks of a process, by the kernel's thread id.
///
/// # Errors
/// Only those that concern the target as a whole.
pub fn control_blocks(
    reader: &Reader<'_>,
    maps: &[Mapping],
    tids: &[Tid],
    mark: BlockMark,
) -> Result<HashMap<Tid, u64>, ReadError> {
    let mut found = HashMap::new();
    let search = BlockSearch { reader, tids, mark };
    // The heap, where only a statically linked program has one, may be large and comes last.
    let anonymous = |heap: bool| {
        let of_kind = move |m: &&Mapping| m.writable && m.anonymous && m.heap == heap;
        maps.iter().filter(of_kind)
    };
    let mut large = Vec::new();
    for map in anonymous(false).chain(anonymous(true)) {
        let start = if map.end - map.start > WHOLE {
            large.push((map.start, map.end - END));
            map.end - END
        } else {
            map.start
        };
        search.range(start, map.end, &mut found);
        if found.len() == tids.len() {
            return Ok(found);
        }
    }
    // Since glibc 2.42 the guard pages between stacks are no mappings of their own, so that many
    // stacks are one: then the blocks are anywhere in it.
    let mut left = MAX_SEARCHED;
    for (start, end) in large {
        let mut at = start;
        while at < end && left > 0 && found.len() < tids.len() {
            let next = (at + PIECE).min(end);
            // A block may lie across the border.
            search.range(at, (next + BLOCK as u64).min(end), &mut found);
            left = left.saturating_sub(next - at);
            at = next;
        }
    }
    Ok(found)
}

struct BlockSearch<'a> {
    reader: &'a Reader<'a>,
    tids: &'a [Tid],
    mark: BlockMark,
}

impl BlockSearch<'_> {
    /// Looks for control blocks in one range; guard pages in it make it unreadable, and then it is
    /// looked at page by page.
    fn range(&self, start: u64, end: u64, found: &mut HashMap<Tid, u64>) {
        let Ok(bytes) = self.reader.bytes(start, end.saturating_sub(start) as usize) else {
            if end - start > PAGE {
                let middle = start + ((end - start) / 2).next_multiple_of(PAGE);
                self.range(start, middle.min(end), found);
                self.range(middle.min(end), end, found);
            }
            return;
        };
        match self.mark {
            BlockMark::OwnAddress => self.by_own_address(start, &bytes, found),
            BlockMark::Listed => self.by_list(start, &bytes, found),
        }
    }

    fn by_own_address(&self, start: u64, bytes: &[u8], found: &mut HashMap<Tid, u64>) {
        let abi = self.reader.abi();
        for offset in (0..bytes.len()).step_by(16) {
            let address = start + offset as u64;
            if is_control_block(abi, bytes, offset, address)
                && let Some(tid) = thread_id(abi, bytes, offset, self.tids)
            {
                found.entry(tid).or_insert(address);
            }
        }
    }

    fn by_list(&self, start: u64, bytes: &[u8], found: &mut HashMap<Tid, u64>) {
        let abi = self.reader.abi();
        let width = usize::from(abi.pointer_size);
        for offset in (0..bytes.len()).step_by(width) {
            let tid = abi.uint(bytes, offset, 4);
            let Some(tid) = tid.and_then(|tid| u32::try_from(tid).ok()).map(Tid::from) else {
                continue;
            };
            let at = start.wrapping_add(offset as u64);
            if self.tids.contains(&tid) && !found.contains_key(&tid) && is_listed(self.reader, at) {
                let before = LISTED_TID.wrapping_mul(width as u64);
                found.insert(tid, at.wrapping_sub(before));
            }
        }
    }
}

/// True if the words in front of a thread's id are a node of a list: the one behind it and the one
/// before it say so as well.
fn is_listed(reader: &Reader<'_>, tid_at: u64) -> bool {
    let width = u64::from(reader.abi().pointer_size);
    let node = tid_at.wrapping_sub(2 * width);
    let link = |of: u64, index: u64| reader.pointer(of.wrapping_add(index * width)).ok();
    let links_back = |neighbour: Option<u64>, index: u64| {
        neighbour.is_some_and(|n| n != 0 && link(n, index) == Some(node))
    };
    links_back(link(node, 0), 1) && links_back(link(node, 1), 0)
}

/// True when the control block of that thread still is where it was.
pub fn is_block_of(reader: &Reader<'_>, block: u64, tid: Tid, mark: BlockMark) -> bool {
    match mark {
        BlockMark::OwnAddress => reader.bytes(block, BLOCK).is_ok_and(|bytes| {
            is_control_block(reader.abi(), &bytes, 0, block)
                && thread_id(reader.abi(), &bytes, 0, &[tid]).is_some()
        }),
        BlockMark::Listed => {
            let width = u64::from(reader.abi().pointer_size);
            let tid_at = block.wrapping_add(LISTED_TID * width);
            let held = reader
                .uint(tid_at, 4)
                .ok()
                .and_then(|t| u32::try_from(t).ok());
            held.map(Tid::from) == Some(tid) && is_listed(reader, tid_at)
        }
    }
}

fn is_control_block(abi: Abi, bytes: &[u8], offset: usize, address: u64) -> bool {
    abi.pointer(bytes, offset) == Some(address)
        && abi.pointer(bytes, offset + 2 * usize::from(abi.pointer_size)) == Some(address)
}

fn thread_id(abi: Abi, bytes: &[u8], offset: usize, tids: &[Tid]) -> Option<Tid> {
    (offset + 0x40..offset + TID_WITHIN)
        .step_by(4)
        .find_map(|at| {
            let value = Tid::from(u32::try_from(abi.uint(bytes, at, 4)?).ok()?);
            tids.contains(&value).then_some(value)
        })
}

/// Perl's key in one thread.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Specific {
    /// The address of its value; `None` where several words could be it.
    pub place: Option<u64>,
    /// The interpreter that the thread runs, if it runs one.
    pub interpreter: Option<u64>,
}

/// Perl's key in the thread with this control block: by the key and what libc says of itself, where
/// both are known, else the only word near the block that `is_interpreter` accepts. `None` where the
/// thread has no such word.
///
/// # Errors
/// Any [`ReadError`] of the block and what it points at.
pub fn specific(
    reader: &Reader<'_>,
    block: u64,
    slot: Option<(u64, KeyLayout)>,
    is_interpreter: &dyn Fn(u64) -> bool,
) -> Result<Option<Specific>, ReadError> {
    let width = u64::from(reader.abi().pointer_size);
    if let Some((key, layout)) = slot {
        let pointers = block.wrapping_add(layout.specific);
        let keys = reader.pointer(pointers.wrapping_add(key / FIRST_BLOCK_KEYS * width))?;
        if keys == 0 {
            return Ok(None);
        }
        let pair = keys.wrapping_add(key % FIRST_BLOCK_KEYS * 2 * width);
        let place = pair.wrapping_add(layout.data);
        let value = reader.pointer(place)?;
        return Ok(Some(Specific {
            place: Some(place),
            interpreter: (value != 0 && is_interpreter(value)).then_some(value),
        }));
    }
    let bytes = reader.bytes(block, BLOCK)?;
    let step = usize::from(reader.abi().pointer_size);
    let words = (0..BLOCK).step_by(step).filter_map(|at| {
        let word = reader.abi().pointer(&bytes, at)?;
        Some((word, block.wrapping_add(at as u64)))
    });
    let accepted: Vec<(u64, u64)> = words
        .filter(|(word, _)| *word != 0 && is_interpreter(*word))
        .collect();
    Ok(match accepted.as_slice() {
        [(word, at)] => Some(Specific {
            place: Some(*at),
            interpreter: Some(*word),
        }),
        [(word, _), others @ ..] if others.iter().all(|(other, _)| other == word) => {
            Some(Specific {
                place: None,
                interpreter: Some(*word),
            })
        }
        _ => None,
    })
}

/// threads.pm keeps its list in `PL_modglobal` under this name and its XS version (threads.xs).
const POOL_KEY: &[u8] = b"threads::_pool";
/// More than any process has.
const MAX_THREADS: usize = 100_000;
/// Words of `struct _ithread` (threads.xs) that are looked at for the interpreter.
const ITHREAD_WORDS: usize = 8;

/// Perl's thread ids by interpreter, from the list of threads.pm: a ring of records that start
/// with the next record and hold the interpreter with the tid behind it. Empty without threads.pm.
pub fn perl_thread_ids(
    view: &PerlView<'_>,
    modglobal: u64,
    interpreters: &[u64],
) -> HashMap<u64, u64> {
    let pool = view.hash_value(modglobal, POOL_KEY);
    match pool.map(|sv| view.integer_value(sv)) {
        Some(Ok(pool)) => ids_in_ring(view, pool, view.abi.pointer_size, interpreters),
        _ => HashMap::new(),
    }
}

/// The same for the threads.pm of 5.8.0 to 5.8.8, which has its list in a variable `threads` of its
/// own, and ids of 32 bits.
pub fn old_perl_thread_ids(
    view: &PerlView<'_>,
    variable: u64,
    interpreters: &[u64],
) -> HashMap<u64, u64> {
    let first = Reader::new(view.memory, view.abi).pointer(variable);
    match first {
        Ok(first) if first != 0 => ids_in_ring(view, first, 4, interpreters),
        _ => HashMap::new(),
    }
}

/// Follows the ring of records from one of them; a tid has `tid_size` bytes.
fn ids_in_ring(
    view: &PerlView<'_>,
    pool: u64,
    tid_size: u8,
    interpreters: &[u64],
) -> HashMap<u64, u64> {
    let mut ids = HashMap::new();
    let reader = Reader::new(view.memory, view.abi);
    let width = usize::from(view.abi.pointer_size);
    // The pool starts with the main thread's record, which is the head of the ring.
    let mut at = pool;
    let mut batch = Batch::new();
    for _ in 0..MAX_THREADS {
        batch.clear();
        let slot = batch.push(at, ITHREAD_WORDS * width);
        if reader.fill(&mut batch).is_err() {
            break;
        }
        let Ok(bytes) = batch.bytes(slot) else { break };
        let word = |i: usize| view.abi.pointer(bytes, i * width);
        let place =
            (1..ITHREAD_WORDS - 1).find(|i| word(*i).is_some_and(|w| interpreters.contains(&w)));
        let tid_at = |i: usize| view.abi.uint(bytes, i * width, usize::from(tid_size));
        if let Some((interpreter, tid)) = place.and_then(|i| Some((word(i)?, tid_at(i + 1)?))) {
            ids.entry(interpreter).or_insert(tid);
        }
        match word(0) {
            Some(next) if next != pool && next != 0 => at = next,
            _ => break,
        }
    }
    ids
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::memory::FakeMemory;

    const ABI: Abi = Abi {
        pointer_size: 8,
        big_endian: false,
    };

    fn value(words: &[(usize, u64)], slot: Option<(u64, KeyLayout)>) -> Option<Specific> {
        let mut block = vec![0; BLOCK];
        for (at, word) in words {
            ABI.store(&mut block, *at, 8, *word).unwrap();
        }
        let mut memory = FakeMemory::new();
        memory.map(0x7000, block);
        let reader = Reader::new(&memory, ABI);
        specific(&reader, 0x7000, slot, &|word| word % 16 == 8).unwrap()
    }

    fn found(place: Option<u64>, interpreter: Option<u64>) -> Option<Specific> {
        Some(Specific { place, interpreter })
    }

    #[test]
    fn without_a_key_the_only_interpreter_near_the_block_is_taken() {
        let others = [(0, 0x7000), (0x10, 0x7000), (0x2d0, 4711)];
        let one = [&others[..], &[(0x318, 0x5008)]].concat();
        assert_eq!(value(&one, None), found(Some(0x7318), Some(0x5008)));
        let again = [&one[..], &[(0x40, 0x5008)]].concat();
        assert_eq!(value(&again, None), found(None, Some(0x5008)));
        let two = [&one[..], &[(0x40, 0x6008)]].concat();
        assert_eq!(value(&two, None), None);
        assert_eq!(value(&others, None), None);
    }

    /// A control block with this id, whose node of the list has these neighbours.
    fn listed(tid: u64, next: u64, previous: u64) -> Vec<u8> {
        let mut block = vec![0; BLOCK];
        for (word, value) in [(24, next), (25, previous), (26, tid)] {
            ABI.store(&mut block, word * 8, 8, value).unwrap();
        }
        block
    }

    #[test]
    fn blocks_in_a_list_are_those_that_their_neighbours_know() {
        const NODE: u64 = 24 * 8;
        let (head, one, two) = (0x9000, 0x7000, 0x1_7000);
        let mut memory = FakeMemory::new();
        memory.map(one, listed(4711, two + NODE, head));
        memory.map(two, listed(4712, head, one + NODE));
        let mut list = vec![0; 16];
        ABI.store(&mut list, 0, 8, one + NODE).unwrap();
        ABI.store(&mut list, 8, 8, two + NODE).unwrap();
        memory.map(head, list);
        // The id of a thread by chance, and in a node that is in no list.
        memory.map(0x2_7000, listed(4713, one + NODE, head));
        let reader = Reader::new(&memory, ABI);
        let map = |start: u64| Mapping {
            start,
            end: start + BLOCK as u64,
            file_offset: 0,
            writable: true,
            executable: false,
            anonymous: true,
            heap: false,
        };
        let maps = [one, two, 0x2_7000].map(map);
        let tids = [4711, 4712, 4713].map(|tid: u32| Tid::from(tid));
        let found = control_blocks(&reader, &maps, &tids, BlockMark::Listed).unwrap();
        assert_eq!(found, HashMap::from([(tids[0], one), (tids[1], two)]));
        assert!(is_block_of(&reader, one, tids[0], BlockMark::Listed));
        assert!(!is_block_of(&reader, one, tids[1], BlockMark::Listed));
        assert!(!is_block_of(&reader, 0x2_7000, tids[2], BlockMark::Listed));
        assert_eq!(BlockMark::of_machine(Some("aarch64")), BlockMark::Listed);
        assert_eq!(BlockMark::of_machine(Some("s390x")), BlockMark::OwnAddress);
    }

    #[test]
    fn with_a_key_its_value_is_taken_whatever_else_is_there() {
        let layout = KeyLayout {
            specific: 0x510,
            data: 8,
        };
        let words = [(0x510, 0x7100), (0x40, 0x6008), (0x138, 0x5008)];
        let with = |key| value(&words, Some((key, layout)));
        assert_eq!(with(3), found(Some(0x7138), Some(0x5008)));
        assert_eq!(with(4), found(Some(0x7148), None));
        assert_eq!(with(32), None);
    }
}
