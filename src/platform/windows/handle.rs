//! Handles of processes and threads, with no more rights than are needed.

use super::calls::{owned, raw};
use super::privilege;
use crate::ids::{Pid, Tid};
use std::io;
use std::os::windows::io::OwnedHandle;
use windows_sys::Win32::System::Threading::{
    GetProcessId, OpenProcess, OpenThread, PROCESS_QUERY_LIMITED_INFORMATION,
    THREAD_QUERY_LIMITED_INFORMATION,
};

/// A process, by these rights beside the one to ask for its name and times.
///
/// # Errors
/// When there is no such process, or it may not be opened with these rights.
pub(super) fn process(pid: Pid, rights: u32) -> io::Result<OwnedHandle> {
    let number = number(pid.number())?;
    privilege::debug();
    let rights = rights | PROCESS_QUERY_LIMITED_INFORMATION;
    // SAFETY: takes numbers.
    let handle = owned(unsafe { OpenProcess(rights, 0, number) })?;
    // The system rounds ids down to a multiple of four.
    // SAFETY: the handle is open.
    match unsafe { GetProcessId(raw(&handle)) } == number {
        true => Ok(handle),
        false => Err(no_such()),
    }
}

/// A thread, by these rights beside the one to ask for its times.
///
/// # Errors
/// When there is no such thread, or it may not be opened with these rights.
pub(super) fn thread(tid: Tid, rights: u32) -> io::Result<OwnedHandle> {
    let number = number(tid.number())?;
    // SAFETY: takes numbers.
    owned(unsafe { OpenThread(rights | THREAD_QUERY_LIMITED_INFORMATION, 0, number) })
}

/// An id as the system takes it.
fn number(id: i64) -> io::Result<u32> {
    u32::try_from(id).map_err(|_| no_such())
}

/// The error of an id that nobody has.
pub(super) fn no_such() -> io::Error {
    use windows_sys::Win32::Foundation::ERROR_INVALID_PARAMETER;
    io::Error::from_raw_os_error(ERROR_INVALID_PARAMETER as i32)
}
