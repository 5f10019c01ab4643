//! What this Windows is, and what it lets this user do.

use super::privilege;
use crate::platform::absent::no_shared_cpu;
use crate::platform::{Ability, readable};
use windows_sys::Wdk::System::SystemServices::RtlGetVersion;
use windows_sys::Win32::Foundation::STATUS_SUCCESS;
use windows_sys::Win32::System::SystemInformation::OSVERSIONINFOW;

/// What the system is, for a bug report.
pub fn system() -> String {
    let cpus = std::thread::available_parallelism().map_or(1, usize::from);
    let arch = std::env::consts::ARCH;
    let version = version().map_or(String::new(), |number| format!("{number} "));
    format!("Windows {version}{arch}, {cpus} CPUs")
}

/// Such as 10.0.22631, which is Windows 11: not what it pretends to be to programs of old.
fn version() -> Option<String> {
    let mut told = OSVERSIONINFOW {
        dwOSVersionInfoSize: u32::try_from(size_of::<OSVERSIONINFOW>()).ok()?,
        ..Default::default()
    };
    // SAFETY: the structure tells how long it is.
    let status = unsafe { RtlGetVersion(&raw mut told) };
    let [major, minor, build] = [told.dwMajorVersion, told.dwMinorVersion, told.dwBuildNumber];
    (status == STATUS_SUCCESS).then(|| format!("{major}.{minor}.{build}"))
}

/// Everything that depends on the machine, the most needed first.
pub fn abilities() -> Vec<Ability> {
    let mut all = readable();
    all.push(match privilege::debug() {
        true => Ability::there("the debug privilege", "is held (SeDebugPrivilege)"),
        false => Ability::missing(
            "the debug privilege",
            "is not held: processes with more rights cannot be read",
            Some("run p5-spy as administrator"),
        ),
    });
    all.push(no_shared_cpu());
    all
}
