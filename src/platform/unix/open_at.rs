//! Opening what a name stands for in a folder that is open, which the standard library does not do.

use std::ffi::CStr;
use std::fs::File;
use std::io;
use std::os::fd::{AsRawFd, FromRawFd};

/// Opens it with these flags of open(2), and close-on-exec. `mode` is that of a new file. A signal
/// is no reason to give up.
///
/// # Errors
/// As openat(2) has them, but for EINTR.
pub(crate) fn open_at(
    folder: &impl AsRawFd,
    name: &CStr,
    flags: libc::c_int,
    mode: libc::mode_t,
) -> io::Result<File> {
    loop {
        // SAFETY: the descriptor is open, and the name lives during the call.
        let handle = unsafe {
            libc::openat(
                folder.as_raw_fd(),
                name.as_ptr(),
                flags | libc::O_CLOEXEC,
                // It may be shorter than what such a function takes.
                mode as libc::c_uint,
            )
        };
        if handle >= 0 {
            // SAFETY: the kernel just made this descriptor, and nobody else has it.
            return Ok(unsafe { File::from_raw_fd(handle) });
        }
        let error = io::Error::last_os_error();
        if error.kind() != io::ErrorKind::Interrupted {
            return Err(error);
        }
    }
}
