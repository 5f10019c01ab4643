//! A file of which only the parts that are asked for are read: of a program of many megabytes the
//! symbols and a few strings are all that an attach needs.

use object::read::ReadRef;
use std::fs::File;
use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::sync::OnceLock;

/// The file is read in pieces of this size, each of them once.
const BLOCK: u64 = 4 << 10;
/// What is searched is read in pieces of this size, and not kept.
const SEARCHED: usize = 16 << 10;
/// So much of a string is looked at beyond its block.
const LONGEST_TEXT: u64 = 4 << 10;

/// An open file with a cache of what was read. What is not there (any more) is an error of the
/// read, never a fault: the file may be another user's. Threads may share it.
pub struct FileBytes {
    blocks: Box<[OnceLock<Box<[u8]>>]>,
    /// What goes beyond one block.
    long: OnceLock<Box<Long>>,
    file: File,
    length: u64,
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
    /// Wraps an open regular file of that length.
    pub fn new(file: File, length: u64) -> Self {
        let blocks = usize::try_from(length.div_ceil(BLOCK)).unwrap_or(0);
        FileBytes {
            blocks: (0..blocks).map(|_| OnceLock::new()).collect(),
            long: OnceLock::new(),
            file,
            length,
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

    fn bytes_of(&self, offset: u64, length: usize) -> Option<Box<[u8]>> {
        let mut bytes = vec![0; length];
        self.file.read_exact_at(&mut bytes, offset).ok()?;
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

    /// Where `needle` first stands in a range, without keeping what was read.
    pub fn find(&self, range: Range<u64>, needle: &[u8]) -> Option<u64> {
        let mut buffer = vec![0; SEARCHED];
        let mut at = range.start;
        let end = range.end.min(self.length);
        while at < end {
            let want = usize::try_from(end - at).ok()?.min(buffer.len());
            let piece = buffer.get_mut(..want)?;
            self.file.read_exact_at(piece, at).ok()?;
            if let Some(found) = memchr::memmem::find(piece, needle) {
                return Some(at + found as u64);
            }
            // It may lie across the border.
            at += (want.saturating_sub(needle.len() - 1)).max(1) as u64;
        }
        None
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
        FileBytes::new(file, bytes.len() as u64)
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
