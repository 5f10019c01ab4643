//! A target that exists only in our own memory: what tests walk and probe.

use super::{Batch, Memory, ReadError};
use std::collections::BTreeMap;

/// Byte segments at made-up addresses. Segments do not overlap; a range that crosses from one
/// into its direct neighbour is readable.
#[derive(Debug, Default, Clone)]
pub struct FakeMemory {
    segments: BTreeMap<u64, Vec<u8>>,
}

impl FakeMemory {
    /// Granularity of mappings, in bytes.
    pub const GRAIN: u64 = 256;

    /// Nothing mapped.
    pub fn new() -> Self {
        Self::default()
    }

    /// Maps `bytes` at `address`, replacing what starts there. Like a real mapping it ends on a
    /// boundary: zeros follow up to the next multiple of [`FakeMemory::GRAIN`].
    pub fn map(&mut self, address: u64, mut bytes: Vec<u8>) {
        let end = (address + bytes.len() as u64).next_multiple_of(Self::GRAIN);
        bytes.resize((end - address) as usize, 0);
        self.segments.insert(address, bytes);
    }

    /// The segment that contains `address`, to be written to.
    pub fn segment_mut(&mut self, address: u64) -> Option<(u64, &mut Vec<u8>)> {
        let (start, bytes) = self.segments.range_mut(..=address).next_back()?;
        (address - start < bytes.len() as u64).then_some((*start, bytes))
    }

    /// Start addresses and lengths of all segments.
    pub fn ranges(&self) -> impl Iterator<Item = (u64, u64)> + '_ {
        self.segments.iter().map(|(a, b)| (*a, b.len() as u64))
    }

    fn copy(&self, mut address: u64, mut buffer: &mut [u8]) -> bool {
        while !buffer.is_empty() {
            let Some((start, bytes)) = self.segments.range(..=address).next_back() else {
                return false;
            };
            let Some(rest) = usize::try_from(address - start)
                .ok()
                .and_then(|skip| bytes.get(skip..))
                .filter(|rest| !rest.is_empty())
            else {
                return false;
            };
            let take = rest.len().min(buffer.len());
            let (now, later) = buffer.split_at_mut(take);
            if let Some(source) = rest.get(..take) {
                now.copy_from_slice(source);
            }
            buffer = later;
            address = address.wrapping_add(take as u64);
        }
        true
    }
}

impl Memory for FakeMemory {
    fn fill(&self, batch: &mut Batch) -> Result<(), ReadError> {
        batch.fill_each(|address, buffer| Ok(self.copy(address, buffer)))
    }
}

/// A memory that knows how often it was read, for tests.
#[cfg(test)]
pub(super) struct Counting(FakeMemory, std::sync::atomic::AtomicU64);

#[cfg(test)]
impl Counting {
    pub(super) fn new(memory: FakeMemory) -> Self {
        Counting(memory, 0.into())
    }

    pub(super) fn calls(&self) -> u64 {
        self.1.load(std::sync::atomic::Ordering::Relaxed)
    }
}

#[cfg(test)]
impl Memory for Counting {
    fn fill(&self, batch: &mut Batch) -> Result<(), ReadError> {
        self.1.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        self.0.fill(batch)
    }
}
