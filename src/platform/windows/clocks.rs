//! The system's clocks.

use super::system::span;
use std::sync::LazyLock;
use std::time::Duration;
use windows_sys::Win32::Foundation::{FILETIME, HANDLE};
use windows_sys::Win32::System::Performance::{QueryPerformanceCounter, QueryPerformanceFrequency};
use windows_sys::Win32::System::SystemInformation::GetSystemTimePreciseAsFileTime;
use windows_sys::Win32::System::Threading::{
    GetCurrentProcess, GetCurrentThread, GetProcessTimes, GetThreadTimes,
};

/// Units of the counter in a second; fixed when the system starts.
static FREQUENCY: LazyLock<i64> = LazyLock::new(|| {
    let mut frequency = 0;
    // SAFETY: a valid place for the result.
    unsafe { QueryPerformanceFrequency(&mut frequency) };
    frequency.max(1)
});

/// Nanoseconds of the clock that never steps.
pub fn monotonic() -> u64 {
    let mut count = 0;
    // SAFETY: a valid place for the result.
    unsafe { QueryPerformanceCounter(&mut count) };
    let nanoseconds = i128::from(count) * 1_000_000_000 / i128::from(*FREQUENCY);
    u64::try_from(nanoseconds).unwrap_or(u64::MAX)
}

/// Units of 100 ns since 1601.
pub(super) fn file_time() -> u64 {
    let mut time = FILETIME::default();
    // SAFETY: a valid place for the result.
    unsafe { GetSystemTimePreciseAsFileTime(&mut time) };
    number(time)
}

fn number(time: FILETIME) -> u64 {
    u64::from(time.dwHighDateTime) << 32 | u64::from(time.dwLowDateTime)
}

/// A call that tells when something began and ended, and its time in the kernel and outside.
type Times = unsafe extern "system" fn(
    HANDLE,
    *mut FILETIME,
    *mut FILETIME,
    *mut FILETIME,
    *mut FILETIME,
) -> i32;

/// CPU time so far, of user and kernel together.
fn cpu_time(handle: HANDLE, times: Times) -> Option<Duration> {
    let [mut began, mut ended, mut kernel, mut user] = [FILETIME::default(); 4];
    // SAFETY: the handle is open, and there is room for the results.
    let asked = unsafe { times(handle, &mut began, &mut ended, &mut kernel, &mut user) };
    (asked != 0).then(|| span(number(kernel).saturating_add(number(user))))
}

/// CPU time of this process so far.
pub fn own_cpu_time() -> Duration {
    // SAFETY: the handle needs no closing.
    cpu_time(unsafe { GetCurrentProcess() }, GetProcessTimes).unwrap_or_default()
}

/// CPU time of the calling thread so far.
pub fn thread_cpu_time() -> Duration {
    // SAFETY: the handle needs no closing.
    cpu_time(unsafe { GetCurrentThread() }, GetThreadTimes).unwrap_or_default()
}

/// CPU time of a thread by its handle.
pub(super) fn time_of_thread(handle: HANDLE) -> Option<Duration> {
    cpu_time(handle, GetThreadTimes)
}

/// CPU time of a process by its handle.
pub(super) fn time_of_process(handle: HANDLE) -> Option<Duration> {
    cpu_time(handle, GetProcessTimes)
}
