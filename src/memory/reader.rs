//! Single values, strings and arrays, for everything that is not the hot path.

use super::{Abi, Batch, Memory, ReadError, Slot};

/// A target's memory together with its ABI.
#[derive(Clone, Copy)]
pub struct Reader<'a> {
    memory: &'a dyn Memory,
    abi: Abi,
}

/// Strings are fetched in pieces of this size, so that one at the end of a mapping is readable.
const PIECE: usize = 256;
/// Long ranges are fetched in pieces of this size, which stay in the processor's cache.
const LONG_PIECE: u64 = 64 << 10;
/// Pages are no smaller anywhere: what is in one is mapped whole or not at all.
const PAGE: u64 = 4096;
/// Strings that are so far apart, or less, are fetched as one range.
const NEAR: usize = 512;

impl<'a> Reader<'a> {
    /// Reads through `memory` as a program of this ABI stores things.
    pub fn new(memory: &'a dyn Memory, abi: Abi) -> Self {
        Reader { memory, abi }
    }

    /// The target's pointer size and byte order.
    pub fn abi(&self) -> Abi {
        self.abi
    }

    /// The batches' way, for callers that have many ranges.
    ///
    /// # Errors
    /// As [`Memory::fill`]: when nothing of the target can be read.
    pub fn fill(&self, batch: &mut Batch) -> Result<(), ReadError> {
        self.memory.fill(batch)
    }

    /// Exactly `length` bytes.
    ///
    /// # Errors
    /// Any [`ReadError`]; [`ReadError::BadAddress`] when one of the bytes is not mapped.
    pub fn bytes(&self, address: u64, length: usize) -> Result<Vec<u8>, ReadError> {
        let mut batch = Batch::new();
        let slot = batch.push(address, length);
        self.memory.fill(&mut batch)?;
        Ok(batch.bytes(slot)?.to_vec())
    }

    /// A long range, piece by piece, as long as `look` wants more of it. A piece that is not mapped
    /// is left out. All start where the range starts, or some multiple of 64 KiB behind it.
    ///
    /// # Errors
    /// Only those that concern the target as a whole.
    pub fn pieces(
        &self,
        address: u64,
        length: u64,
        mut look: impl FnMut(u64, &[u8]) -> bool,
    ) -> Result<(), ReadError> {
        let mut batch = Batch::new();
        let mut done = 0;
        while done < length {
            let piece = LONG_PIECE.min(length - done);
            let at = address.wrapping_add(done);
            batch.clear();
            let slot = batch.push(at, piece as usize);
            self.memory.fill(&mut batch)?;
            if let Ok(bytes) = batch.bytes(slot)
                && !look(at, bytes)
            {
                break;
            }
            done += piece;
        }
        Ok(())
    }

    /// An unsigned integer of 1 to 8 bytes.
    ///
    /// # Errors
    /// Any [`ReadError`]; [`ReadError::BadAddress`] also when no integer has that size.
    pub fn uint(&self, address: u64, size: usize) -> Result<u64, ReadError> {
        self.abi
            .uint(&self.bytes(address, size)?, 0, size)
            .ok_or(ReadError::BadAddress {
                address,
                length: size,
            })
    }

    /// A pointer.
    ///
    /// # Errors
    /// Any [`ReadError`]; [`ReadError::BadAddress`] when it is not mapped.
    pub fn pointer(&self, address: u64) -> Result<u64, ReadError> {
        self.uint(address, usize::from(self.abi.pointer_size))
    }

    /// Up to `limit` pointers in a row; fewer when the mapping ends.
    ///
    /// # Errors
    /// Only those that concern the target as a whole.
    pub fn pointers(&self, address: u64, count: usize) -> Result<Vec<u64>, ReadError> {
        let width = usize::from(self.abi.pointer_size);
        let mut batch = Batch::new();
        let whole = batch.push(address, count.saturating_mul(width));
        self.memory.fill(&mut batch)?;
        if let Ok(bytes) = batch.bytes(whole) {
            let values = (0..count).map_while(|i| self.abi.pointer(bytes, i * width));
            return Ok(values.collect());
        }
        batch.clear();
        let slots: Vec<_> = (0..count)
            .map(|i| batch.push(address.wrapping_add((i * width) as u64), width))
            .collect();
        self.memory.fill(&mut batch)?;
        Ok(slots
            .into_iter()
            .map_while(|s| self.abi.pointer(batch.bytes(s).ok()?, 0))
            .collect())
    }

    /// A NUL-terminated string of at most `limit` bytes, without its NUL.
    ///
    /// # Errors
    /// Any [`ReadError`]; [`ReadError::TooLong`] when there is no NUL within `limit`.
    pub fn c_string(&self, address: u64, limit: usize) -> Result<Vec<u8>, ReadError> {
        let mut found = Vec::new();
        let mut at = address;
        while found.len() <= limit {
            // Pieces end on a boundary, so that none reaches into an unmapped page needlessly.
            let room = PIECE - (at % PIECE as u64) as usize;
            let piece = self.bytes(at, room)?;
            if let Some(end) = memchr::memchr(0, &piece) {
                found.extend(piece.iter().take(end));
                if found.len() <= limit {
                    return Ok(found);
                }
                break;
            }
            found.extend(piece);
            at = at.wrapping_add(room as u64);
        }
        Err(ReadError::TooLong { address, limit })
    }

    /// Many NUL-terminated strings; `None` where one cannot be had. Those that lie near each other
    /// are fetched together: the kernel's work is per range, not per byte.
    ///
    /// # Errors
    /// Only those that concern the target as a whole.
    pub fn c_strings(
        &self,
        addresses: &[u64],
        limit: usize,
    ) -> Result<Vec<Option<Vec<u8>>>, ReadError> {
        let mut batch = Batch::new();
        let slots: Vec<(u64, Slot)> = runs(addresses)
            .into_iter()
            .map(|(start, length)| (start, batch.push(start, length)))
            .collect();
        self.memory.fill(&mut batch)?;
        let fetched = |address: u64| {
            let behind = slots.partition_point(|(start, _)| *start <= address);
            let (start, slot) = slots.get(behind.checked_sub(1)?)?;
            let skip = usize::try_from(address - start).ok()?;
            let rest = batch.bytes(*slot).ok()?.get(skip..)?;
            rest.get(..memchr::memchr(0, rest)?)
        };
        addresses
            .iter()
            .map(|address| {
                if let Some(text) = fetched(*address) {
                    return Ok((text.len() <= limit).then(|| text.to_vec()));
                }
                match self.c_string(*address, limit) {
                    Ok(text) => Ok(Some(text)),
                    Err(e @ (ReadError::NoPermission | ReadError::NoSuchProcess)) => Err(e),
                    Err(_) => Ok(None),
                }
            })
            .collect()
    }
}

/// Ranges that most of the strings at these addresses lie in as a whole, in order. None reaches
/// into another page, which may not be mapped.
fn runs(addresses: &[u64]) -> Vec<(u64, usize)> {
    let mut sorted = addresses.to_vec();
    sorted.sort_unstable();
    let mut found: Vec<(u64, usize)> = Vec::new();
    for address in sorted {
        let length = PIECE.min((PAGE - address % PAGE) as usize);
        match found.last_mut() {
            Some((start, room))
                if *start / PAGE == address / PAGE && address - *start <= (*room + NEAR) as u64 =>
            {
                *room = (address - *start) as usize + length;
            }
            _ => found.push((address, length)),
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::super::FakeMemory;
    use super::*;

    fn reader(memory: &FakeMemory) -> Reader<'_> {
        let abi = Abi {
            pointer_size: 8,
            big_endian: false,
        };
        Reader::new(memory, abi)
    }

    #[test]
    fn strings_end_at_their_nul_or_fail() {
        let mut memory = FakeMemory::new();
        let mut long = vec![b'x'; 700];
        long[600] = 0;
        memory.map(0x1010, long);
        let reader = reader(&memory);
        assert_eq!(reader.c_string(0x1010, 1000).unwrap().len(), 600);
        assert_eq!(
            reader.c_string(0x1010, 599),
            Err(ReadError::TooLong {
                address: 0x1010,
                limit: 599
            })
        );
        assert!(matches!(
            reader.c_string(0x9000, 599),
            Err(ReadError::BadAddress { .. })
        ));
        let many = reader
            .c_strings(&[0x1010 + 590, 0x1010, 0x9000], 1000)
            .unwrap();
        assert_eq!(many[0].as_deref(), Some(&[b'x'; 10][..]));
        assert_eq!(many[1].as_ref().unwrap().len(), 600);
        assert_eq!(many[2], None);
    }

    #[test]
    fn long_ranges_come_in_pieces() {
        let mut memory = FakeMemory::new();
        memory.map(0x10000, vec![1; 0x10000]);
        memory.map(0x30000, vec![3; 0x8000]);
        let seen = |most: usize| {
            let mut seen = Vec::new();
            let look = |at: u64, bytes: &[u8]| {
                seen.push((at, bytes.len(), bytes[0]));
                seen.len() < most
            };
            reader(&memory).pieces(0x10000, 0x28000, look).unwrap();
            seen
        };
        let (first, last) = ((0x10000, 0x10000, 1), (0x30000, 0x8000, 3));
        assert_eq!(seen(9), [first, last]);
        assert_eq!(seen(1), [first]);
    }

    #[test]
    fn near_strings_come_as_one_range() {
        let mut memory = FakeMemory::new();
        let mut words = vec![b'a'; 0x1000];
        for end in (15..0x1000).step_by(16) {
            words[end] = 0;
        }
        memory.map(0x20000, words);
        // The second half is not mapped, and hides nothing of the first.
        let starts: Vec<u64> = (0..0x200).map(|i| 0x20000 + 16 * i).collect();
        assert_eq!(runs(&starts).len(), 2);
        let found = reader(&memory).c_strings(&starts, 20).unwrap();
        let (mapped, beyond) = found.split_at(0x100);
        assert!(mapped.iter().all(|t| t.as_deref() == Some(&[b'a'; 15][..])));
        assert!(beyond.iter().all(Option::is_none));
        assert_eq!(reader(&memory).c_strings(&starts[..1], 14).unwrap(), [None]);
    }

    #[test]
    fn pointers_end_where_the_mapping_does() {
        let mut memory = FakeMemory::new();
        memory.map(0x1000, (0..32u64).flat_map(u64::to_le_bytes).collect());
        let found = reader(&memory).pointers(0x1000 + 8, 40).unwrap();
        assert_eq!(found, (1..32).collect::<Vec<_>>());
    }
}
