//! The operating system: the only room with system calls, /proc, signals and polls. What every system
//! has in common is here; each has a folder with the same names, one of which is compiled. What is
//! alike on all Unix systems is in `platform/unix/`, what macOS and FreeBSD lack or share is in `platform/bsd/`.
//!
//! This file exports for each system the same functions and types, and that list is the contract: there is no
//! trait, as there is one system in each program. What they are made of comes from four places: right in it,
//! what every system tells in its own way or nothing is asked for (`platform/process.rs`, `state.rs`, `listed.rs`,
//! `incarnation.rs`, `obstacle.rs`, `open.rs` …); `platform/unix/`, what is POSIX (starting programs,
//! signals, files by descriptor, the confined child), with an arm for each system where they differ; a folder
//! for each system, `platform/linux/`, `platform/macos/`, `platform/freebsd/`, `platform/windows/`; and
//! `platform/bsd/`, what macOS and FreeBSD share and Linux has better: a file is held open instead of by its
//! place (`pinned.rs`, `regular.rs`), nobody knows the machine's load (`load.rs`), and the confined child has
//! no filter (`platform/bsd/confine/`). `platform/absent.rs` is what only Linux has: elsewhere nobody stands
//! beside a thread, and nothing is witnessed. What asks a kernel is thin (`platform/macos/kernel.rs`,
//! `task.rs`, `platform/freebsd/sysctl.rs`); what understands the answers is plain functions over bytes
//! (`platform/macos/images.rs`, `regions.rs`, `arguments.rs`, `groups.rs`; `platform/freebsd/kinfo.rs`,
//! `vmmap.rs`, `filedesc.rs`), which are compiled for tests everywhere. The main thread of a process has the
//! process's number as its id on all of them, as on Linux. `image/macho.rs` is what Mach-O files have
//! otherwise than ELF.

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
pub use process::{
    FileKind, MappedFile, Mapping, Process, ProcessError, data_ranges, own_data_ranges,
};
pub use readable::readable;
pub use shared_cpu::SharedCpu;
pub use shell::quoted;
pub use state::{HeldCpu, Leave, LeftRegisters, Priority, Runs, Stint, Testimony, ThreadState};
pub use streams::{SpawnError, Streams};
#[cfg(unix)]
pub use unix::*;
#[cfg(windows)]
pub use windows::*;
