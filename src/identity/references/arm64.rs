//! How arm64's code names an address: by its page, in one instruction, and by the rest, in another
//! one soon behind it (Arm ARM, C6.2: ADRP, ADD (immediate), LDR and STR (immediate, unsigned)).

use std::collections::BTreeMap;

/// Registers; the last number is the stack pointer or zero, which nobody puts a page into.
const REGISTERS: usize = 31;
/// Those that a call may change are the ones below this (AAPCS64).
const CHANGED_BY_CALLS: usize = 19;
const WORD: usize = 4;

/// Counts the places that the code names, of those that are asked for. The code starts at `start`,
/// which a piece that was cut anywhere in it must be told truly.
pub fn count(start: u64, bytes: &[u8], counts: &mut BTreeMap<u64, usize>) {
    let mut pages = [None; REGISTERS];
    let skipped = (start.wrapping_neg() % WORD as u64) as usize;
    let words = bytes.get(skipped..).unwrap_or_default().as_chunks::<WORD>();
    for (index, word) in words.0.iter().enumerate() {
        let at = start.wrapping_add((skipped + index * WORD) as u64);
        let word = u32::from_le_bytes(*word);
        let (target, base) = (register(word, 0), register(word, 5));
        if word & 0x9f00_0000 == 0x9000_0000 {
            put(&mut pages, target, Some(page(at, word)));
            continue;
        }
        if let Some(offset) = offset(word)
            && let Some(page) = pages.get(base).copied().flatten()
            && let Some(count) = counts.get_mut(&u64::wrapping_add(page, offset))
        {
            *count += 1;
        }
        if word & 0xfc00_0000 == 0x9400_0000 || word & 0xffff_fc1f == 0xd63f_0000 {
            // BL, BLR.
            pages
                .iter_mut()
                .take(CHANGED_BY_CALLS)
                .for_each(|page| *page = None);
        } else if changes_register(word) {
            put(&mut pages, target, None);
        }
    }
}

fn register(word: u32, at: u32) -> usize {
    (word >> at & 0x1f) as usize
}

fn put(pages: &mut [Option<u64>; REGISTERS], register: usize, page: Option<u64>) {
    if let Some(place) = pages.get_mut(register) {
        *place = page;
    }
}

/// ADRP: 21 bits of pages from the instruction's own, the two lowest apart from the others.
fn page(at: u64, word: u32) -> u64 {
    let pages = (word >> 5 & 0x7_ffff) << 2 | word >> 29 & 3;
    // Its sign is bit 20.
    let pages = i64::from((pages << 11).cast_signed() >> 11);
    (at & !0xfff).wrapping_add_signed(pages << 12)
}

/// What the instruction adds to its base; `None` for one that is neither an ADD of 12 bits nor a LDR
/// or STR, of a general register or another.
fn offset(word: u32) -> Option<u64> {
    let bits = u64::from(word >> 10 & 0xfff);
    // ADD, 64 bits, not shifted.
    if word & 0xffc0_0000 == 0x9100_0000 {
        return Some(bits);
    }
    if word & 0x3b00_0000 == 0x3900_0000 {
        let of_vector = word & 0x0400_0000 != 0;
        let size = match word >> 30 {
            0 if of_vector && word & 0x0080_0000 != 0 => 4,
            size => size,
        };
        return Some(bits << size);
    }
    None
}

/// Only what commonly puts something else into a general register: loads, and what computes.
fn changes_register(word: u32) -> bool {
    let computes = word & 0x1c00_0000 == 0x1000_0000 || word & 0x0e00_0000 == 0x0a00_0000;
    let loads = word & 0x3f00_0000 == 0x3900_0000 && word & 0x00c0_0000 != 0;
    computes || loads
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counted(start: u64, code: &[u32], address: u64) -> usize {
        let bytes: Vec<u8> = code.iter().flat_map(|word| word.to_le_bytes()).collect();
        let mut counts = BTreeMap::from([(address, 0), (0x9999_9000, 0)]);
        count(start, &bytes, &mut counts);
        assert_eq!(counts[&0x9999_9000], 0);
        counts[&address]
    }

    /// adrp x0, two pages on.
    const ADRP_X0_2: u32 = 0xd000_0000;

    #[test]
    fn a_page_and_the_rest_are_one_address() {
        // ldr x1, [x0, #0x120]; str w1, [x0, #0x120]; add x2, x0, #0x120
        let code = [ADRP_X0_2, 0xf940_9001, 0xb901_2001, 0x9104_8002];
        assert_eq!(counted(0x40_0ff8, &code, 0x40_2120), 3);
        // Without the first, nothing is named.
        assert_eq!(counted(0x40_0ffc, &code[1..], 0x40_2120), 0);
        // adrp x0, one page back
        assert_eq!(counted(0x40_1000, &[0xf0ff_ffe0, code[3]], 0x40_0120), 1);
    }

    #[test]
    fn what_was_put_into_the_register_since_counts() {
        let load = 0xf940_9001;
        // ldr x0, [x0, #0x120]: names it, and then x0 is something else.
        let code = [ADRP_X0_2, 0xf940_9000, load];
        assert_eq!(counted(0x40_0000, &code, 0x40_2120), 1);
        // bl; mov x0, x19
        for other in [0x9400_0010, 0xaa13_03e0] {
            assert_eq!(counted(0x40_0000, &[ADRP_X0_2, other, load], 0x40_2120), 0);
        }
        // str x1, [x2, #8] changes no register; b.eq neither.
        for other in [0xf900_0441, 0x5400_0040] {
            assert_eq!(counted(0x40_0000, &[ADRP_X0_2, other, load], 0x40_2120), 1);
        }
    }

    #[test]
    fn any_bytes_can_be_counted() {
        let mut random = fastrand::Rng::with_seed(7);
        for _ in 0..64 {
            let bytes: Vec<u8> = std::iter::repeat_with(|| random.u8(..)).take(999).collect();
            count(random.u64(..), &bytes, &mut BTreeMap::from([(1, 0)]));
        }
    }
}
