//! What macOS and FreeBSD have in common, and what both lack. Threads are not met on their own CPU, no
//! record of switches is asked for, a file is held open instead of by its place, and who reads for
//! another user is a child with that user's rights, without a filter of system calls.

mod abilities;
mod about;
pub(crate) mod confine;
mod device;
mod listed;
pub mod load;
mod pinned;
mod process;
mod regular;
mod stamp;
mod trust;
mod wake;

pub use abilities::abilities;
pub(super) use about::ProcessInfo;
pub(super) use device::device_name;
pub use listed::{children_of, has_thread};
#[cfg(target_os = "macos")]
pub(super) use pinned::execute_as;
pub use pinned::{PinnedFile, is_mapped_file};
pub use regular::{is_place, place_at, place_below};
pub use wake::wake_at_once;

/// What is wrong with the place where processes are seen: here the kernel is asked.
pub fn missing_proc() -> Option<String> {
    None
}
