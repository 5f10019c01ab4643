//! What FreeBSD says of a process: by sysctl, and its memory by /proc/PID/mem, which does not stop it. The
//! parsers are compiled for tests everywhere.

mod filedesc;
#[cfg(target_os = "freebsd")]
mod hiding;
mod kinfo;
#[cfg(target_os = "freebsd")]
mod memory;
mod permission;
#[cfg(target_os = "freebsd")]
mod process;
#[cfg(target_os = "freebsd")]
mod sysctl;
#[cfg(target_os = "freebsd")]
mod thread;
mod vmmap;

#[cfg(target_os = "freebsd")]
pub use memory::LiveMemory;
#[cfg(target_os = "freebsd")]
pub use permission::obstacle;
#[cfg(target_os = "freebsd")]
pub(crate) use process::become_program;
#[cfg(target_os = "freebsd")]
pub use thread::ThreadWatch;
