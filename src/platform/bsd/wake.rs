//! Being there when a sample is due. macOS binds no thread to a CPU, and on FreeBSD a wake-up does not set an
//! ordinary thread aside: a copy is taken from elsewhere, and is approximate.

use crate::platform::Priority;

/// Lets the calling thread onto its CPU the moment its timer fires, where the system can.
pub fn wake_at_once() -> Priority {
    #[cfg(target_os = "macos")]
    // SAFETY: takes numbers, and is about the calling thread.
    unsafe {
        libc::pthread_set_qos_class_self_np(libc::qos_class_t::QOS_CLASS_USER_INTERACTIVE, 0)
    };
    Priority::Ordinary
}
