//! Core files of Linux: what the kernel, gcore or systemd-coredump kept of a process. One is a memory
//! ([`CoreMemory`]) and a view of a process ([`CoreProcess`]), and nothing else: who reads stacks does not
//! know the difference.
//!
//! A core file is anything. It is read in place, never as a whole; what it says of files is checked
//! against their build-ids, and a confined child opens them.

mod files;
mod header;
mod heads;
mod kept;
mod linker;
mod memory;
mod notes;
mod packed;
mod pieces;
mod process;
mod siginfo;
mod words;

pub use header::{CoreError, CoreFile};
pub use kept::{KEPT, newest};
pub use memory::CoreMemory;
pub use notes::CoreThread;
pub use process::{CoreGaps, CoreProcess};
pub use siginfo::Ending;
