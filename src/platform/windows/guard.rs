//! Who owns a file, and who else may write to it: where Unix looks at an owner and nine bits.

use super::calls::raw;
use super::users::{is_systems, is_trusted, number_of};
use std::io;
use std::os::windows::io::AsHandle;
use std::ptr::null_mut;
use windows_sys::Win32::Foundation::{ERROR_SUCCESS, GENERIC_ALL, GENERIC_WRITE, LocalFree};
use windows_sys::Win32::Security::Authorization::{
    EXPLICIT_ACCESS_W, GetSecurityInfo, SE_FILE_OBJECT, SET_ACCESS, SetEntriesInAclW,
    SetSecurityInfo, TRUSTEE_IS_SID, TRUSTEE_IS_USER, TRUSTEE_W,
};
use windows_sys::Win32::Security::{
    ACCESS_ALLOWED_ACE, ACE_HEADER, ACL, DACL_SECURITY_INFORMATION, GetAce, INHERIT_ONLY_ACE,
    IsWellKnownSid, NO_INHERITANCE, OWNER_SECURITY_INFORMATION,
    PROTECTED_DACL_SECURITY_INFORMATION, PSID, WinCreatorOwnerRightsSid, WinCreatorOwnerSid,
};
use windows_sys::Win32::Storage::FileSystem::{
    DELETE, FILE_ALL_ACCESS, FILE_APPEND_DATA, FILE_DELETE_CHILD, FILE_WRITE_DATA, WRITE_DAC,
    WRITE_OWNER,
};
use windows_sys::Win32::System::SystemServices::{
    ACCESS_ALLOWED_ACE_TYPE, ACCESS_ALLOWED_CALLBACK_ACE_TYPE, ACCESS_DENIED_ACE_TYPE,
    ACCESS_DENIED_CALLBACK_ACE_TYPE,
};

/// What changes a file, or what is in a folder, or who may.
const WRITES: u32 = FILE_WRITE_DATA
    | FILE_APPEND_DATA
    | FILE_DELETE_CHILD
    | DELETE
    | WRITE_DAC
    | WRITE_OWNER
    | GENERIC_WRITE
    | GENERIC_ALL;

/// Who a file belongs to, and who may write to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Guard {
    /// Its owner, by the number that [`super::users`] gives it.
    pub(super) owner: u32,
    /// Somebody may write to it who is neither its owner, nor we, nor the system or an administrator.
    pub(super) others_write: bool,
}

/// A structure of the system's, freed when it is not needed any more.
struct Local(*mut core::ffi::c_void);

impl Drop for Local {
    fn drop(&mut self) {
        // SAFETY: the calls that made it say that this is how it is freed.
        unsafe { LocalFree(self.0) };
    }
}

impl Guard {
    /// That of an open file or folder.
    ///
    /// # Errors
    /// When the system does not tell the owner and the access list.
    pub(super) fn of(file: &impl AsHandle) -> io::Result<Self> {
        let (mut owner, mut list, mut all) = (null_mut(), null_mut(), null_mut());
        // SAFETY: the handle is open, and there is room for the results.
        let asked = unsafe {
            GetSecurityInfo(
                raw(&file.as_handle()),
                SE_FILE_OBJECT,
                OWNER_SECURITY_INFORMATION | DACL_SECURITY_INFORMATION,
                &mut owner,
                null_mut(),
                &mut list,
                null_mut(),
                &mut all,
            )
        };
        if asked != ERROR_SUCCESS {
            return Err(io::Error::from_raw_os_error(asked as i32));
        }
        let _freed = Local(all);
        let owner = number_of(owner).ok_or(io::ErrorKind::InvalidData)?;
        Ok(Guard {
            owner,
            // SAFETY: the system made the list, which lives as long as `_freed`.
            others_write: unsafe { others_write(list, owner) },
        })
    }
}

/// Whether a list lets somebody write whom we do not trust. No list lets everybody.
///
/// # Safety
/// The list is null, or one that the system made.
unsafe fn others_write(list: *const ACL, owner: u32) -> bool {
    if list.is_null() {
        return true;
    }
    // SAFETY: it is a list.
    let count = unsafe { (*list).AceCount };
    (0..u32::from(count)).any(|index| {
        let mut entry = null_mut();
        // SAFETY: it is a list, and there is room for the result.
        if unsafe { GetAce(list, index, &mut entry) } == 0 || entry.is_null() {
            return true;
        }
        // SAFETY: every entry begins with this.
        let head = unsafe { *entry.cast::<ACE_HEADER>() };
        let kind = u32::from(head.AceType);
        let is_for_others = u32::from(head.AceFlags) & INHERIT_ONLY_ACE != 0;
        if is_for_others
            || [ACCESS_DENIED_ACE_TYPE, ACCESS_DENIED_CALLBACK_ACE_TYPE].contains(&kind)
        {
            return false;
        }
        if ![ACCESS_ALLOWED_ACE_TYPE, ACCESS_ALLOWED_CALLBACK_ACE_TYPE].contains(&kind) {
            // What this one says is not known.
            return true;
        }
        // SAFETY: both kinds have this structure.
        let allowed = unsafe { &*entry.cast::<ACCESS_ALLOWED_ACE>() };
        let sid: PSID = (&raw const allowed.SidStart).cast_mut().cast();
        allowed.Mask & WRITES != 0 && !may_write(sid, owner)
    })
}

fn may_write(sid: PSID, owner: u32) -> bool {
    let is_owners = [WinCreatorOwnerSid, WinCreatorOwnerRightsSid]
        .iter()
        // SAFETY: the system made the identifier.
        .any(|kind| unsafe { IsWellKnownSid(sid, *kind) } != 0);
    is_owners
        || number_of(sid).is_some_and(|who| who == owner || is_trusted(who) || is_systems(who))
}

/// Lets nobody but its owner read or write a file from now on.
///
/// # Errors
/// When the access list cannot be replaced, as the file is another user's.
pub(super) fn make_private(file: &impl AsHandle) -> io::Result<()> {
    let (mut owner, mut all) = (null_mut(), null_mut());
    let handle = raw(&file.as_handle());
    let failed = |code: u32| match code {
        ERROR_SUCCESS => Ok(()),
        code => Err(io::Error::from_raw_os_error(code as i32)),
    };
    // SAFETY: the handle is open, and there is room for the results.
    failed(unsafe {
        GetSecurityInfo(
            handle,
            SE_FILE_OBJECT,
            OWNER_SECURITY_INFORMATION,
            &mut owner,
            null_mut(),
            null_mut(),
            null_mut(),
            &mut all,
        )
    })?;
    let _freed = Local(all);
    let only = EXPLICIT_ACCESS_W {
        grfAccessPermissions: FILE_ALL_ACCESS,
        grfAccessMode: SET_ACCESS,
        grfInheritance: NO_INHERITANCE,
        Trustee: TRUSTEE_W {
            TrusteeForm: TRUSTEE_IS_SID,
            TrusteeType: TRUSTEE_IS_USER,
            ptstrName: owner.cast(),
            ..Default::default()
        },
    };
    let mut list = null_mut();
    // SAFETY: the structure and what it points to live during the call.
    failed(unsafe { SetEntriesInAclW(1, &only, null_mut(), &mut list) })?;
    let _also = Local(list.cast());
    // SAFETY: the handle is open, and the list was just made.
    failed(unsafe {
        SetSecurityInfo(
            handle,
            SE_FILE_OBJECT,
            DACL_SECURITY_INFORMATION | PROTECTED_DACL_SECURITY_INFORMATION,
            null_mut(),
            null_mut(),
            list,
            null_mut(),
        )
    })
}
