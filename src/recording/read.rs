//! Reading a raw recording, whole or cut off.

use super::{MAGIC, MAX_BLOCK, VERSION};
use crate::profile::{MemoryBudget, TooLarge};
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
    /// It stands for more than its size lets one expect.
    #[error(transparent)]
    TooLarge(#[from] TooLarge),
}

/// Gives the blocks of a recording one by one.
#[derive(Debug)]
pub(super) struct RecordingReader<R> {
    from: R,
}

impl<R: Read> RecordingReader<R> {
    /// Opens a recording.
    ///
    /// # Errors
    /// [`RawError`] when it cannot be read, is something else, or of a version that this p5-spy does not
    /// read.
    pub(super) fn new(mut from: R) -> Result<Self, RawError> {
        let mut head = [0; 12];
        let length = read_up_to(&mut from, &mut head)?;
        let (magic, version) = head.split_at(MAGIC.len());
        if length < head.len() || magic != MAGIC {
            return Err(RawError::Other);
        }
        match version.try_into().map(u32::from_le_bytes) {
            Ok(VERSION) => Ok(RecordingReader { from }),
            Ok(other) => Err(RawError::Version(other)),
            Err(_) => Err(RawError::Other),
        }
    }

    /// The next block, as postcard; `None` at the end, and where the file is cut off or no longer
    /// makes sense. What it takes is taken out of the budget.
    ///
    /// # Errors
    /// [`RawError::Io`], [`RawError::TooLarge`].
    pub(super) fn block(&mut self, budget: &mut MemoryBudget) -> Result<Option<Vec<u8>>, RawError> {
        let mut head = [0; 8];
        if read_up_to(&mut self.from, &mut head)? < head.len() {
            return Ok(None);
        }
        let (length, sum) = head.split_at(4);
        let number = |bytes: &[u8]| bytes.try_into().map_or(0, u32::from_le_bytes);
        let (length, sum) = (u64::from(number(length)), number(sum));
        if length > MAX_BLOCK {
            return Ok(None);
        }
        let mut payload = Vec::new();
        let allowed = length.min(budget.left());
        self.from.by_ref().take(allowed).read_to_end(&mut payload)?;
        if payload.len() as u64 != length {
            let is_cut = (payload.len() as u64) < allowed;
            return match is_cut {
                true => Ok(None),
                false => Err(budget.exceeded().into()),
            };
        }
        if crc32fast::hash(&payload) != sum {
            return Ok(None);
        }
        budget.take(length)?;
        // A buffer that grows is copied, and then there are two.
        let most = MAX_BLOCK.min(budget.left() / 2);
        let mut plain = Vec::new();
        let mut inflated = ZlibDecoder::new(&*payload).take(most.saturating_add(1));
        if inflated.read_to_end(&mut plain).is_err() {
            return Ok(None);
        }
        let took = plain.len() as u64;
        if took > most {
            return Err(budget.exceeded().into());
        }
        budget.give_back(length);
        budget.take(took)?;
        Ok(Some(plain))
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
