//! Single values, strings and arrays, for everything that is not the hot path.

use super::{Abi, Batch, Memory, ReadError};

/// A target's memory together with its ABI.
#[derive(Clone, Copy)]
pub struct Reader<'a> {
    memory: &'a dyn Memory,
    abi: Abi,
}

/// Strings are fetched in pieces of this size, so that one at the end of a mapping is readable.
const PIECE: usize = 256;

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
    /// See [`Memory::fill`].
    pub fn fill(&self, batch: &mut Batch) -> Result<(), ReadError> {
        self.memory.fill(batch)
    }

    /// Exactly `length` bytes.
    ///
    /// # Errors
    /// Any [`ReadError`].
    pub fn bytes(&self, address: u64, length: usize) -> Result<Vec<u8>, ReadError> {
        let mut batch = Batch::new();
        let slot = batch.push(address, length);
        self.memory.fill(&mut batch)?;
        Ok(batch.bytes(slot)?.to_vec())
    }

    /// An unsigned integer of 1 to 8 bytes.
    ///
    /// # Errors
    /// Any [`ReadError`].
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
    /// Any [`ReadError`].
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

    /// Many NUL-terminated strings in two batches; `None` where one cannot be had.
    ///
    /// # Errors
    /// Only those that concern the target as a whole.
    pub fn c_strings(
        &self,
        addresses: &[u64],
        limit: usize,
    ) -> Result<Vec<Option<Vec<u8>>>, ReadError> {
        let mut batch = Batch::new();
        let slots: Vec<_> = addresses
            .iter()
            .map(|a| batch.push(*a, PIECE - (a % PIECE as u64) as usize))
            .collect();
        self.memory.fill(&mut batch)?;
        addresses
            .iter()
            .zip(slots)
            .map(|(address, slot)| {
                let piece = match batch.bytes(slot) {
                    Ok(piece) => piece,
                    Err(_) => return Ok(None),
                };
                if let Some(end) = memchr::memchr(0, piece) {
                    return Ok((end <= limit).then(|| piece.iter().take(end).copied().collect()));
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

#[cfg(test)]
mod tests {
    use super::super::FakeMemory;
    use super::*;

    #[test]
    fn strings_end_at_their_nul_or_fail() {
        let mut memory = FakeMemory::new();
        let mut long = vec![b'x'; 700];
        long[600] = 0;
        memory.map(0x1010, long);
        let reader = Reader::new(
            &memory,
            Abi {
                pointer_size: 8,
                big_endian: false,
            },
        );
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
}
