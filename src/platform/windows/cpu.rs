//! Being there when a sample is due. Windows tells nobody which CPU another thread is on, so that it cannot be
//! read from there: whoever samples gets a copy of more than one moment, which counts as approximate.

use crate::platform::Priority;
use windows_sys::Win32::System::Threading::{
    GetCurrentThread, SetThreadPriority, THREAD_PRIORITY_TIME_CRITICAL,
};

/// Lets the calling thread onto a CPU the moment its timer fires, as far as it may: the highest priority
/// that needs no rights. It runs for some microseconds per sample.
pub fn wake_at_once() -> Priority {
    // SAFETY: the handle is that of the calling thread; nobody else's priority changes.
    unsafe { SetThreadPriority(GetCurrentThread(), THREAD_PRIORITY_TIME_CRITICAL) };
    Priority::Ordinary
}

/// Each thread takes one handle, of which a process may have millions.
pub fn allow_many_watches() {}
