//! The operating system: the only room with system calls, /proc, signals and polls. What every system
//! has in common is here; each has a folder with the same names, one of which is compiled. What is
//! alike on all Unix systems is in `unix/`, what macOS and FreeBSD lack or share is in `bsd/`.

mod ability;
#[cfg(not(target_os = "linux"))]
mod absent;
#[cfg(any(target_os = "netbsd", target_os = "openbsd", target_os = "dragonfly"))]
compile_error!(
    "p5-spy does not run on this system: OpenBSD lets a process be read by ptrace only, which stops it, \
     and for NetBSD and DragonFly nobody has written it yet"
);

#[cfg(any(target_os = "macos", target_os = "freebsd"))]
mod bsd;
#[cfg(any(target_os = "freebsd", test))]
mod freebsd;
mod gap;
mod incarnation;
#[cfg(target_os = "linux")]
mod linux;
mod listed;
#[cfg(any(target_os = "macos", test))]
mod macos;
mod obstacle;
mod open;
mod process;
mod readable;
#[cfg(any(target_os = "macos", target_os = "freebsd", test))]
mod record;
mod request;
mod runnable;
mod shared_cpu;
mod shell;
#[cfg(any(windows, test))]
mod slots;
mod state;
mod streams;
#[cfg(unix)]
mod unix;
#[cfg(windows)]
mod windows;

pub use ability::{Ability, Better};
#[cfg(not(target_os = "linux"))]
pub use absent::{
    Arrival, CoSchedule, OwnWait, RegisterWatch, Witness, is_real_time, resting_place, syscall_name,
};
#[cfg(any(target_os = "macos", target_os = "freebsd"))]
pub use bsd::*;
#[cfg(target_os = "freebsd")]
pub use freebsd::*;
pub use gap::Gap;
pub use incarnation::{Glance, Incarnation};
#[cfg(target_os = "linux")]
pub use linux::*;
pub use listed::{Listed, ancestors, own_line};
#[cfg(target_os = "macos")]
pub use macos::*;
pub use obstacle::{Almighty, Hiding, Obstacle};
pub use open::OpenError;
pub use process::{FileKind, MappedFile, Mapping, Process, ProcessError, data_ranges};
pub use readable::readable;
pub use shared_cpu::SharedCpu;
pub use shell::quoted;
pub use state::{HeldCpu, Leave, LeftRegisters, Priority, Runs, Testimony, ThreadState};
pub use streams::{SpawnError, Streams};
#[cfg(unix)]
pub use unix::*;
#[cfg(windows)]
pub use windows::*;
