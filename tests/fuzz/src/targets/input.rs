//! An input as a row of numbers. It never ends: zeros follow.

/// What is left of it.
pub struct Input<'a>(pub &'a [u8]);

impl Input<'_> {
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub fn byte(&mut self) -> usize {
        usize::from(self.array::<1>()[0])
    }

    /// A number below `count`.
    pub fn below(&mut self, count: usize) -> usize {
        u16::from_le_bytes(self.array()) as usize % count.max(1)
    }

    pub fn word(&mut self) -> u64 {
        u64::from_le_bytes(self.array())
    }

    fn array<const N: usize>(&mut self) -> [u8; N] {
        let mut taken = [0; N];
        let (now, later) = self.0.split_at(N.min(self.0.len()));
        taken[..now.len()].copy_from_slice(now);
        self.0 = later;
        taken
    }
}
