//! Why the system forbids reading a process.

use super::calls::raw;
use super::handle::process;
use super::{privilege, users};
use crate::ids::Pid;
use crate::platform::{Hiding, Obstacle};
use windows_sys::Wdk::System::Threading::{NtQueryInformationProcess, PROCESSINFOCLASS};

/// ProcessProtectionInformation: one byte (PS_PROTECTION), 0 for an ordinary process.
const PROTECTION: PROCESSINFOCLASS = 61;

/// What stands in the way of reading process `pid`, given that something does.
pub fn obstacle(pid: Pid) -> Obstacle {
    if is_protected(pid) {
        return Obstacle::Protected;
    }
    if privilege::debug() {
        return Obstacle::SecuritySoftware;
    }
    match users::user_of(pid) {
        Ok(user) if user != users::effective_user() => Obstacle::OtherAccount(user),
        _ => Obstacle::NoDebugPrivilege,
    }
}

/// Nobody may read it, whatever his rights: antivirus, digital rights.
fn is_protected(pid: Pid) -> bool {
    let Ok(handle) = process(pid, 0) else {
        return false;
    };
    let (mut level, mut length) = (0_u8, 0);
    // SAFETY: the handle is open, and there is room for one byte.
    let status = unsafe {
        NtQueryInformationProcess(
            raw(&handle),
            PROTECTION,
            (&raw mut level).cast(),
            1,
            &mut length,
        )
    };
    status == 0 && level != 0
}

/// None: the list of processes is always there.
pub fn missing_proc() -> Option<String> {
    None
}

impl Hiding {
    /// None: every process is listed for everybody.
    pub fn of_proc() -> Option<Self> {
        None
    }
}
