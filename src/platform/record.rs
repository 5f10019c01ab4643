//! Numbers and texts at known places of what a kernel answers.

/// A record of the kernel's, in the byte order of the machine that it is on: every machine with one of
/// these systems has the low byte first.
#[derive(Clone, Copy)]
pub(crate) struct Record<'a>(pub(crate) &'a [u8]);

impl<'a> Record<'a> {
    fn part<const N: usize>(self, at: usize) -> Option<[u8; N]> {
        self.0.get(at..at.checked_add(N)?)?.try_into().ok()
    }

    /// A byte.
    #[cfg(any(target_os = "freebsd", test))]
    pub(crate) fn u8(self, at: usize) -> Option<u8> {
        self.0.get(at).copied()
    }

    /// A number of 16 bits.
    pub(crate) fn u16(self, at: usize) -> Option<u16> {
        self.part(at).map(u16::from_le_bytes)
    }

    /// A number of 32 bits.
    pub(crate) fn u32(self, at: usize) -> Option<u32> {
        self.part(at).map(u32::from_le_bytes)
    }

    /// The same with a sign.
    pub(crate) fn i32(self, at: usize) -> Option<i32> {
        self.part(at).map(i32::from_le_bytes)
    }

    /// A number of 64 bits.
    #[cfg(any(target_os = "freebsd", test))]
    pub(crate) fn u64(self, at: usize) -> Option<u64> {
        self.part(at).map(u64::from_le_bytes)
    }

    /// A text of at most so many bytes, up to its NUL.
    #[cfg(any(target_os = "freebsd", test))]
    pub(crate) fn text(self, at: usize, most: usize) -> &'a [u8] {
        let end = at.saturating_add(most).min(self.0.len());
        let bytes = self.0.get(at..end).unwrap_or_default();
        bytes.split(|b| *b == 0).next().unwrap_or_default()
    }
}
