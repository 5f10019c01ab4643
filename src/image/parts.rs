//! Where in a file its data and its code are: for files that have no symbols to tell.

use super::Image;
use object::read::ReadRef;
use object::{Object, ObjectSection, SectionKind};

/// A piece of a file that is loaded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Part {
    /// Its address as the file counts.
    pub address: u64,
    /// Where it is in the file.
    pub offset: u64,
    /// Bytes.
    pub size: u64,
    /// The loader or the program may change it: what the process has counts, not the file.
    pub writable: bool,
}

impl Image {
    /// Where the file's texts and arrays are: its sections of data. Of a file without sections
    /// everything that is loaded, as old linkers put texts and code into one segment.
    pub fn data_parts(&self) -> Vec<Part> {
        let sections = self.sections(|kind, name| {
            // Tables for unwinding are large, and no texts.
            let unwinds = name.starts_with(b".eh_frame") || name == b".gcc_except_table";
            match kind {
                SectionKind::ReadOnlyData | SectionKind::ReadOnlyString => {
                    (!unwinds).then_some(false)
                }
                SectionKind::Data | SectionKind::ReadOnlyDataWithRel => Some(true),
                _ => None,
            }
        });
        match sections.is_empty() {
            true => self.loaded(|_| true),
            false => sections,
        }
    }

    /// Where the file's code is.
    pub fn code_parts(&self) -> Vec<Part> {
        let sections = self.sections(|kind, _| (kind == SectionKind::Text).then_some(false));
        match sections.is_empty() {
            true => self.loaded(|executable| executable),
            false => sections,
        }
    }

    /// The sections that `writable` has an answer for.
    fn sections(&self, writable: impl Fn(SectionKind, &[u8]) -> Option<bool>) -> Vec<Part> {
        let Ok(file) = self.object() else {
            return Vec::new();
        };
        let found = file.sections().filter_map(|section| {
            let (offset, size) = section.file_range()?;
            Some(Part {
                writable: writable(section.kind(), section.name_bytes().unwrap_or_default())?,
                address: section.address(),
                offset,
                size,
            })
        });
        self.within_reason(found)
    }

    fn loaded(&self, wanted: impl Fn(bool) -> bool) -> Vec<Part> {
        let segments = self.file.segments.iter().filter(|s| wanted(s.executable));
        self.within_reason(segments.map(|segment| Part {
            address: segment.address,
            offset: segment.file_offset,
            size: segment.file_size,
            writable: segment.writable,
        }))
    }

    /// In a sound file no two parts overlap; those of another do not make more work than the file is
    /// long.
    fn within_reason(&self, parts: impl Iterator<Item = Part>) -> Vec<Part> {
        let mut room = self.file.data.length();
        let fits = |part: &Part| {
            let left = room.checked_sub(part.size);
            room = left.unwrap_or(room);
            part.size > 0 && left.is_some()
        };
        parts.filter(fits).collect()
    }

    /// The bytes of a part as the file has them; kept, once read.
    pub fn part(&self, part: Part) -> Option<&[u8]> {
        (&self.file.data).read_bytes_at(part.offset, part.size).ok()
    }

    /// The file's code, piece by piece with addresses as the file counts. A piece starts with the
    /// last `overlap` bytes of the one before it.
    pub fn code_pieces(&self, overlap: usize, mut look: impl FnMut(u64, &[u8])) {
        for part in self.code_parts() {
            let range = part.offset..part.offset.saturating_add(part.size);
            // Code that cannot be read refers to nothing.
            let _ = self.file.data.pieces(range, overlap, |at, bytes| {
                look(part.address.wrapping_add(at - part.offset), bytes);
                true
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;

    /// Offset and size of the fields of an ELF header (elf.h) that say where its sections are.
    const E_SHOFF: std::ops::Range<usize> = 0x28..0x30;
    const E_SHNUM_AND_SHSTRNDX: std::ops::Range<usize> = 0x3c..0x40;

    fn total(parts: &[Part]) -> u64 {
        parts.iter().map(|part| part.size).sum()
    }

    #[test]
    fn texts_and_code_are_found_with_sections_and_without() {
        let mut bytes = std::fs::read(crate::image::perl_of_the_system()).unwrap();
        let folder = tempfile::tempdir().unwrap();
        let open = |bytes: &[u8]| {
            let path = folder.path().join("perl");
            std::fs::write(&path, bytes).unwrap();
            Image::open(Path::new("perl"), &path).unwrap()
        };
        let whole = open(&bytes);
        bytes[E_SHOFF].fill(0);
        bytes[E_SHNUM_AND_SHSTRNDX].fill(0);
        let bare = open(&bytes);
        for image in [&whole, &bare] {
            assert!(image.mentions_perl());
            assert!(image.text_around(b" built for ", 10).is_some());
            assert!(image.data_parts().iter().any(|part| part.writable));
            let (mut first, mut count) = (None, 0);
            image.code_pieces(4, |address, bytes| {
                first.get_or_insert(address);
                count += bytes.len() as u64;
            });
            let code = image.code_parts();
            assert_eq!(first, Some(code[0].address));
            assert!(count >= total(&code) && total(&code) > 1 << 20);
        }
        assert!(bare.object().unwrap().sections().next().is_none());
        // One that was cut off, as loaders do not care.
        bytes[E_SHOFF].fill(0x7f);
        assert_eq!(open(&bytes).data_parts(), bare.data_parts());
    }

    #[test]
    fn parts_that_overlap_are_no_more_than_the_file() {
        let path = crate::image::perl_of_the_system();
        let image = Image::open(&path, &path).unwrap();
        let part = Part {
            address: 0,
            offset: 0,
            size: image.file.data.length() / 2,
            writable: false,
        };
        let empty = Part { size: 0, ..part };
        let huge = Part {
            size: u64::MAX,
            ..part
        };
        let many = [huge, part, empty, part, part, part].into_iter();
        assert_eq!(image.within_reason(many), [part, part]);
    }
}
