//! What calls of the system take and give.

use std::io;
use std::os::windows::io::{AsRawHandle, FromRawHandle, OwnedHandle};
use windows_sys::Win32::Foundation::HANDLE;

/// What the system wants to know of a handle that is used.
pub(super) fn raw(handle: &impl AsRawHandle) -> HANDLE {
    handle.as_raw_handle()
}

/// A handle that a call gave, or why it gave none.
pub(super) fn owned(handle: HANDLE) -> io::Result<OwnedHandle> {
    match handle.is_null() {
        true => Err(io::Error::last_os_error()),
        // SAFETY: a call just made this handle, and nobody else has it.
        false => Ok(unsafe { OwnedHandle::from_raw_handle(handle) }),
    }
}

/// What a call that answers with a number other than zero came to.
pub(super) fn done(answer: i32) -> io::Result<()> {
    match answer {
        0 => Err(io::Error::last_os_error()),
        _ => Ok(()),
    }
}
