//! How much memory a recording may take, and how large what is made of it may be.
//!
//! Recordings are compressed and say most things once, so that a small file made for the purpose
//! could stand for any amount. What an honest one takes grows with its length, and is far below what
//! is allowed here: an hour at 1000 Hz of 50 workers with 200,000 stacks, a file of 36 MB, takes half of
//! it at the most in all formats, and more only where each worker is to be shown for itself.

use crate::remedy::Remedy;
use std::fmt;

/// What any recording may take, however short.
const ALWAYS: u64 = 64 << 20;
/// Bytes of memory for each byte of the file: a frame that was met once, the dearest thing that a
/// recording has, takes about 60.
const IN_MEMORY: u64 = 128;
/// The same for what is made of it: a stack that was met once is 3 bytes of the file, and a line of
/// thirty names in a picture.
const IN_PICTURES: u64 = 1024;
/// What a file of somebody else's may take of memory when nobody said more.
const MOST: u64 = 1 << 30;

/// Upper bounds, in bytes; none where nothing was read from a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Room {
    /// Memory for the profile itself.
    pub profile: u64,
    /// Memory for what a picture is put together from.
    pub held: u64,
    /// The size of what is written.
    pub written: u64,
}

impl Default for Room {
    fn default() -> Self {
        Room {
            profile: u64::MAX,
            held: u64::MAX,
            written: u64::MAX,
        }
    }
}

impl Room {
    /// For a recording of our own making, of so many bytes: however long it is.
    pub fn of_own(length: u64) -> Self {
        let allowed = |times| length.saturating_mul(times).saturating_add(ALWAYS);
        Room {
            profile: allowed(IN_MEMORY),
            held: allowed(IN_PICTURES),
            written: allowed(IN_PICTURES),
        }
    }

    /// For a file of so many bytes. `asked` is the user's word, which stands above all else.
    pub fn of_file(length: u64, asked: Option<u64>) -> Self {
        let own = Room::of_own(length);
        Room {
            profile: asked.unwrap_or(own.profile.min(MOST)),
            held: asked.unwrap_or(own.held.min(MOST)),
            written: own.written.max(asked.unwrap_or(0)),
        }
    }

    /// That what a picture is put together from takes more.
    pub fn exceeded(&self) -> TooLarge {
        TooLarge::Memory(self.held)
    }

    /// Refuses what would be larger than this room.
    ///
    /// # Errors
    /// [`TooLarge`] when either number is above its bound.
    pub fn check(&self, held: u64, written: u64) -> Result<(), TooLarge> {
        if held > self.held {
            return Err(self.exceeded());
        }
        if written > self.written {
            return Err(TooLarge::File(self.written));
        }
        Ok(())
    }
}

/// Memory that is given out bit by bit.
#[derive(Debug)]
pub struct MemoryBudget {
    whole: u64,
    left: u64,
}

impl MemoryBudget {
    /// So many bytes.
    pub fn new(bytes: u64) -> Self {
        MemoryBudget {
            whole: bytes,
            left: bytes,
        }
    }

    /// What is left of it.
    pub fn left(&self) -> u64 {
        self.left
    }

    /// Takes some of it.
    ///
    /// # Errors
    /// When there is less.
    pub fn take(&mut self, bytes: u64) -> Result<(), TooLarge> {
        match self.left.checked_sub(bytes) {
            Some(left) => {
                self.left = left;
                Ok(())
            }
            None => Err(self.exceeded()),
        }
    }

    /// Gives back what is no longer used.
    pub fn give_back(&mut self, bytes: u64) {
        self.left = self.left.saturating_add(bytes).min(self.whole);
    }

    /// That there is too little.
    pub fn exceeded(&self) -> TooLarge {
        TooLarge::Memory(self.whole)
    }
}

/// More than a file of that size may take. The number is what it may, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TooLarge {
    /// The profile and what is made of it, in memory.
    #[error("it takes more than {} of memory, and an honest file of its size seldom does", ByteSize(*.0))]
    Memory(u64),
    /// What is written.
    #[error("it would be larger than {}, and what is made of an honest recording of this size seldom is", ByteSize(*.0))]
    File(u64),
}

impl TooLarge {
    /// What can be done about it, by somebody who knows where the file is from.
    pub fn remedy(self) -> Remedy {
        let (TooLarge::Memory(size) | TooLarge::File(size)) = self;
        Remedy::AllowMemory(size)
    }
}

/// A size for people.
struct ByteSize(u64);

impl fmt::Display for ByteSize {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            few @ ..1024 => write!(f, "{few} bytes"),
            some if some < 10 << 20 => write!(f, "{} KiB", some >> 10),
            many if many < 10 << 30 => write!(f, "{} MiB", many >> 20),
            many => write!(f, "{} GiB", many >> 30),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_users_word_stands_above_all_else() {
        let (short, long) = (50_000, 100 << 20);
        assert!(Room::of_file(short, None).profile < 80 << 20);
        assert_eq!(Room::of_file(long, None).profile, MOST);
        assert!(Room::of_own(long).profile > MOST);
        let asked = Room::of_file(short, Some(8 << 30));
        assert_eq!((asked.profile, asked.written), (8 << 30, 8 << 30));
        assert_eq!(Room::of_file(long, Some(1)).profile, 1);
    }

    #[test]
    fn a_budget_ends() {
        let mut budget = MemoryBudget::new(10);
        budget.take(7).unwrap();
        let refused = budget.take(4).unwrap_err().to_string();
        assert!(refused.contains("more than 10 bytes"), "{refused}");
        assert!(refused.contains("more than"), "{refused}");
        budget.give_back(7);
        budget.take(10).unwrap();
        budget.take(u64::MAX).unwrap_err();
    }
}
