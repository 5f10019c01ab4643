//! The privilege to look into processes of other users (SeDebugPrivilege). Administrators have it, but
//! have to switch it on.

use super::calls::{owned, raw};
use crate::platform::Almighty;
use std::ptr::{null, null_mut};
use std::sync::LazyLock;
use windows_sys::Win32::Foundation::{ERROR_SUCCESS, GetLastError};
use windows_sys::Win32::Security::{
    AdjustTokenPrivileges, LUID_AND_ATTRIBUTES, LookupPrivilegeValueW, SE_DEBUG_NAME,
    SE_PRIVILEGE_ENABLED, TOKEN_ADJUST_PRIVILEGES, TOKEN_PRIVILEGES, TOKEN_QUERY,
};
use windows_sys::Win32::System::Threading::{GetCurrentProcess, OpenProcessToken};

static DEBUG: LazyLock<bool> = LazyLock::new(|| switch_on().unwrap_or(false));

/// Switches it on where we may have it. True where we have it.
pub(super) fn debug() -> bool {
    *DEBUG
}

/// Who may see every process.
pub const ALMIGHTY: Almighty = Almighty::Administrator;

/// True where no process is kept from us for being another user's.
pub fn sees_all() -> bool {
    debug()
}

fn switch_on() -> Option<bool> {
    let mut token = null_mut();
    let rights = TOKEN_ADJUST_PRIVILEGES | TOKEN_QUERY;
    // SAFETY: `token` is a valid place for the result.
    if unsafe { OpenProcessToken(GetCurrentProcess(), rights, &mut token) } == 0 {
        return None;
    }
    let token = owned(token).ok()?;
    let mut wanted = TOKEN_PRIVILEGES {
        PrivilegeCount: 1,
        Privileges: [LUID_AND_ATTRIBUTES {
            Luid: Default::default(),
            Attributes: SE_PRIVILEGE_ENABLED,
        }],
    };
    let [one] = &mut wanted.Privileges;
    // SAFETY: the name is a constant with its end, and there is room for the result.
    if unsafe { LookupPrivilegeValueW(null(), SE_DEBUG_NAME, &mut one.Luid) } == 0 {
        return None;
    }
    // SAFETY: the structure lives during the call, and nothing is asked for of the state before.
    let changed =
        unsafe { AdjustTokenPrivileges(raw(&token), 0, &wanted, 0, null_mut(), null_mut()) };
    // SAFETY: no preconditions. The call succeeds also where nothing was switched on.
    Some(changed != 0 && unsafe { GetLastError() } == ERROR_SUCCESS)
}
