//! Thread-specific data on Windows (TlsAlloc): an array in the block that the system keeps of each thread
//! (TEB), and a second one elsewhere. Where they are is part of what programs may rely on: compilers
//! have it in their code (winternl.h, TlsSlots and TlsExpansionSlots).

use crate::memory::{ReadError, Reader};

/// So many slots are in the block itself.
const FIRST: u64 = 64;
/// So many are elsewhere.
const MORE: u64 = 1024;

/// Where the arrays are in a block: by the size of pointers.
struct Offsets {
    first: u64,
    more: u64,
}

/// Where the value of a key is for the thread of this block. `None` where the thread has no such slot
/// yet.
///
/// # Errors
/// Any [`ReadError`].
pub fn place(reader: &Reader<'_>, block: u64, key: u64) -> Result<Option<u64>, ReadError> {
    let width = u64::from(reader.abi().pointer_size);
    let offsets = match width {
        8 => Offsets {
            first: 0x1480,
            more: 0x1780,
        },
        _ => Offsets {
            first: 0xe10,
            more: 0xf94,
        },
    };
    if key < FIRST {
        return Ok(Some(block.wrapping_add(offsets.first + key * width)));
    }
    let index = key - FIRST;
    if index >= MORE {
        return Ok(None);
    }
    let more = reader.pointer(block.wrapping_add(offsets.more))?;
    Ok((more != 0).then(|| more.wrapping_add(index * width)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::memory::{Abi, FakeMemory};

    #[test]
    fn both_arrays_are_found() {
        let mut memory = FakeMemory::default();
        memory.map(0x10_0000, vec![0; 0x2000]);
        let abi = Abi {
            pointer_size: 8,
            big_endian: false,
        };
        let at = |memory: &FakeMemory, key| place(&Reader::new(memory, abi), 0x10_0000, key);
        assert_eq!(at(&memory, 3), Ok(Some(0x10_1498)));
        assert_eq!(at(&memory, 64), Ok(None));
        assert_eq!(at(&memory, 64 + MORE), Ok(None));
        let mut bytes = vec![0; 0x2000];
        bytes[0x1780..0x1788].copy_from_slice(&0x55_0000_u64.to_le_bytes());
        memory = FakeMemory::new();
        memory.map(0x10_0000, bytes);
        assert_eq!(at(&memory, 65), Ok(Some(0x55_0008)));
    }
}
