//! Which files were mapped where, by the dynamic linker's own list: for core files that do not say (of kernels before
//! 3.7, and of emulators).
//!
//! The program's dynamic section leads to the list (link.h: `struct r_debug`, `struct link_map`).

use super::header::CoreFile;
use super::heads::{HeadReader, ProgramHead};
use super::notes::MappedPart;
use super::pieces::KeptMemory;
use object::elf;

/// More libraries than any perl loads.
const MOST: usize = 4096;
const LONGEST_NAME: usize = 4096;
const MOST_TAGS: u64 = 256;
/// Pages are at least as large.
const PAGE: u64 = 4096;

/// The parts of files that were mapped; empty where the list is not found.
pub(super) fn linked(core: &CoreFile, memory: &KeptMemory) -> Vec<MappedPart> {
    let reader = HeadReader {
        abi: core.abi,
        memory,
    };
    LinkerView(reader).program(core).unwrap_or_default()
}

struct LinkerView<'a>(HeadReader<'a>);

impl LinkerView<'_> {
    /// Near the end of a piece there is less than the longest name.
    fn name(&self, address: u64) -> Option<Vec<u8>> {
        let lengths = [LONGEST_NAME, 512, 64, 16, 1];
        let read = lengths.iter().find_map(|l| self.0.bytes(address, *l))?;
        read.split(|b| *b == 0).next().map(<[u8]>::to_vec)
    }

    fn program(&self, core: &CoreFile) -> Option<Vec<MappedPart>> {
        let (table, count) = core.notes.headers?;
        let headers = self.0.at(table, count)?;
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
            let member = |index: u64| self.0.word(next.wrapping_add(index * self.0.width()));
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
            let at = dynamic.wrapping_add(tag * 2 * self.0.width());
            match self.0.word(at)? {
                0 => return None,
                key if key == elf::DT_DEBUG.0.cast_unsigned() => {
                    let debug = self.0.word(at.wrapping_add(self.0.width()))?;
                    return self.0.word(debug.wrapping_add(self.0.width()));
                }
                _ => {}
            }
        }
        None
    }

    fn library(&self, moved: u64, name: &[u8]) -> Option<Vec<MappedPart>> {
        Some(parts(&self.0.of_file(moved)?, moved, name))
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
