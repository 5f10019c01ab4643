//! Waiting, with an end.

use std::fs::File;
use std::io;
use std::os::fd::{AsRawFd, RawFd};
use std::time::Duration;

/// Sleeps so long, or until a signal comes.
pub fn sleep_unless_signalled(time: Duration) {
    // SAFETY: with no descriptors there is nothing to point to.
    unsafe { libc::poll(std::ptr::null_mut(), 0, milliseconds(time)) };
}

/// Waits for something to read, or until the time is over, or for a signal. False when whoever wrote
/// is gone; without a file standard input is meant.
///
/// # Errors
/// When the system refuses to wait.
pub fn wait_for_input(file: Option<&File>, time: Duration) -> io::Result<bool> {
    let number = file.map_or(libc::STDIN_FILENO, AsRawFd::as_raw_fd);
    match poll(number, time) {
        Ok(events) => Ok(events & (libc::POLLHUP | libc::POLLERR | libc::POLLNVAL) == 0),
        // Signals are looked at by the caller.
        Err(e) if e.kind() == io::ErrorKind::Interrupted => Ok(true),
        Err(e) => Err(e),
    }
}

/// Waits for something to read, or for its end. False when nothing came in that time.
pub fn answers_within(pipe: &impl AsRawFd, time: Duration) -> bool {
    !matches!(poll(pipe.as_raw_fd(), time), Ok(0))
}

fn milliseconds(time: Duration) -> i32 {
    i32::try_from(time.as_millis()).unwrap_or(i32::MAX)
}

fn poll(number: RawFd, time: Duration) -> io::Result<libc::c_short> {
    let mut poll = libc::pollfd {
        fd: number,
        events: libc::POLLIN,
        revents: 0,
    };
    // SAFETY: one structure that lives until the call returns.
    match unsafe { libc::poll(&raw mut poll, 1, milliseconds(time)) } {
        -1 => Err(io::Error::last_os_error()),
        _ => Ok(poll.revents),
    }
}
