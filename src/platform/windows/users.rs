//! Users. The system knows them by identifiers of many bytes (SIDs); within one run of p5-spy each has a
//! number.

use super::calls::{done, owned, raw};
use super::handle;
use super::wide::{text_of, up_to_end};
use crate::ids::Pid;
use std::io;
use std::ptr::null_mut;
use std::sync::{LazyLock, Mutex, PoisonError};
use windows_sys::Win32::Foundation::{HANDLE, LocalFree};
use windows_sys::Win32::Security::Authorization::ConvertSidToStringSidW;
use windows_sys::Win32::Security::{
    GetLengthSid, GetSidSubAuthority, GetSidSubAuthorityCount, GetTokenInformation, IsValidSid,
    IsWellKnownSid, LookupAccountSidW, PSID, TOKEN_INFORMATION_CLASS, TOKEN_MANDATORY_LABEL,
    TOKEN_OWNER, TOKEN_QUERY, TOKEN_USER, TokenIntegrityLevel, TokenOwner, TokenUser,
    WELL_KNOWN_SID_TYPE, WinBuiltinAdministratorsSid, WinLocalSystemSid,
};
use windows_sys::Win32::System::Threading::{
    GetCurrentProcess, OpenProcessToken, PROCESS_QUERY_LIMITED_INFORMATION,
};

/// Who was met so far; the number of each is its place, from 1. Nobody has 0, which is root's on Unix.
static KNOWN: Mutex<Vec<Vec<u8>>> = Mutex::new(Vec::new());
static OURS: LazyLock<Option<Ours>> = LazyLock::new(Ours::of_this_process);

/// The user whose rights we have, and the one that files of ours belong to: the group of the
/// administrators for who runs p5-spy as one.
#[derive(Debug, Clone, Copy)]
struct Ours {
    user: u32,
    owner: u32,
}

impl Ours {
    fn of_this_process() -> Option<Self> {
        // SAFETY: the handle of this process needs no closing.
        let token = token(unsafe { GetCurrentProcess() }).ok()?;
        let user = user_in(&token).ok()?;
        let owner = asked(&token, TokenOwner).ok().and_then(|answer| {
            // SAFETY: the answer begins with that structure, and is aligned for it.
            let sid = unsafe { (*answer.as_ptr().cast::<TOKEN_OWNER>()).Owner };
            number_of(sid)
        });
        Some(Ours {
            user,
            owner: owner.unwrap_or(user),
        })
    }
}

/// The user whose rights we have; 0 where the system does not tell.
pub fn effective_user() -> u32 {
    OURS.map_or(0, |ours| ours.user)
}

/// Whether what belongs to this user or group is ours, or that of who may do anything here.
pub(super) fn is_trusted(user: u32) -> bool {
    let is_ours = OURS.is_some_and(|ours| user == ours.user || user == ours.owner);
    is_ours || is_systems(user)
}

/// The system itself, those who install it, and the administrators.
pub(super) fn is_systems(user: u32) -> bool {
    with_sid(user, is_systems_sid).unwrap_or(false)
}

fn is_systems_sid(sid: PSID) -> bool {
    let is = |kind: WELL_KNOWN_SID_TYPE| {
        // SAFETY: the identifier is valid and lives during the call.
        unsafe { IsWellKnownSid(sid, kind) != 0 }
    };
    is(WinLocalSystemSid) || is(WinBuiltinAdministratorsSid) || is_installer(sid)
}

/// "NT SERVICE\TrustedInstaller", which owns the system's files.
fn is_installer(sid: PSID) -> bool {
    text(sid).is_some_and(|text| {
        text == "S-1-5-80-956008885-3418522649-1831038044-1853292631-2271478464"
    })
}

/// The user of a process.
///
/// # Errors
/// When there is no such process, or it may not be asked.
pub(super) fn user_of(pid: Pid) -> io::Result<u32> {
    let process = handle::process(pid, PROCESS_QUERY_LIMITED_INFORMATION)?;
    user_in(&token(raw(&process))?)
}

/// What the system lets a process do to others (the integrity level): that of an administrator's console
/// is above that of other programs of the same user.
///
/// # Errors
/// When there is no such process, or it may not be asked.
pub(super) fn level_of(pid: Pid) -> io::Result<u32> {
    let process = handle::process(pid, PROCESS_QUERY_LIMITED_INFORMATION)?;
    let answer = asked(&token(raw(&process))?, TokenIntegrityLevel)?;
    // SAFETY: the answer begins with that structure, and is aligned for it.
    let sid = unsafe { (*answer.as_ptr().cast::<TOKEN_MANDATORY_LABEL>()).Label.Sid };
    // SAFETY: it may be null, and else is in the answer.
    if sid.is_null() || unsafe { IsValidSid(sid) } == 0 {
        return Err(io::ErrorKind::InvalidData.into());
    }
    // SAFETY: it is valid.
    let count = unsafe { *GetSidSubAuthorityCount(sid) };
    let last = u32::from(count)
        .checked_sub(1)
        .ok_or(io::ErrorKind::InvalidData)?;
    // SAFETY: it is valid, and has that many numbers.
    Ok(unsafe { *GetSidSubAuthority(sid, last) })
}

fn token(process: HANDLE) -> io::Result<std::os::windows::io::OwnedHandle> {
    let mut token = null_mut();
    // SAFETY: the handle is open, and `token` is a valid place for the result.
    done(unsafe { OpenProcessToken(process, TOKEN_QUERY, &mut token) })?;
    owned(token)
}

fn user_in(token: &std::os::windows::io::OwnedHandle) -> io::Result<u32> {
    let answer = asked(token, TokenUser)?;
    // SAFETY: the answer begins with that structure, and is aligned for it.
    let sid = unsafe { (*answer.as_ptr().cast::<TOKEN_USER>()).User.Sid };
    number_of(sid).ok_or_else(|| io::ErrorKind::InvalidData.into())
}

/// What a token says, in words so that structures in it are aligned.
fn asked(
    token: &std::os::windows::io::OwnedHandle,
    class: TOKEN_INFORMATION_CLASS,
) -> io::Result<Vec<u64>> {
    /// A structure and an identifier, which has 68 bytes at most.
    const WORDS: usize = 32;
    let mut answer = vec![0_u64; WORDS];
    let mut length = 0;
    let room = (WORDS * size_of::<u64>()) as u32;
    // SAFETY: the handle is open, and the buffer is as long as is said.
    done(unsafe {
        GetTokenInformation(
            raw(token),
            class,
            answer.as_mut_ptr().cast(),
            room,
            &mut length,
        )
    })?;
    Ok(answer)
}

/// The number of a user; `None` for what is no identifier.
pub(super) fn number_of(sid: PSID) -> Option<u32> {
    // SAFETY: the caller has it from the system, and it may be null.
    if sid.is_null() || unsafe { IsValidSid(sid) } == 0 {
        return None;
    }
    // SAFETY: it is valid.
    let length = unsafe { GetLengthSid(sid) } as usize;
    // SAFETY: so many bytes are there.
    let bytes = unsafe { std::slice::from_raw_parts(sid.cast::<u8>(), length) };
    let mut known = KNOWN.lock().unwrap_or_else(PoisonError::into_inner);
    let place = match known.iter().position(|one| one == bytes) {
        Some(place) => place,
        None => {
            known.push(bytes.to_vec());
            known.len() - 1
        }
    };
    u32::try_from(place + 1).ok()
}

/// Does something with the identifier of a user.
fn with_sid<T>(user: u32, work: impl FnOnce(PSID) -> T) -> Option<T> {
    let known = KNOWN.lock().unwrap_or_else(PoisonError::into_inner);
    let place = usize::try_from(user).ok()?.checked_sub(1)?;
    let mut bytes = known.get(place)?.clone();
    drop(known);
    Some(work(bytes.as_mut_ptr().cast()))
}

/// The name of a user; its identifier where it has none.
pub fn user_name(user: u32) -> String {
    let name = with_sid(user, |sid| account(sid).or_else(|| text(sid)));
    name.flatten().unwrap_or_else(|| "?".into())
}

fn account(sid: PSID) -> Option<String> {
    /// The longest name of an account has 256 units.
    const ROOM: usize = 512;
    let (mut name, mut domain) = ([0_u16; ROOM], [0_u16; ROOM]);
    let (mut name_room, mut domain_room) = (ROOM as u32, ROOM as u32);
    let mut kind = 0;
    // SAFETY: the identifier is valid, and the buffers are as long as is said.
    let found = unsafe {
        LookupAccountSidW(
            std::ptr::null(),
            sid,
            name.as_mut_ptr(),
            &mut name_room,
            domain.as_mut_ptr(),
            &mut domain_room,
            &mut kind,
        )
    };
    let name = text_of(up_to_end(&name));
    (found != 0 && !name.is_empty()).then(|| crate::text::from_utf8(name.as_encoded_bytes()))
}

/// As it is usually written: `S-1-5-18`.
fn text(sid: PSID) -> Option<String> {
    let mut place = null_mut();
    // SAFETY: the identifier is valid, and there is room for the result.
    if unsafe { ConvertSidToStringSidW(sid, &mut place) } == 0 || place.is_null() {
        return None;
    }
    /// No identifier is longer.
    const LONGEST: usize = 256;
    // SAFETY: the system made a text with an end, which is looked for.
    let units: Vec<u16> = (0..LONGEST)
        .map(|at| unsafe { *place.add(at) })
        .take_while(|unit| *unit != 0)
        .collect();
    // SAFETY: the call said that this is how it is freed.
    unsafe { LocalFree(place.cast()) };
    String::from_utf16(&units).ok()
}
