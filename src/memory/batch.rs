//! Many ranges to be read with one system call.

use super::ReadError;

/// Names one range of a [`Batch`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Slot(usize);

#[derive(Debug, Clone, Copy)]
pub(crate) struct Range {
    pub address: u64,
    pub start: usize,
    pub length: usize,
    pub read: bool,
}

/// A list of ranges and the buffer that takes their bytes. Made to be kept and reused: after the
/// first rounds it allocates nothing.
#[derive(Debug, Default)]
pub struct Batch {
    pub(crate) ranges: Vec<Range>,
    /// Longer than what is asked for after a batch that asked for more: bytes are not made anew, as
    /// clearing them would cost as much as reading them.
    pub(crate) buffer: Vec<u8>,
    used: usize,
}

impl Batch {
    /// The most bytes that one batch may ask for: above any stack perl can have in practice, and
    /// small enough that a hostile length cannot exhaust our memory.
    pub const LIMIT: usize = 256 << 20;

    /// An empty batch.
    pub fn new() -> Self {
        Self::default()
    }

    /// Forgets all ranges and keeps the allocations.
    pub fn clear(&mut self) {
        self.ranges.clear();
        self.used = 0;
    }

    /// Number of ranges.
    pub fn len(&self) -> usize {
        self.ranges.len()
    }

    /// True when nothing is asked for.
    pub fn is_empty(&self) -> bool {
        self.ranges.is_empty()
    }

    /// Asks for `length` bytes at `address`. Past [`Batch::LIMIT`] the range counts as unmapped.
    pub fn push(&mut self, address: u64, length: usize) -> Slot {
        let start = self.used;
        let fits = start.saturating_add(length) <= Self::LIMIT;
        let kept = if fits { length } else { 0 };
        self.used = start + kept;
        if self.buffer.len() < self.used {
            self.buffer.resize(self.used, 0);
        }
        self.ranges.push(Range {
            address,
            start,
            length: kept,
            read: false,
        });
        Slot(self.ranges.len() - 1)
    }

    /// The bytes of a range.
    ///
    /// # Errors
    /// [`ReadError::BadAddress`] when the range could not be read.
    #[inline]
    pub fn bytes(&self, slot: Slot) -> Result<&[u8], ReadError> {
        let range = self.ranges.get(slot.0);
        match range {
            Some(r) if r.read => {
                self.buffer
                    .get(r.start..r.start + r.length)
                    .ok_or(ReadError::BadAddress {
                        address: r.address,
                        length: r.length,
                    })
            }
            Some(r) => Err(ReadError::BadAddress {
                address: r.address,
                length: r.length,
            }),
            None => Err(ReadError::BadAddress {
                address: 0,
                length: 0,
            }),
        }
    }

    /// The ranges that were read, with their bytes.
    pub fn filled(&self) -> impl Iterator<Item = (u64, &[u8])> {
        self.ranges.iter().filter(|r| r.read).filter_map(|r| {
            let bytes = self.buffer.get(r.start..r.start + r.length)?;
            Some((r.address, bytes))
        })
    }

    /// Fills every range through `read(address, buffer) -> was it mapped`.
    pub fn fill_each(
        &mut self,
        mut read: impl FnMut(u64, &mut [u8]) -> Result<bool, ReadError>,
    ) -> Result<(), ReadError> {
        for range in &mut self.ranges {
            if let Some(buffer) = self.buffer.get_mut(range.start..range.start + range.length) {
                range.read = read(range.address, buffer)?;
            }
        }
        Ok(())
    }
}

/// As few spans as cover the ranges, in order. Ranges that are near each other are read as one: to
/// copy what lies between costs less than another range. As the ends of that gap lie in mapped
/// pages, and pages are larger, it has no hole.
pub fn cover(ranges: &[(u64, usize)], spans: &mut Vec<(u64, usize)>) {
    const NEAR: u64 = 1024;
    spans.clear();
    spans.extend_from_slice(ranges);
    spans.sort_unstable();
    spans.dedup_by(|next, span| {
        let end = span.0.saturating_add(span.1 as u64);
        let next_end = next.0.saturating_add(next.1 as u64);
        let is_near = next.0 <= end.saturating_add(NEAR);
        if is_near {
            span.1 = usize::try_from(end.max(next_end) - span.0).unwrap_or(span.1);
        }
        is_near
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn near_ranges_are_read_as_one() {
        let mut spans = vec![(1, 1)];
        let ranges = [
            (0x5000, 16),
            (0x1100, 32),
            (0x1000, 16),
            (0x1108, 64),
            (0x1110, 8),
        ];
        cover(&ranges, &mut spans);
        assert_eq!(spans, [(0x1000, 0x148), (0x5000, 16)]);
        cover(&[(u64::MAX - 8, 16), (u64::MAX - 100, 4)], &mut spans);
        assert_eq!(spans, [(u64::MAX - 100, 100)]);
        cover(&[], &mut spans);
        assert!(spans.is_empty());
    }
}
