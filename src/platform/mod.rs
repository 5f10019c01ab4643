//! The operating system: the only room with system calls, /proc, signals and polls. What every system
//! has in common is here; each has a folder with the same names, one of which is compiled.

mod gap;
#[cfg(target_os = "linux")]
mod linux;
mod listing;
mod obstacle;
mod process;
mod state;
mod streams;
#[cfg(unix)]
mod unix;
#[cfg(windows)]
mod windows;

pub use gap::Gap;
#[cfg(target_os = "linux")]
pub use linux::*;
pub use listing::{Listed, ancestors, own_line};
pub use obstacle::{Hiding, Obstacle};
pub use process::{
    FileKind, Glance, MappedFile, Mapping, OpenError, Process, ProcessError, data_ranges,
};
pub use state::{Priority, Runs, ThreadState};
pub use streams::{SpawnError, Streams};
#[cfg(unix)]
pub use unix::*;
#[cfg(windows)]
pub use windows::*;
