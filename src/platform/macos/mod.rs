//! What macOS says of a process: by proc_info and sysctl, and for who is a debugger to the system by the
//! process's task port. The parsers are compiled for tests everywhere.

mod arguments;
mod groups;
mod images;
#[cfg(target_os = "macos")]
mod kernel;
#[cfg(target_os = "macos")]
mod memory;
mod permission;
#[cfg(target_os = "macos")]
mod process;
mod regions;
mod sign;
#[cfg(target_os = "macos")]
mod task;
#[cfg(target_os = "macos")]
mod thread;

#[cfg(target_os = "macos")]
pub use memory::LiveMemory;
#[cfg(target_os = "macos")]
pub use permission::obstacle;
#[cfg(target_os = "macos")]
pub(crate) use process::become_program;
#[cfg(target_os = "macos")]
pub use sign::sign_as_debugger;
#[cfg(target_os = "macos")]
pub use thread::ThreadWatch;

/// The system hides no process.
#[cfg(target_os = "macos")]
impl crate::platform::Hiding {
    /// What is hidden from this very process: nothing.
    pub fn of_proc() -> Option<Self> {
        None
    }
}
