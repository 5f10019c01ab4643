//! Integers as the target stores them: its pointer size and byte order, never ours.

use serde::{Deserialize, Serialize};

/// Pointer size and byte order of the target.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Abi {
    /// Bytes in a pointer: 4 or 8.
    pub pointer_size: u8,
    /// Most significant byte first.
    pub big_endian: bool,
}

impl Abi {
    /// The unsigned integer of `size` bytes (1 to 8) at `offset` of `bytes`.
    #[inline]
    pub fn uint(self, bytes: &[u8], offset: usize, size: usize) -> Option<u64> {
        let slice = bytes.get(offset..offset.checked_add(size)?)?;
        if !self.big_endian {
            if let Ok(eight) = <[u8; 8]>::try_from(slice) {
                return Some(u64::from_le_bytes(eight));
            }
            if let Ok(four) = <[u8; 4]>::try_from(slice) {
                return Some(u64::from(u32::from_le_bytes(four)));
            }
        }
        if size == 0 || size > 8 {
            return None;
        }
        let fold = |acc: u64, byte: &u8| (acc << 8) | u64::from(*byte);
        Some(if self.big_endian {
            slice.iter().fold(0, fold)
        } else {
            slice.iter().rev().fold(0, fold)
        })
    }

    /// The pointer at `offset` of `bytes`.
    #[inline]
    pub fn pointer(self, bytes: &[u8], offset: usize) -> Option<u64> {
        self.uint(bytes, offset, usize::from(self.pointer_size))
    }

    /// Every aligned pointer among the bytes at `start`, with its address.
    #[inline]
    pub fn each_pointer(self, start: u64, bytes: &[u8], mut take: impl FnMut(u64, u64)) {
        let width = usize::from(self.pointer_size.max(1));
        let skip = (start.wrapping_neg() % width as u64) as usize;
        let words = bytes.get(skip..).unwrap_or_default();
        let first = start.wrapping_add(skip as u64);
        let at = |index: usize| first.wrapping_add((index * width) as u64);
        // Whole files are searched: the usual kind of word in a loop without questions.
        if (width, self.big_endian) == (8, false) {
            let (words, _) = words.as_chunks::<8>();
            for (index, word) in words.iter().enumerate() {
                take(at(index), u64::from_le_bytes(*word));
            }
            return;
        }
        for (index, word) in words.chunks_exact(width).enumerate() {
            if let Some(word) = self.pointer(word, 0) {
                take(at(index), word);
            }
        }
    }

    /// Writes `value` as the target would store it; the counterpart of [`Abi::uint`].
    pub fn store(self, bytes: &mut [u8], offset: usize, size: usize, value: u64) -> Option<()> {
        let slice = bytes.get_mut(offset..offset.checked_add(size)?)?;
        for (i, byte) in slice.iter_mut().enumerate() {
            let place = if self.big_endian { size - 1 - i } else { i };
            *byte = u8::try_from((value >> (8 * place)) & 0xff).unwrap_or_default();
        }
        Some(())
    }
}

/// Where one member of a structure lies. Bits are counted from the least significant one of the
/// value as loaded, whatever the byte order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Field {
    /// Bytes from the start of the structure.
    pub offset: u32,
    /// Bytes to load.
    pub size: u8,
    /// Position of a bit-field's lowest bit; 0 for whole members.
    pub shift: u8,
    /// Width in bits; `size * 8` for whole members.
    pub bits: u8,
}

impl Field {
    /// A member that is no bit-field.
    pub const fn whole(offset: u32, size: u8) -> Self {
        Field {
            offset,
            size,
            shift: 0,
            bits: size.saturating_mul(8),
        }
    }

    /// First byte behind the member.
    pub fn end(self) -> usize {
        self.offset as usize + usize::from(self.size)
    }

    /// The member's value in a copy of the structure.
    #[inline]
    pub fn get(self, abi: Abi, bytes: &[u8]) -> Option<u64> {
        self.get_at(abi, bytes, 0)
    }

    /// Like [`Field::get`] for a structure that starts at `start` of `bytes`.
    #[inline]
    pub fn get_at(self, abi: Abi, bytes: &[u8], start: usize) -> Option<u64> {
        let raw = abi.uint(
            bytes,
            start.checked_add(self.offset as usize)?,
            usize::from(self.size),
        )?;
        if self.bits >= 64 {
            return Some(raw);
        }
        let mask = (1u64 << self.bits) - 1;
        Some(raw.checked_shr(u32::from(self.shift))? & mask)
    }

    /// The member's value, read as a two's complement integer.
    #[inline]
    pub fn get_signed(self, abi: Abi, bytes: &[u8]) -> Option<i64> {
        let raw = self.get(abi, bytes)?;
        // Without a bit there is no sign, and no value.
        let unused = 64u32.checked_sub(u32::from(self.bits))?;
        Some((raw.checked_shl(unused)? as i64) >> unused)
    }

    /// Stores `value` into a copy of the structure, leaving neighbouring bits alone.
    pub fn set(self, abi: Abi, bytes: &mut [u8], value: u64) -> Option<()> {
        let at = self.offset as usize;
        let mask = if self.bits >= 64 {
            u64::MAX
        } else {
            ((1u64 << self.bits) - 1) << self.shift
        };
        let old = abi.uint(bytes, at, usize::from(self.size))?;
        let new = (old & !mask) | ((value << self.shift) & mask);
        abi.store(bytes, at, usize::from(self.size), new)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn what_is_set_is_got(value: u64, big_endian: bool, size in 1u8..=8, shift in 0u8..8, cut in 0u8..8) {
            let abi = Abi { pointer_size: 8, big_endian };
            let bits = (size * 8).saturating_sub(shift + cut).max(1);
            prop_assume!(shift + bits <= size * 8);
            let field = Field { offset: 3, size, shift, bits };
            let mut bytes = [0xa5u8; 16];
            field.set(abi, &mut bytes, value).unwrap();
            let mask = if bits == 64 { u64::MAX } else { (1 << bits) - 1 };
            prop_assert_eq!(field.get(abi, &bytes), Some(value & mask));
            prop_assert_eq!(bytes[2], 0xa5);
            prop_assert_eq!(bytes[3 + size as usize], 0xa5);
        }
    }

    #[test]
    fn aligned_pointers_are_taken_wherever_the_bytes_start() {
        let bytes: Vec<u8> = (0..32).collect();
        for (pointer_size, big_endian) in [(4, false), (4, true), (8, false), (8, true)] {
            let abi = Abi {
                pointer_size,
                big_endian,
            };
            let width = usize::from(pointer_size);
            let mut found = Vec::new();
            abi.each_pointer(0x1003, &bytes, |at, word| found.push((at, word)));
            let skip = width - 3;
            let expected: Vec<(u64, u64)> = (skip..=32 - width)
                .step_by(width)
                .map(|at| (0x1003 + at as u64, abi.pointer(&bytes, at).unwrap()))
                .collect();
            assert_eq!(found, expected);
        }
        let abi = Abi {
            pointer_size: 8,
            big_endian: false,
        };
        abi.each_pointer(0x1003, &bytes[..4], |_, _| panic!("there is none"));
    }

    #[test]
    fn signed_values_keep_their_sign() {
        let abi = Abi {
            pointer_size: 8,
            big_endian: false,
        };
        assert_eq!(Field::whole(0, 4).get_signed(abi, &[0xff; 4]), Some(-1));
        assert_eq!(Field::whole(0, 4).get_signed(abi, &[5, 0, 0, 0]), Some(5));
        assert_eq!(Field::whole(2, 4).get_signed(abi, &[0; 4]), None);
        // A damaged layout.
        let nothing = Field {
            bits: 0,
            ..Field::whole(0, 4)
        };
        assert_eq!(nothing.get_signed(abi, &[0; 4]), None);
        let beyond = Field {
            shift: 64,
            bits: 1,
            ..Field::whole(0, 4)
        };
        assert_eq!(beyond.get(abi, &[0xff; 4]), None);
    }
}
