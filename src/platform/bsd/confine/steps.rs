//! Giving up every right but those of one user, for good.

use super::owner::Owner;
use crate::platform::sandbox::{ConfineError, ConfineStep, Limits, limit, takes_ids};
use std::fs::File;
use std::io;

/// Turns the calling process, which must have a single thread, into one that can do for the owner
/// what he could, with the descriptors in `keep`.
pub(crate) fn confine_reader(
    owner: &Owner,
    limits: Limits,
    keep: &[i32],
) -> Result<(), ConfineError> {
    become_owner(owner)?;
    refuse_tracers();
    // SAFETY: takes nothing. A Ctrl-C is not for it. It ends when nobody is left at the other end of
    // its socket.
    unsafe { libc::setsid() };
    close_all_but(keep);
    // What is mapped now is not told on all systems: most of it is code that all processes share.
    #[cfg(target_os = "freebsd")]
    limit(libc::RLIMIT_AS, limits.memory.saturating_add(1 << 30))?;
    #[cfg(target_os = "macos")]
    limit(libc::RLIMIT_DATA, limits.memory.saturating_add(1 << 30))?;
    limit(libc::RLIMIT_CPU, limits.cpu)?;
    for none in [libc::RLIMIT_FSIZE, libc::RLIMIT_CORE] {
        limit(none, 0)?;
    }
    // As root it is nobody's process who counts them.
    limit(libc::RLIMIT_NPROC, 0)
}

/// The same before a program is executed that is the owner's.
///
/// # Errors
/// [`ConfineError`] of the first step that the system refuses; the program must not be run then.
pub fn confine_program(owner: &Owner, limits: Limits) -> Result<(), ConfineError> {
    become_owner(owner)?;
    limit(libc::RLIMIT_CPU, limits.cpu)?;
    limit(libc::RLIMIT_FSIZE, 0)?;
    limit(libc::RLIMIT_CORE, 0)
}

fn become_owner(owner: &Owner) -> Result<(), ConfineError> {
    if !takes_ids() {
        return Ok(());
    }
    let rights = &owner.rights;
    // SAFETY: these take numbers, and a list that is as long as said; they change this process only.
    // Root that sets an id sets the saved one as well.
    unsafe {
        if libc::setgroups(rights.groups.len() as _, rights.groups.as_ptr()) != 0 {
            return ConfineStep::Groups.failed();
        }
        if libc::setgid(rights.group) != 0 {
            return ConfineStep::Group.failed();
        }
        if libc::setuid(rights.user) != 0 {
            return ConfineStep::User.failed();
        }
        // It must not come back.
        if rights.user != 0 && libc::setuid(0) == 0 {
            return ConfineStep::User.failed();
        }
    }
    Ok(())
}

/// Nobody may trace or read this process, whoever has its user id.
fn refuse_tracers() {
    #[cfg(target_os = "freebsd")]
    {
        let mut disable = libc::PROC_TRACE_CTL_DISABLE;
        // SAFETY: 0 is the calling process; the number lives during the call.
        unsafe {
            libc::procctl(
                libc::P_PID,
                0,
                libc::PROC_TRACE_CTL,
                (&raw mut disable).cast(),
            )
        };
    }
    #[cfg(target_os = "macos")]
    // SAFETY: takes numbers; this request is about the calling process.
    unsafe {
        libc::ptrace(libc::PT_DENY_ATTACH, 0, std::ptr::null_mut(), 0)
    };
}

/// Closes what came along with the fork.
fn close_all_but(keep: &[i32]) {
    // SAFETY: takes numbers. What is closed is not used any more: this process only serves.
    unsafe {
        let most = libc::sysconf(libc::_SC_OPEN_MAX).clamp(256, 1 << 17);
        for fd in (0..most as i32).filter(|fd| !keep.contains(fd)) {
            libc::close(fd);
        }
    }
}

/// The folder of the calling process's own descriptors.
pub(crate) fn own_descriptors() -> io::Result<File> {
    File::open("/dev/fd")
}

/// What the calling process is called in lists from now on: as its parent.
pub(crate) fn call_itself_reader() {}
