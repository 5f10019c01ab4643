//! Program headers of files that are mapped, as they are in memory (elf.h).

use super::pieces::KeptMemory;
use crate::memory::Abi;

const MOST_HEADERS: u64 = 64;

/// A program header, as far as it is needed.
pub(super) struct ProgramHead {
    pub kind: u64,
    pub offset: u64,
    pub address: u64,
    pub file_size: u64,
}

/// The memory that a core file has, as it is read for them.
pub(super) struct HeadReader<'a> {
    pub abi: Abi,
    pub memory: &'a KeptMemory,
}

impl HeadReader<'_> {
    pub fn bytes(&self, address: u64, length: usize) -> Option<Vec<u8>> {
        let mut bytes = vec![0; length];
        self.memory.read(address, &mut bytes).then_some(bytes)
    }

    pub fn width(&self) -> u64 {
        u64::from(self.abi.pointer_size)
    }

    pub fn word(&self, address: u64) -> Option<u64> {
        let width = usize::from(self.abi.pointer_size);
        self.abi.pointer(&self.bytes(address, width)?, 0)
    }

    /// Those of the file that begins at an address (Elf64_Ehdr: e_phoff, e_phnum).
    pub fn of_file(&self, start: u64) -> Option<Vec<ProgramHead>> {
        let head = self
            .bytes(start, 64)
            .filter(|h| h.starts_with(b"\x7fELF"))?;
        let (table, count) = if self.width() == 8 {
            (32, 56)
        } else {
            (28, 44)
        };
        let table = self.abi.pointer(&head, table)?;
        let count = self.abi.uint(&head, count, 2)?;
        self.at(start.wrapping_add(table), count)
    }

    /// A table of them (Elf64_Phdr, Elf32_Phdr: size, p_offset, p_vaddr, p_filesz).
    pub fn at(&self, table: u64, count: u64) -> Option<Vec<ProgramHead>> {
        let (size, offset, address, length) = match self.width() {
            8 => (56, 8, 16, 32),
            _ => (32, 4, 8, 16),
        };
        let header = |index: u64| {
            let bytes = self.bytes(table.wrapping_add(index * size), size as usize)?;
            Some(ProgramHead {
                kind: self.abi.uint(&bytes, 0, 4)?,
                offset: self.abi.pointer(&bytes, offset)?,
                address: self.abi.pointer(&bytes, address)?,
                file_size: self.abi.pointer(&bytes, length)?,
            })
        };
        (0..count.min(MOST_HEADERS)).map(header).collect()
    }
}
