//! The operating system: the only room with system calls, /proc, signals and polls. What every system
//! has in common is here; each has a folder with the same names, one of which is compiled.

mod ability;
mod linux;
mod process;
mod state;
mod unix;

pub use ability::Ability;
pub use linux::*;
pub use process::{MappedFile, Mapping, Process, ProcessError, data_ranges};
pub use state::{Runs, ThreadState};
pub use unix::*;
