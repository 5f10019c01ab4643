//! Which files were mapped where, by the dynamic linker's own list: for core files that do not say (of kernels before
//! 3.7, and of emulators).
//!
//! The program's dynamic section leads to the list (link.h: `struct r_debug`, `struct link_map`).

use super::header::CoreFile;
use super::notes::MappedPart;
use super::pieces::KeptMemory;
use crate::memory::Abi;
use object::elf;

/// More libraries than any perl loads.
const MOST: usize = 4096;
const LONGEST_NAME: usize = 4096;
const MOST_HEADERS: u64 = 64;
const MOST_TAGS: u64 = 256;
/// Pages are at least as large.
const PAGE: u64 = 4096;

/// A program header, as far as it is needed.
struct ProgramHead {
    kind: u64,
    offset: u64,
    address: u64,
    file_size: u64,
}

struct LinkerView<'a> {
    abi: Abi,
    memory: &'a KeptMemory,
}

/// The parts of files that were mapped; empty where the list is not found.
pub(super) fn linked(core: &CoreFile, memory: &KeptMemory) -> Vec<MappedPart> {
    let view = LinkerView {
        abi: core.abi,
        memory,
    };
    view.program(core).unwrap_or_default()
}

impl LinkerView<'_> {
    fn bytes(&self, address: u64, length: usize) -> Option<Vec<u8>> {
        let mut bytes = vec![0; length];
        self.memory.read(address, &mut bytes).then_some(bytes)
    }

    fn word(&self, address: u64) -> Option<u64> {
        let width = usize::from(self.abi.pointer_size);
        self.abi.pointer(&self.bytes(address, width)?, 0)
    }

    fn width(&self) -> u64 {
        u64::from(self.abi.pointer_size)
    }

    /// Near the end of a piece there is less than the longest name.
    fn name(&self, address: u64) -> Option<Vec<u8>> {
        let lengths = [LONGEST_NAME, 512, 64, 16, 1];
        let read = lengths.iter().find_map(|l| self.bytes(address, *l))?;
        read.split(|b| *b == 0).next().map(<[u8]>::to_vec)
    }

    fn program(&self, core: &CoreFile) -> Option<Vec<MappedPart>> {
        let (table, count) = core.notes.headers?;
        let headers = self.headers(table, count)?;
        let itself = headers.iter().find(|h| h.kind == u64::from(elf::PT_PHDR.0));
        let bias = itself.map_or(0, |h| table.wrapping_sub(h.address));
        let name = core.notes.name.and_then(|at| self.name(at));
        let mut parts = parts(&headers, bias, &name.unwrap_or_default());
        let dynamic = headers
            .iter()
            .find(|h| h.kind == u64::from(elf::PT_DYNAMIC.0));
        let list = dynamic.and_then(|h| self.list(bias.wrapping_add(h.address)));
        let mut next = list.unwrap_or(0);
        for _ in 0..MOST {
            if next == 0 {
                break;
            }
            let member = |index: u64| self.word(next.wrapping_add(index * self.width()));
            let (Some(moved), Some(name)) = (member(0), member(1)) else {
                break;
            };
            let name = self.name(name).unwrap_or_default();
            // The program itself has no name in it.
            if !name.is_empty() {
                parts.extend(self.library(moved, &name).unwrap_or_default());
            }
            next = member(3).unwrap_or(0);
        }
        Some(parts)
    }

    /// Where the list begins: the address under DT_DEBUG, second word.
    fn list(&self, dynamic: u64) -> Option<u64> {
        for tag in 0..MOST_TAGS {
            let at = dynamic.wrapping_add(tag * 2 * self.width());
            match self.word(at)? {
                0 => return None,
                key if key == elf::DT_DEBUG.0.cast_unsigned() => {
                    let debug = self.word(at.wrapping_add(self.width()))?;
                    return self.word(debug.wrapping_add(self.width()));
                }
                _ => {}
            }
        }
        None
    }

    /// A library begins with its own head (elf.h, Elf64_Ehdr: e_phoff, e_phnum).
    fn library(&self, moved: u64, name: &[u8]) -> Option<Vec<MappedPart>> {
        let head = self
            .bytes(moved, 64)
            .filter(|h| h.starts_with(b"\x7fELF"))?;
        let (table, count) = if self.width() == 8 {
            (32, 56)
        } else {
            (28, 44)
        };
        let table = self.abi.pointer(&head, table)?;
        let count = self.abi.uint(&head, count, 2)?;
        let headers = self.headers(moved.wrapping_add(table), count)?;
        Some(parts(&headers, moved, name))
    }

    fn headers(&self, table: u64, count: u64) -> Option<Vec<ProgramHead>> {
        // Elf64_Phdr and Elf32_Phdr: size, p_offset, p_vaddr, p_filesz.
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

fn parts(headers: &[ProgramHead], moved: u64, name: &[u8]) -> Vec<MappedPart> {
    let loaded = headers
        .iter()
        .filter(|h| h.kind == u64::from(elf::PT_LOAD.0));
    let parts = loaded.filter_map(|h| {
        let address = moved.wrapping_add(h.address);
        let skip = address % PAGE;
        Some(MappedPart {
            start: address - skip,
            end: address
                .checked_add(h.file_size)?
                .checked_next_multiple_of(PAGE)?,
            offset: h.offset.checked_sub(skip)?,
            name: name.to_vec(),
        })
    });
    parts.filter(|part| part.start < part.end).collect()
}
