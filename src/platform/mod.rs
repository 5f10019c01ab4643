//! The operating system: the only room with system calls, /proc, signals and polls.

mod linux;
mod unix;

pub use linux::*;
pub use unix::*;
