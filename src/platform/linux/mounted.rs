//! Whether /proc is there: without it there seems to be no process at all.

use std::path::Path;

/// What is wrong with /proc, and what to type; `None` where it is mounted.
pub fn missing_proc() -> Option<String> {
    // Whatever hides others, a process sees itself.
    if Path::new("/proc/self/stat").exists() {
        return None;
    }
    let what = match Path::new("/proc/version").exists() {
        true => "/proc is that of other processes (another PID namespace)",
        false => "/proc is not mounted",
    };
    let sudo = match crate::platform::effective_user() {
        0 => "",
        _ => "sudo ",
    };
    Some(format!(
        "{what}, and processes are seen only there: {sudo}mount -t proc proc /proc"
    ))
}
