//! Which program a process runs: an exec makes another of it, even where the file is the same.

use super::ProcessError;
use crate::ids::Pid;

/// A process from one exec to the next. While it is equal, memory that was understood once is still
/// what it was.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Incarnation {
    /// When the process began: ids come again.
    pub(super) began: u64,
    /// Where the kernel has put the program's code, heap and stack, which it chooses anew each time.
    /// The same numbers, whatever the process is, where we may not look into it.
    pub(super) places: [u64; 4],
}

/// What one look from outside tells of a process that has not ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Glance {
    /// The program.
    pub incarnation: Incarnation,
    /// Bytes of its address space: without a change nothing was loaded.
    pub size: u64,
    /// The process that started it, or took it over.
    pub parent: Pid,
}

impl ProcessError {
    /// The process is no more.
    pub fn is_end(&self) -> bool {
        matches!(
            self,
            ProcessError::NoSuchProcess(_) | ProcessError::Zombie(_)
        )
    }
}
