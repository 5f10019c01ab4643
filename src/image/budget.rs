//! What looking at files may cost in all: a small file can ask for any amount of memory and time.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// Bytes that are read and kept or decompressed, for one look at a process: several times what the
/// debug information of any perl takes.
const BYTES: u64 = 192 << 20;
/// How long debug information is read. That of a perl takes a tenth of a second on a busy machine.
const TIME: Duration = Duration::from_secs(3);

/// More was asked for than is allowed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Exceeded {
    /// More bytes than are kept or decompressed for one look.
    #[error("it takes more than {} MiB of memory to read, which no perl does", BYTES >> 20)]
    Bytes,
    /// More time than one look may take.
    #[error("it takes more than {} seconds to read, which no perl does", TIME.as_secs())]
    Time,
}

/// What is left to be spent.
#[derive(Debug)]
pub struct Budget {
    bytes: AtomicU64,
    end: Instant,
}

impl Default for Budget {
    fn default() -> Self {
        Budget {
            bytes: AtomicU64::new(BYTES),
            end: Instant::now() + TIME,
        }
    }
}

impl Budget {
    /// Spends so many bytes.
    ///
    /// # Errors
    /// [`Exceeded::Bytes`]; nothing is spent then.
    pub fn spend(&self, bytes: u64) -> Result<(), Exceeded> {
        let spent = self
            .bytes
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| {
                left.checked_sub(bytes)
            });
        spent.map(|_| ()).map_err(|_| Exceeded::Bytes)
    }

    /// Asks whether there is time left.
    ///
    /// # Errors
    /// [`Exceeded::Time`] when there is none.
    pub fn go_on(&self) -> Result<(), Exceeded> {
        match Instant::now() < self.end {
            true => Ok(()),
            false => Err(Exceeded::Time),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_spent_is_gone() {
        let budget = Budget::default();
        assert_eq!(budget.spend(BYTES - 1), Ok(()));
        assert_eq!(budget.spend(2), Err(Exceeded::Bytes));
        assert_eq!(budget.spend(1), Ok(()));
        assert_eq!(budget.spend(1), Err(Exceeded::Bytes));
        assert_eq!(budget.go_on(), Ok(()));
        let late = Budget {
            bytes: AtomicU64::new(1),
            end: Instant::now(),
        };
        assert_eq!(late.go_on(), Err(Exceeded::Time));
    }
}
