//! Reading a raw recording, whole or cut off.

use super::{Block, MAGIC, MAX_BLOCK, VERSION};
use flate2::read::ZlibDecoder;
use std::io::{self, Read};

/// A raw recording that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum RawError {
    /// It cannot be read.
    #[error("it cannot be read: {0}")]
    Io(#[from] io::Error),
    /// It is something else.
    #[error("it is no raw recording (those are written by p5-spy record -o FILE.p5spy)")]
    Other,
    /// It is of another p5-spy.
    #[error("it has version {0} of the format, and this p5-spy reads version {VERSION}")]
    Version(u32),
    /// A block that came through whole makes no sense.
    #[error("it is damaged: {0}")]
    Damaged(&'static str),
}

/// Gives the blocks of a recording one by one.
#[derive(Debug)]
pub struct Reader<R> {
    from: R,
    complete: bool,
}

impl<R: Read> Reader<R> {
    /// Opens a recording.
    ///
    /// # Errors
    /// [`RawError`].
    pub fn new(mut from: R) -> Result<Self, RawError> {
        let mut head = [0; 12];
        let length = read_up_to(&mut from, &mut head)?;
        let (magic, version) = head.split_at(MAGIC.len());
        if length < head.len() || magic != MAGIC {
            return Err(RawError::Other);
        }
        match version.try_into().map(u32::from_le_bytes) {
            Ok(VERSION) => Ok(Reader {
                from,
                complete: false,
            }),
            Ok(other) => Err(RawError::Version(other)),
            Err(_) => Err(RawError::Other),
        }
    }

    /// The next block; `None` at the end, and where the file is cut off or no longer makes sense.
    ///
    /// # Errors
    /// [`RawError::Io`].
    pub fn block(&mut self) -> Result<Option<Block>, RawError> {
        let mut head = [0; 8];
        if self.complete || read_up_to(&mut self.from, &mut head)? < head.len() {
            return Ok(None);
        }
        let (length, sum) = head.split_at(4);
        let number = |bytes: &[u8]| bytes.try_into().map_or(0, u32::from_le_bytes);
        let (length, sum) = (u64::from(number(length)), number(sum));
        if length > MAX_BLOCK {
            return Ok(None);
        }
        let mut payload = Vec::new();
        self.from.by_ref().take(length).read_to_end(&mut payload)?;
        if payload.len() as u64 != length || crc32fast::hash(&payload) != sum {
            return Ok(None);
        }
        let mut plain = Vec::new();
        let inflated = ZlibDecoder::new(&*payload)
            .take(MAX_BLOCK)
            .read_to_end(&mut plain);
        let block: Option<Block> = inflated
            .ok()
            .and_then(|_| postcard::from_bytes(&plain).ok());
        self.complete = matches!(block, Some(Block::End(_)));
        Ok(block.map(super::shown::escaped))
    }

    /// The recording came to its end; false while there is more, and if it was cut off.
    pub fn is_complete(&self) -> bool {
        self.complete
    }
}

/// Fills as much of the buffer as there is.
fn read_up_to(from: &mut impl Read, buffer: &mut [u8]) -> io::Result<usize> {
    let mut bytes = Vec::with_capacity(buffer.len());
    from.by_ref()
        .take(buffer.len() as u64)
        .read_to_end(&mut bytes)?;
    for (to, byte) in buffer.iter_mut().zip(&bytes) {
        *to = *byte;
    }
    Ok(bytes.len())
}
