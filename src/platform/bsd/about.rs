//! What the kernel tells of a process.

use crate::ids::Pid;
use std::time::Duration;

/// What the kernel says of a process by one question.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ProcessInfo {
    pub pid: Pid,
    pub parent: Pid,
    /// The user by whose rights it acts, the one who started it, and the one that it may become again.
    pub users: [u32; 3],
    /// The group for files.
    pub group: u32,
    pub name: Vec<u8>,
    /// As [`crate::platform::Listed::state`].
    pub state: u8,
    /// It runs no program.
    pub is_kernels: bool,
    /// Another number for every program that any process ever ran.
    pub began: u64,
    /// The same where a process goes on with another program.
    pub program: [u64; 4],
    /// Bytes of its address space, where that may be known.
    pub size: u64,
    /// When it was started, since 1970, where that may be known.
    pub started: Option<Duration>,
    /// It had more rights than its user has.
    pub had_rights: bool,
}

impl ProcessInfo {
    /// It has ended.
    pub(crate) fn is_over(&self) -> bool {
        self.state == b'Z'
    }
}
