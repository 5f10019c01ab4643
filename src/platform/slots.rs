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

/// Where a block keeps its own address (NT_TIB, Self), in a program of 32 bits.
const OWN_ADDRESS: u64 = 0x18;
/// How far a thread's block of 32 bits is behind that of 64.
const BEHIND: u64 = 0x2000;

/// A thread of a program of 32 bits has two blocks on a system of 64. The system tells of the wide one;
/// the program's own is behind it, or where the wide one's first word (NT_TIB, ExceptionList: code of
/// 64 bits has no use for it) says. `None` where there is none.
///
/// # Errors
/// Any [`ReadError`] of the wide block; without the narrow one the answer is `None`.
pub fn block_of_32_bits(
    wide: &Reader<'_>,
    narrow: &Reader<'_>,
    block: u64,
) -> Result<Option<u64>, ReadError> {
    let said = wide.pointer(block)?;
    let is_block = |place: &u64| {
        let itself = narrow.pointer(place.wrapping_add(OWN_ADDRESS));
        *place != 0 && itself.is_ok_and(|itself| itself == *place)
    };
    Ok([said, block.wrapping_add(BEHIND)]
        .into_iter()
        .find(is_block))
}

/// Where the value of a key is for the thread of this block. `None` where the thread has no such slot
/// yet.
///
/// # Errors
/// Any [`ReadError`] of the block.
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

    fn abi(pointer_size: u8) -> Abi {
        Abi {
            pointer_size,
            big_endian: false,
        }
    }

    #[test]
    fn a_program_of_32_bits_has_its_own_block() {
        let (wide, narrow) = (0x20_0000_u64, 0x20_2000_u64);
        let mut bytes = vec![0_u8; 0x4000];
        bytes[..8].copy_from_slice(&narrow.to_le_bytes());
        bytes[0x2018..0x201c].copy_from_slice(&0x20_2000_u32.to_le_bytes());
        bytes[0x2f94..0x2f98].copy_from_slice(&0x33_0000_u32.to_le_bytes());
        let own = |bytes: &[u8], block| {
            let mut memory = FakeMemory::default();
            memory.map(wide, bytes.to_vec());
            let readers = (Reader::new(&memory, abi(8)), Reader::new(&memory, abi(4)));
            let own = block_of_32_bits(&readers.0, &readers.1, block);
            let places = own
                .ok()
                .flatten()
                .map(|own| [0, 3, 64, 66].map(|key| place(&readers.1, own, key).unwrap()));
            (own, places)
        };
        let slots = [0x20_2e10, 0x20_2e1c, 0x33_0000, 0x33_0008].map(Some);
        assert_eq!(own(&bytes, wide), (Ok(Some(narrow)), Some(slots)));
        // Where the first word says nothing of it, it is behind; what is no block is none.
        bytes[4] = 1;
        assert_eq!(own(&bytes, wide).0, Ok(Some(narrow)));
        bytes[..8].fill(0);
        assert_eq!(own(&bytes, wide).0, Ok(Some(narrow)));
        assert_eq!(own(&bytes, wide + 0x100).0, Ok(None));
        bytes[0x2018] = 1;
        assert_eq!(own(&bytes, wide).0, Ok(None));
        assert!(own(&bytes, wide + 0x4000).0.is_err());
    }

    #[test]
    fn both_arrays_are_found() {
        let mut memory = FakeMemory::default();
        memory.map(0x10_0000, vec![0; 0x2000]);
        let at = |memory: &FakeMemory, key| place(&Reader::new(memory, abi(8)), 0x10_0000, key);
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
