//! Waiting, with an end.

use super::calls::raw;
use super::signals;
use std::fs::File;
use std::io;
use std::os::windows::io::AsRawHandle;
use std::ptr::null_mut;
use std::time::{Duration, Instant};
use windows_sys::Win32::Foundation::{HANDLE, WAIT_FAILED};
use windows_sys::Win32::System::Console::{
    GetNumberOfConsoleInputEvents, GetStdHandle, STD_INPUT_HANDLE,
};
use windows_sys::Win32::System::Pipes::PeekNamedPipe;
use windows_sys::Win32::System::Threading::WaitForSingleObject;

/// No wait is interrupted by a request: so often it is looked at.
const STEP: Duration = Duration::from_millis(50);

/// Sleeps so long, or until somebody asks p5-spy to end.
pub fn sleep_unless_signalled(time: Duration) {
    signals::wait(time);
}

/// Waits for something to read, or until the time is over, or for a request. False when the console is
/// gone; without a file standard input is meant.
///
/// # Errors
/// When the system refuses to wait.
pub fn wait_for_input(file: Option<&File>, time: Duration) -> io::Result<bool> {
    let handle = match file {
        Some(file) => raw(file),
        // SAFETY: takes a number.
        None => unsafe { GetStdHandle(STD_INPUT_HANDLE) },
    };
    let step = u32::try_from(time.min(STEP).as_millis()).unwrap_or(0);
    // SAFETY: the handle is open.
    if unsafe { WaitForSingleObject(handle, step) } == WAIT_FAILED {
        return Err(io::Error::last_os_error());
    }
    Ok(is_console(handle))
}

fn is_console(handle: HANDLE) -> bool {
    let mut events = 0;
    // SAFETY: the handle is open, and there is room for the result.
    unsafe { GetNumberOfConsoleInputEvents(handle, &mut events) != 0 }
}

/// Waits for something to read, or for its end. False when nothing came in that time.
pub fn answers_within(pipe: &impl AsRawHandle, time: Duration) -> bool {
    /// The system has no wait for a pipe.
    const PAUSE: Duration = Duration::from_millis(1);
    let until = Instant::now() + time;
    loop {
        let mut there = 0;
        // SAFETY: the handle is open, and there is room for the result.
        let asked =
            unsafe { PeekNamedPipe(raw(pipe), null_mut(), 0, null_mut(), &mut there, null_mut()) };
        if asked == 0 || there > 0 {
            return true;
        }
        if Instant::now() >= until {
            return false;
        }
        std::thread::sleep(PAUSE);
    }
}
