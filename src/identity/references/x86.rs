//! How the code of Intel's processors names an address: in one instruction, anywhere in it.

use std::collections::BTreeMap;

/// How an instruction names a place in memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AddressingMode {
    /// By its distance from the end of the instruction (x86-64).
    Relative,
    /// By its address (i386, where the code is at a fixed place).
    Absolute,
}

/// Bytes of a distance or an address within an instruction.
pub const OPERAND: usize = 4;

/// Counts the places that the code names, of those that are asked for. It starts at `start`.
pub fn count(mode: AddressingMode, start: u64, bytes: &[u8], counts: &mut BTreeMap<u64, usize>) {
    let (Some(low), Some(high)) = (
        counts.keys().next().copied(),
        counts.keys().next_back().copied(),
    ) else {
        return;
    };
    let mut look = |index: usize| {
        let operand = bytes.get(index + 1..index + 1 + OPERAND);
        let Some(operand) = operand.and_then(|o| <[u8; OPERAND]>::try_from(o).ok()) else {
            return;
        };
        let address = match mode {
            AddressingMode::Absolute => u64::from(u32::from_le_bytes(operand)),
            AddressingMode::Relative => start
                .wrapping_add((index + 1 + OPERAND) as u64)
                .wrapping_add_signed(i64::from(i32::from_le_bytes(operand))),
        };
        if (low..=high).contains(&address)
            && let Some(count) = counts.get_mut(&address)
        {
            *count += 1;
        }
    };
    let (groups, rest) = bytes.as_chunks::<8>();
    for (group, eight) in groups.iter().enumerate() {
        if mode == AddressingMode::Relative && !has_modrm(*eight) {
            continue;
        }
        for (index, byte) in eight.iter().enumerate() {
            if precedes_operand(mode, *byte) {
                look(8 * group + index);
            }
        }
    }
    for (index, byte) in rest.iter().enumerate() {
        if precedes_operand(mode, *byte) {
            look(8 * groups.len() + index);
        }
    }
}

/// A ModRM byte that says "no register, 32 bits follow"; i386 has a form of its own for the
/// accumulator.
fn precedes_operand(mode: AddressingMode, byte: u8) -> bool {
    byte & 0xc7 == 0x05 || mode == AddressingMode::Absolute && (byte == 0xa1 || byte == 0xa3)
}

/// Whether one of eight bytes may be such a ModRM byte, at once: most code is megabytes.
fn has_modrm(eight: [u8; 8]) -> bool {
    const EACH: u64 = 0x0101_0101_0101_0101;
    let differs = (u64::from_le_bytes(eight) & (0xc7 * EACH)) ^ (0x05 * EACH);
    // A byte that is zero borrows from its highest bit.
    differs.wrapping_sub(EACH) & !differs & (0x80 * EACH) != 0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn instructions_are_counted_by_what_they_name() {
        let counted = |mode, code: &[u8], address: u64| {
            let mut counts = BTreeMap::from([(address, 0), (0x9000, 0)]);
            count(mode, 0x1000, code, &mut counts);
            assert_eq!(counts[&0x9000], 0);
            counts[&address]
        };
        // mov 0x100(%rip),%rax; mov %rax,0xf9(%rip); mov %rax,%rbx
        let code = [
            0x48, 0x8b, 0x05, 0, 1, 0, 0, 0x48, 0x89, 0x05, 0xf9, 0, 0, 0, 0x48, 0x89, 0xc3,
        ];
        assert_eq!(counted(AddressingMode::Relative, &code, 0x1107), 2);
        assert_eq!(counted(AddressingMode::Relative, &code, 0x1100), 0);
        // mov 0x8048,%ecx; mov %eax,0x8048; push $0x8048
        let code = [
            0x8b, 0x0d, 0x48, 0x80, 0, 0, 0xa3, 0x48, 0x80, 0, 0, 0x68, 0x48, 0x80, 0, 0,
        ];
        assert_eq!(counted(AddressingMode::Absolute, &code, 0x8048), 2);
        assert_eq!(counted(AddressingMode::Relative, &[], 0x8048), 0);
    }

    #[test]
    fn eight_bytes_at_once_are_as_good_as_one_by_one() {
        for byte in 0..=255 {
            for place in 0..8 {
                let mut eight = [0x90; 8];
                eight[place] = byte;
                let expected = precedes_operand(AddressingMode::Relative, byte);
                assert_eq!(has_modrm(eight), expected, "{byte:#x} at {place}");
            }
        }
    }
}
