//! A place to write to that takes only so much.

use crate::profile::TooLarge;
use std::io::{self, Write};

/// Passes on what is written as long as it is no more than it may be.
pub(super) struct Limited<'a> {
    to: &'a mut dyn Write,
    limit: u64,
    left: u64,
}

impl<'a> Limited<'a> {
    /// So many bytes.
    pub(super) fn new(to: &'a mut dyn Write, limit: u64) -> Self {
        Limited {
            to,
            limit,
            left: limit,
        }
    }
}

impl Write for Limited<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if bytes.len() as u64 > self.left {
            return Err(io::Error::other(TooLarge::File(self.limit)));
        }
        let written = self.to.write(bytes)?;
        self.left = self.left.saturating_sub(written as u64);
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.to.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_more_is_written() {
        let mut file = Vec::new();
        let mut limited = Limited::new(&mut file, 5);
        limited.write_all(b"abcd").unwrap();
        let refused = limited.write_all(b"ef").unwrap_err();
        assert!(refused.to_string().contains("larger than 5 bytes"));
        limited.write_all(b"e").unwrap();
        assert_eq!(file, b"abcde");
    }
}
