//! What macOS and FreeBSD have in common, and what both lack. Threads are not met on their own CPU, no
//! record of switches is asked for, a file is held open instead of by its place, and who reads for
//! another user is a child with that user's rights, without a filter of system calls.

mod abilities;
mod about;
pub(crate) mod confine;
mod coschedule;
mod device;
mod listed;
pub mod load;
mod pinned;
mod process;
mod regular;
mod stamp;
mod thread;
mod trust;
mod witness;

pub use abilities::abilities;
pub(super) use about::About;
pub use coschedule::{CoSchedule, is_real_time, wake_at_once};
pub(super) use device::device_name;
pub use listed::{children_of, has_thread};
#[cfg(target_os = "macos")]
pub(super) use pinned::execute_as;
pub use pinned::{PinnedFile, is_mapped_file};
pub use regular::{Ground, is_place, place_at, place_below};
pub use stamp::Stamp;
pub use thread::OwnWait;
pub use witness::{Arrival, Witness};

/// The kernel's name of a system call. These systems do not tell which one a thread is in.
pub fn syscall_name(_machine: &str, _number: u32) -> Option<&'static str> {
    None
}

/// What is wrong with the place where processes are seen: here the kernel is asked.
pub fn missing_proc() -> Option<String> {
    None
}
