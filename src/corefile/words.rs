//! The command line of a process, from its own stack: the kernel keeps no more than 80 bytes of it.
//!
//! A program starts with its number of words on top of the stack, the words, a null, the environment, a null,
//! and the auxiliary vector (fs/binfmt_elf.c, `create_elf_tables`).

use super::header::CoreFile;
use super::pieces::KeptMemory;
use crate::memory::Abi;

/// The stack's first bytes are looked at so far: more than all words and variables of most programs.
const SEARCHED: u64 = 256 << 10;
const MOST_WORDS: usize = 4096;
const LONGEST_WORD: u64 = 16 << 10;

/// The words; `None` where they are not found.
pub(super) fn words(core: &CoreFile, memory: &KeptMemory) -> Option<Vec<Vec<u8>>> {
    let near = core.notes.random?;
    let piece = core
        .pieces
        .iter()
        .find(|piece| (piece.start..piece.end).contains(&near))?;
    let start = near.saturating_sub(SEARCHED).max(piece.start);
    let stack = bytes(memory, start, near.checked_sub(start)?)?;
    // Two of its pairs: a loader that was started by name puts other values into later ones.
    let vector = core
        .notes
        .vector
        .get(..4 * usize::from(core.abi.pointer_size))?;
    let at = memchr::memmem::rfind(&stack, vector)?;
    let list = listed(core.abi, &stack, at)?;
    list.into_iter().map(|word| text(memory, word)).collect()
}

/// The addresses of the words in front of the environment that ends at `end`.
fn listed(abi: Abi, stack: &[u8], end: usize) -> Option<Vec<u64>> {
    let width = usize::from(abi.pointer_size);
    let mut at = end.checked_sub(width)?;
    if abi.pointer(stack, at)? != 0 {
        return None;
    }
    // The environment, to the null in front of it.
    loop {
        at = at.checked_sub(width)?;
        if abi.pointer(stack, at)? == 0 {
            break;
        }
    }
    let mut words = Vec::new();
    loop {
        at = at.checked_sub(width)?;
        let word = abi.pointer(stack, at)?;
        if word == words.len() as u64 {
            words.reverse();
            return Some(words);
        }
        words.push(word);
        if words.len() > MOST_WORDS {
            return None;
        }
    }
}

fn text(memory: &KeptMemory, address: u64) -> Option<Vec<u8>> {
    // Near the end of the stack there is less.
    let (_, left) = memory.place(address)?;
    let longest = LONGEST_WORD.min(left);
    let mut length = 256;
    loop {
        let read = bytes(memory, address, longest.min(length))?;
        if let Some(end) = memchr::memchr(0, &read) {
            return read.get(..end).map(<[u8]>::to_vec);
        }
        if length >= longest {
            return Some(read);
        }
        length *= 4;
    }
}

fn bytes(memory: &KeptMemory, address: u64, length: u64) -> Option<Vec<u8>> {
    let mut bytes = vec![0; usize::try_from(length).ok()?];
    memory.read(address, &mut bytes).then_some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_stand_in_front_of_the_environment() {
        let abi = Abi {
            pointer_size: 8,
            big_endian: false,
        };
        let stack =
            |words: &[u64]| -> Vec<u8> { words.iter().flat_map(|w| w.to_le_bytes()).collect() };
        let found = |words: &[u64]| listed(abi, &stack(words), words.len() * 8);
        assert_eq!(
            found(&[9, 2, 0x7001, 0x7002, 0, 0x8001, 0x8002, 0]),
            Some(vec![0x7001, 0x7002])
        );
        assert_eq!(found(&[1, 0x7001, 0, 0]), Some(vec![0x7001]));
        assert_eq!(found(&[0, 0, 0x8001, 0]), Some(Vec::new()));
        // The number is not that of the words, there is no null, nothing at all.
        assert_eq!(found(&[3, 0x7001, 0x7002, 0, 0x8001, 0]), None);
        assert_eq!(found(&[1, 0x7001, 0, 0x8001]), None);
        assert_eq!(found(&[]), None);
    }
}
