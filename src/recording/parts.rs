//! A block part by part. Taken as a whole, a block of frames would be twenty times as large in
//! memory as it is in the file before anybody could say that this is too much.

use super::RawError;
use crate::profile::MemoryBudget;
use serde::Deserialize;
use serde::de::DeserializeOwned;

/// What is left of a block.
#[derive(Debug)]
pub(super) struct Parts<'a> {
    rest: &'a [u8],
}

impl<'a> Parts<'a> {
    /// All of it.
    pub(super) fn new(block: &'a [u8]) -> Self {
        Parts { rest: block }
    }

    /// The next part.
    ///
    /// # Errors
    /// [`RawError::Damaged`] when the block's next bytes are no such part.
    pub(super) fn take<T: Deserialize<'a>>(&mut self) -> Result<T, RawError> {
        let (part, rest) = postcard::take_from_bytes(self.rest)
            .map_err(|_| RawError::Damaged("a block of it makes no sense"))?;
        self.rest = rest;
        Ok(part)
    }

    /// The last part, at the end of which an older p5-spy wrote so many numbers less: they are 0.
    ///
    /// # Errors
    /// [`RawError::Damaged`] when what is left is no such part even so.
    pub(super) fn take_last<T: DeserializeOwned>(&mut self, new: usize) -> Result<T, RawError> {
        let mut whole = self.rest.to_vec();
        whole.resize(whole.len().saturating_add(new), 0);
        Parts::new(&whole).take()
    }

    /// The length of a list, of whose members none is shorter than so many bytes.
    ///
    /// # Errors
    /// [`RawError::Damaged`] where the block has no room for as many.
    pub(super) fn length(&mut self, shortest: usize) -> Result<usize, RawError> {
        let length: usize = self.take()?;
        match length.checked_mul(shortest) {
            Some(bytes) if bytes <= self.rest.len() => Ok(length),
            _ => Err(RawError::Damaged("a list of it is longer than its block")),
        }
    }

    /// A list of numbers, which is taken out of the budget.
    ///
    /// # Errors
    /// [`RawError::Damaged`], [`RawError::TooLarge`].
    pub(super) fn column<T: Deserialize<'a>>(
        &mut self,
        budget: &mut MemoryBudget,
    ) -> Result<Vec<T>, RawError> {
        let length = self.length(1)?;
        budget.take((size_of::<T>() * length) as u64)?;
        let mut column = Vec::with_capacity(length);
        for _ in 0..length {
            column.push(self.take()?);
        }
        Ok(column)
    }
}
