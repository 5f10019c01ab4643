//! Core files of Linux: what the kernel, gcore or systemd-coredump kept of a process. One is a memory
//! ([`CoreMemory`]) and a view of a process ([`CoreProcess`]), and nothing else: who reads stacks does not
//! know the difference.
//!
//! A core file is anything. It is read in place, never as a whole; what it says of files is checked
//! against their build-ids, and a confined child opens them.
//!
//! A core file (`corefile/`) is attached to like a process. What attaching asks of a process beside its
//! memory is a trait, `ProcessView` (`attach/view.rs`): a live process is one, `CoreProcess`
//! (`corefile/process.rs`) the other. What is found in either is an `Inferior` (`attach/inferior.rs`), gdb's
//! word; a `Target` is one with a live process around it. The memory (`corefile/memory.rs`) reads the core
//! file in place, and what that leaves out of files from the files (`corefile/files.rs`):
//! `Examiner::of_former` has a child open them, and takes none whose build-id is another than the one that
//! the core file has of it. Notes (`corefile/notes.rs`) have the threads with their registers, the names of
//! the files and the signal.

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
