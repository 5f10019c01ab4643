//! Giving up every right but those of one user, for good.

use super::owner::Owner;
use super::seccomp;
use crate::platform::sandbox::{ConfineError, ConfineStep, Limits, limit, takes_ids};
use std::fs::File;
use std::io;
use std::os::fd::AsRawFd;

/// Turns the calling process, which must have a single thread, into one that can do for the owner
/// what he could, with files to be read and the descriptors in `keep`.
pub(crate) fn confine_reader(
    owner: &Owner,
    limits: Limits,
    keep: &[i32],
) -> Result<(), ConfineError> {
    let same_root = owner.sees_our_root();
    let size = address_space();
    become_ordinary();
    become_owner(owner, same_root)?;
    // SAFETY: these change this process only, and take numbers.
    unsafe {
        // Nobody may trace or read it, whoever has its user id.
        libc::prctl(libc::PR_SET_DUMPABLE, 0, 0, 0, 0);
        // A Ctrl-C is not for it. It ends when nobody is left at the other end of its socket.
        libc::setsid();
    }
    close_all_but(keep);
    limit(libc::RLIMIT_AS, size.saturating_add(limits.memory))?;
    limit(libc::RLIMIT_CPU, limits.cpu)?;
    for none in [libc::RLIMIT_FSIZE, libc::RLIMIT_CORE, libc::RLIMIT_NPROC] {
        limit(none, 0)?;
    }
    seccomp::allow_reading(!same_root && !takes_ids())
        .map(|_| ())
        .or_else(|_| ConfineStep::Filter.failed())
}

/// The same before a program is executed that is the owner's: it may do what a program needs that
/// talks on its standard streams.
///
/// # Errors
/// [`ConfineError`] of the first step that the system refuses; the program must not be run then.
pub fn confine_program(owner: &Owner, limits: Limits) -> Result<(), ConfineError> {
    become_ordinary();
    become_owner(owner, owner.sees_our_root())?;
    // Changing ids takes this back, so it comes after.
    // SAFETY: takes numbers.
    unsafe { libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL, 0, 0, 0) };
    limit(libc::RLIMIT_AS, limits.memory)?;
    limit(libc::RLIMIT_CPU, limits.cpu)?;
    limit(libc::RLIMIT_FSIZE, 0)?;
    limit(libc::RLIMIT_CORE, 0)?;
    seccomp::forbid_the_unwanted()
        .map(|_| ())
        .or_else(|_| ConfineStep::Filter.failed())
}

/// An ordinary place in the queue for any CPU, whatever the thread had that made it.
fn become_ordinary() {
    // SAFETY: all zeros are the parameter of an ordinary policy; a set of CPUs is plain bits. Where
    // the system refuses, it stays as it was, which is no danger.
    unsafe {
        let parameter: libc::sched_param = std::mem::zeroed();
        libc::syscall(
            libc::SYS_sched_setscheduler,
            0,
            libc::SCHED_OTHER,
            &raw const parameter,
        );
        let every = [u8::MAX; size_of::<libc::cpu_set_t>()];
        libc::syscall(libc::SYS_sched_setaffinity, 0, every.len(), every.as_ptr());
    }
}

fn become_owner(owner: &Owner, same_root: bool) -> Result<(), ConfineError> {
    // SAFETY: these take numbers, a C string, and a list that is as long as said; they change this
    // process only.
    unsafe {
        if takes_ids() {
            let rights = &owner.rights;
            let enter = !same_root;
            if enter
                && (libc::fchdir(owner.root.as_raw_fd()) != 0 || libc::chroot(c".".as_ptr()) != 0)
            {
                return ConfineStep::Root.failed();
            }
            drop_bounding_set();
            if libc::setgroups(rights.groups.len() as _, rights.groups.as_ptr()) != 0 {
                return ConfineStep::Groups.failed();
            }
            if libc::setresgid(rights.group, rights.group, rights.group) != 0 {
                return ConfineStep::Group.failed();
            }
            if libc::setresuid(rights.user, rights.user, rights.user) != 0 {
                return ConfineStep::User.failed();
            }
        }
        if libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 {
            return ConfineStep::NoNewPrivileges.failed();
        }
        libc::prctl(
            libc::PR_CAP_AMBIENT,
            libc::PR_CAP_AMBIENT_CLEAR_ALL,
            0,
            0,
            0,
        );
        // linux/capability.h: version 3 has two sets of three words.
        let head = [0x2008_0522_u32, 0];
        let none = [0u32; 6];
        if libc::syscall(libc::SYS_capset, head.as_ptr(), none.as_ptr()) != 0 {
            return ConfineStep::Capabilities.failed();
        }
    }
    Ok(())
}

/// So that no program that is executed later gets a capability either. Takes a capability itself;
/// without it `no_new_privs` has to do.
fn drop_bounding_set() {
    // SAFETY: takes numbers; the first that is none ends it.
    unsafe {
        for capability in 0..64 {
            if libc::prctl(libc::PR_CAPBSET_DROP, capability, 0, 0, 0) != 0 {
                break;
            }
        }
    }
}

/// Bytes that are mapped now.
fn address_space() -> u64 {
    let statm = std::fs::read_to_string("/proc/self/statm").unwrap_or_default();
    let pages = statm.split(' ').next().and_then(|n| n.parse::<u64>().ok());
    // SAFETY: sysconf has no preconditions.
    let page = unsafe { libc::sysconf(libc::_SC_PAGESIZE) };
    pages
        .unwrap_or(1 << 18)
        .saturating_mul(u64::try_from(page).unwrap_or(4096))
}

/// Closes what came along with the fork.
fn close_all_but(keep: &[i32]) {
    let mut keep: Vec<u32> = keep
        .iter()
        .filter_map(|fd| u32::try_from(*fd).ok())
        .collect();
    keep.sort_unstable();
    let mut from = 0;
    for last in keep.into_iter().map(Some).chain([None]) {
        let to = last.map_or(u32::MAX, |fd| fd.wrapping_sub(1));
        if last.is_none_or(|fd| fd > from) {
            close_range(from, to);
        }
        from = last.map_or(from, |fd| fd.saturating_add(1));
    }
}

fn close_range(from: u32, to: u32) {
    // SAFETY: takes numbers. What is closed is not used any more: this process only serves.
    let done = unsafe { libc::syscall(libc::SYS_close_range, from, to, 0) };
    if done == 0 {
        return;
    }
    // Before Linux 5.9: one by one, as far as there can be any.
    // SAFETY: as above.
    unsafe {
        let most = libc::sysconf(libc::_SC_OPEN_MAX).clamp(256, 1 << 20);
        for fd in i64::from(from)..i64::from(to).min(most) {
            libc::close(fd as i32);
        }
    }
}

/// The folder of the calling process's own descriptors. The link /proc/self is the parent's in what was
/// opened before a fork.
pub(crate) fn own_descriptors() -> io::Result<File> {
    File::open("/proc/self/fd")
}

/// What the calling process is called in lists from now on.
pub(crate) fn call_itself_reader() {
    // SAFETY: takes a C string.
    unsafe { libc::prctl(libc::PR_SET_NAME, c"p5-spy-reader".as_ptr()) };
}
