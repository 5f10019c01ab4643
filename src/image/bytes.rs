//! A file of which only the parts that are asked for are read: of a program of many megabytes the
//! symbols and a few strings are all that an attach needs.

use object::read::{ReadCache, ReadRef};
use std::cell::OnceCell;
use std::fs::File;
use std::ops::Range;
use std::os::unix::fs::FileExt;

/// The file is read in pieces of this size, each of them once.
const BLOCK: u64 = 16 << 10;
/// What is searched is read in pieces of this size, and not kept.
const SEARCHED: usize = 32 << 10;

/// An open file with a cache of what was read. What is not there (any more) is an error of the
/// read, never a fault: the file may be another user's.
pub struct FileBytes {
    blocks: Box<[OnceCell<Box<[u8]>>]>,
    /// What goes beyond one block.
    long: ReadCache<File>,
    file: File,
    length: u64,
}

impl FileBytes {
    /// Wraps an open regular file of that length.
    ///
    /// # Errors
    /// When the system has no second descriptor for us.
    pub fn new(file: File, length: u64) -> std::io::Result<Self> {
        let blocks = usize::try_from(length.div_ceil(BLOCK)).unwrap_or(0);
        Ok(FileBytes {
            blocks: (0..blocks).map(|_| OnceCell::new()).collect(),
            long: ReadCache::new(file.try_clone()?),
            file,
            length,
        })
    }

    /// From `offset` to the end of its block.
    fn rest_of_block(&self, offset: u64) -> Option<&[u8]> {
        let block = self.blocks.get(usize::try_from(offset / BLOCK).ok()?)?;
        let bytes = match block.get() {
            Some(bytes) => bytes,
            None => {
                let start = offset - offset % BLOCK;
                let length = BLOCK.min(self.length.checked_sub(start)?);
                let mut bytes = vec![0; usize::try_from(length).ok()?];
                self.file.read_exact_at(&mut bytes, start).ok()?;
                block.get_or_init(|| bytes.into_boxed_slice())
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
        (&self.long)
            .read_bytes_at(0, self.length)
            .unwrap_or_default()
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
            None => (&self.long).read_bytes_at(offset, size),
        }
    }

    fn read_bytes_at_until(self, range: Range<u64>, delimiter: u8) -> Result<&'a [u8], ()> {
        let rest = self.rest_of_block(range.start).ok_or(())?;
        let limit = usize::try_from(range.end.saturating_sub(range.start)).unwrap_or(usize::MAX);
        match memchr::memchr(delimiter, rest) {
            Some(end) if end < limit => rest.get(..end).ok_or(()),
            // It goes on in the next block.
            _ => (&self.long).read_bytes_at_until(range, delimiter),
        }
    }
}
