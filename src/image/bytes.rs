//! A file of which only the parts that are asked for are read: of a program of many megabytes the
//! symbols and a few strings are all that an attach needs.

use super::Budget;
use crate::platform::opened::read_exactly;
use object::read::ReadRef;
use std::fs::File;
use std::ops::Range;
use std::sync::{Arc, OnceLock};

/// The file is read in pieces of this size, each of them once.
const BLOCK: u64 = 4 << 10;
/// What is searched is read in pieces of this size, and not kept.
const SEARCHED: usize = 64 << 10;
/// So much of a string is looked at beyond its block.
const LONGEST_TEXT: u64 = 4 << 10;

/// An open file with a cache of what was read. What is not there (any more) is an error of the
/// read, never a fault: the file may be another user's. Threads may share it.
pub struct FileBytes {
    blocks: Box<[OnceLock<Box<[u8]>>]>,
    /// What goes beyond one block.
    long: OnceLock<Box<Long>>,
    /// `None` where there is nothing.
    file: Option<File>,
    /// Where in the file it begins.
    start: u64,
    length: u64,
    budget: Arc<Budget>,
}

/// Bytes beyond one block, and those that were read after them. There are few.
struct Long {
    start: u64,
    bytes: Box<[u8]>,
    next: OnceLock<Box<Long>>,
}

impl Drop for Long {
    /// One by one: a long list would exhaust the stack.
    fn drop(&mut self) {
        let mut next = self.next.take();
        while let Some(mut long) = next {
            next = long.next.take();
        }
    }
}

impl FileBytes {
    /// Wraps an open regular file of that length. What is read and kept of it is spent of the budget.
    pub fn new(file: File, length: u64, budget: Arc<Budget>) -> Self {
        let blocks = usize::try_from(length.div_ceil(BLOCK)).unwrap_or(0);
        FileBytes {
            blocks: (0..blocks).map(|_| OnceLock::new()).collect(),
            long: OnceLock::new(),
            file: Some(file),
            start: 0,
            length,
            budget,
        }
    }

    /// No file.
    pub fn nothing() -> Self {
        FileBytes {
            blocks: Box::default(),
            long: OnceLock::new(),
            file: None,
            start: 0,
            length: 0,
            budget: Arc::default(),
        }
    }

    /// Only that part of it, as if it were all; nothing where it does not reach so far.
    pub(super) fn narrowed(mut self, part: Range<u64>) -> Self {
        let length = part.end.checked_sub(part.start);
        match (self.file.take(), length) {
            (Some(file), Some(length)) if part.end <= self.length => FileBytes {
                start: self.start.saturating_add(part.start),
                ..FileBytes::new(file, length, self.budget())
            },
            _ => FileBytes::nothing(),
        }
    }

    /// What reading may still cost.
    pub fn budget(&self) -> Arc<Budget> {
        self.budget.clone()
    }

    /// A copy of a range, for who keeps it himself.
    pub fn copy(&self, range: Range<u64>) -> Option<Vec<u8>> {
        let length = range.end.checked_sub(range.start)?;
        if range.end > self.length {
            return None;
        }
        let length = usize::try_from(length).ok()?;
        self.bytes_of(range.start, length).map(Vec::from)
    }

    /// Makes an ELF file look as if it had no sections, which no loader asks for: for one whose table
    /// of them is damaged or cut off.
    pub fn hide_sections(&mut self) {
        let head = self.rest_of_block(0).unwrap_or_default();
        // e_shoff; e_shnum and e_shstrndx (elf.h), by e_ident[EI_CLASS].
        let places = match head.get(..5) {
            Some(b"\x7fELF\x01") => [0x20..0x24, 0x30..0x34],
            Some(b"\x7fELF\x02") => [0x28..0x30, 0x3c..0x40],
            _ => return,
        };
        let Some(head) = self.blocks.first_mut().and_then(OnceLock::get_mut) else {
            return;
        };
        for place in places {
            if let Some(bytes) = head.get_mut(place) {
                bytes.fill(0);
            }
        }
    }

    /// A range of the file, whatever its length.
    fn long(&self, offset: u64, size: u64) -> Option<&[u8]> {
        let wanted = usize::try_from(size).ok()?;
        let mut place = &self.long;
        loop {
            let kept = match place.get() {
                Some(kept) => kept,
                None => {
                    let bytes = self.bytes_of(offset, wanted)?;
                    // Where another thread was first, what it read is looked at, and then it is
                    // our turn.
                    place.get_or_init(|| {
                        Box::new(Long {
                            start: offset,
                            bytes,
                            next: OnceLock::new(),
                        })
                    })
                }
            };
            let start = offset
                .checked_sub(kept.start)
                .and_then(|skip| usize::try_from(skip).ok());
            if let Some(start) = start
                && let Some(end) = start.checked_add(wanted)
                && let Some(bytes) = kept.bytes.get(start..end)
            {
                return Some(bytes);
            }
            place = &kept.next;
        }
    }

    fn read(&self, buffer: &mut [u8], offset: u64) -> Option<()> {
        let at = self.start.checked_add(offset)?;
        read_exactly(self.file.as_ref()?, buffer, at).ok()
    }

    fn bytes_of(&self, offset: u64, length: usize) -> Option<Box<[u8]>> {
        self.budget.spend(length as u64).ok()?;
        let mut bytes = vec![0; length];
        self.read(&mut bytes, offset)?;
        Some(bytes.into_boxed_slice())
    }

    /// From `offset` to the end of its block.
    fn rest_of_block(&self, offset: u64) -> Option<&[u8]> {
        let block = self.blocks.get(usize::try_from(offset / BLOCK).ok()?)?;
        let bytes = match block.get() {
            Some(bytes) => bytes,
            None => {
                let start = offset - offset % BLOCK;
                let length = BLOCK.min(self.length.checked_sub(start)?);
                let bytes = self.bytes_of(start, usize::try_from(length).ok()?)?;
                block.get_or_init(|| bytes)
            }
        };
        bytes.get((offset % BLOCK) as usize..)
    }

    /// Reads a range piece by piece, without keeping what was read, as long as `look` wants more of
    /// it. A piece starts with the last `overlap` bytes of the one before it.
    pub fn pieces(
        &self,
        range: Range<u64>,
        overlap: usize,
        mut look: impl FnMut(u64, &[u8]) -> bool,
    ) -> Option<()> {
        let end = range.end.min(self.length);
        let mut at = range.start;
        let mut buffer = vec![0; usize::try_from(end.saturating_sub(at)).ok()?.min(SEARCHED)];
        while at < end {
            let want = usize::try_from(end - at).ok()?.min(buffer.len());
            let piece = buffer.get_mut(..want)?;
            self.read(piece, at)?;
            if !look(at, piece) || at + want as u64 == end {
                break;
            }
            at += (want.saturating_sub(overlap)).max(1) as u64;
        }
        Some(())
    }

    /// A range, if it lies within one that is held.
    fn held(&self, range: &Range<u64>) -> Option<&[u8]> {
        let mut next = self.long.get();
        while let Some(held) = next {
            let bounds = range.start.checked_sub(held.start);
            let bounds = bounds.zip(range.end.checked_sub(held.start));
            if let Some((start, end)) = bounds
                && let Some(bytes) = held.bytes.get(start as usize..end as usize)
            {
                return Some(bytes);
            }
            next = held.next.get();
        }
        None
    }

    /// Where `needle` first stands in a range.
    pub fn find(&self, range: Range<u64>, needle: &[u8]) -> Option<u64> {
        let finder = memchr::memmem::Finder::new(needle);
        if let Some(bytes) = self.held(&range) {
            return finder.find(bytes).map(|at| range.start + at as u64);
        }
        let mut found = None;
        // It may lie across the border of two pieces.
        self.pieces(range, needle.len().saturating_sub(1), |at, piece| {
            found = finder.find(piece).map(|skip| at + skip as u64);
            found.is_none()
        })?;
        found
    }

    /// Takes those off the list that stand in a range; each is read once for all of them.
    pub fn cross_off(&self, range: Range<u64>, needles: &mut Vec<&[u8]>) {
        let longest = needles.iter().map(|n| n.len()).max().unwrap_or(0);
        // Where it cannot be read, they are not there.
        let _ = self.pieces(range, longest.saturating_sub(1), |_, piece| {
            needles.retain(|needle| memchr::memmem::find(piece, needle).is_none());
            !needles.is_empty()
        });
    }

    /// Bytes in the file.
    pub fn length(&self) -> u64 {
        self.length
    }

    /// All of it, if it can be read.
    pub fn all(&self) -> &[u8] {
        self.long(0, self.length).unwrap_or_default()
    }
}

impl<'a> ReadRef<'a> for &'a FileBytes {
    fn len(self) -> Result<u64, ()> {
        Ok(self.length)
    }

    fn read_bytes_at(self, offset: u64, size: u64) -> Result<&'a [u8], ()> {
        let end = offset.checked_add(size).ok_or(())?;
        if end > self.length {
            return Err(());
        }
        let wanted = usize::try_from(size).map_err(|_| ())?;
        match self.rest_of_block(offset).and_then(|b| b.get(..wanted)) {
            Some(bytes) => Ok(bytes),
            None => self.long(offset, size).ok_or(()),
        }
    }

    fn read_bytes_at_until(self, range: Range<u64>, delimiter: u8) -> Result<&'a [u8], ()> {
        let rest = self.rest_of_block(range.start).ok_or(())?;
        let limit = range.end.saturating_sub(range.start);
        if let Some(end) = memchr::memchr(delimiter, rest)
            && (end as u64) < limit
        {
            return rest.get(..end).ok_or(());
        }
        // It goes on in the next block.
        let length = limit.min(rest.len() as u64 + LONGEST_TEXT);
        let length = length.min(self.length.saturating_sub(range.start));
        let bytes = self.long(range.start, length).ok_or(())?;
        let end = memchr::memchr(delimiter, bytes).ok_or(())?;
        bytes.get(..end).ok_or(())
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    pub fn file(bytes: &[u8]) -> FileBytes {
        let mut file = tempfile::tempfile().unwrap();
        std::io::Write::write_all(&mut file, bytes).unwrap();
        FileBytes::new(file, bytes.len() as u64, Arc::default())
    }

    #[test]
    fn any_range_is_what_the_file_has() {
        let bytes: Vec<u8> = (0..3 * BLOCK + 100).map(|i| (i % 251) as u8).collect();
        let shared = file(&bytes);
        let ranges = [
            (0, 4),
            (BLOCK - 2, 4),
            (5, 2 * BLOCK),
            (BLOCK, 2 * BLOCK + 100),
        ];
        let check = || {
            for (offset, size) in ranges {
                let expected = &bytes[offset as usize..(offset + size) as usize];
                assert_eq!((&shared).read_bytes_at(offset, size), Ok(expected));
            }
            assert_eq!(shared.all(), bytes);
        };
        std::thread::scope(|scope| (0..4).for_each(|_| drop(scope.spawn(check))));
        check();
        let past = 3 * BLOCK + 99;
        assert_eq!((&shared).read_bytes_at(past, 2), Err(()));
        assert_eq!((&shared).read_bytes_at(u64::MAX, 2), Err(()));
    }

    #[test]
    fn texts_are_found_wherever_they_stand() {
        let mut bytes = vec![b'x'; 2 * SEARCHED + 50];
        let places = [0, SEARCHED - 2, 2 * SEARCHED + 46];
        for (place, text) in places.iter().zip([b"here", b"over", b"last"]) {
            bytes[*place..place + 4].copy_from_slice(text);
        }
        let file = file(&bytes);
        let end = bytes.len() as u64;
        let texts: [&[u8]; 4] = [b"here", b"over", b"last", b"none"];
        let check = || {
            let found = texts.map(|text| file.find(0..end, text));
            let expected = places.map(|place| Some(place as u64));
            assert_eq!(found[..3], expected);
            assert_eq!(found[3], None);
            assert_eq!(file.find(1..end, b"here"), None);
            assert_eq!(file.find(0..end - 1, b"last"), None);
            assert_eq!(file.find(0..u64::MAX, b"last"), expected[2]);
            assert_eq!(file.find(end + 1..end + 9, b"last"), None);
            let mut missing = texts.to_vec();
            file.cross_off(0..end, &mut missing);
            assert_eq!(missing, [b"none"]);
        };
        check();
        // The same once all of it is held.
        assert_eq!(file.all().len(), bytes.len());
        check();
    }

    #[test]
    fn strings_may_cross_the_border_of_two_blocks() {
        let mut bytes = vec![b'x'; 2 * BLOCK as usize + 50];
        let border = BLOCK as usize;
        bytes[border - 5] = 0;
        bytes[border + 5] = 0;
        let file = file(&bytes);
        let until = |range| (&file).read_bytes_at_until(range, 0).map(<[u8]>::len);
        let end = bytes.len() as u64;
        assert_eq!(until(0..end), Ok(border - 5));
        assert_eq!(until(BLOCK - 4..end), Ok(9));
        assert_eq!(until(BLOCK - 4..BLOCK + 5), Err(()));
        assert_eq!(until(BLOCK + 6..end), Err(()));
        assert_eq!(until(end..end + 1), Err(()));
    }
}
