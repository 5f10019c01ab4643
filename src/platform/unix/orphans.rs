//! Processes that become ours. What a program leaves behind when it ends (a daemon forks twice) is
//! handed over to us, so that it can be followed, and is ended with us.

use crate::ids::Pid;
use crate::platform::Process;
use std::collections::HashSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};

/// Processes that do something for p5-spy itself, and that nobody else must wait for.
static HELPERS: Mutex<Option<HashSet<Pid>>> = Mutex::new(None);

/// We are the parent of orphans.
static ADOPTS: AtomicBool = AtomicBool::new(false);

/// Starts a helper. Nobody asks for it before it is known as one.
///
/// # Errors
/// Those of `start`, when it starts nothing.
pub fn start_helper<T, E>(
    start: impl FnOnce() -> Result<T, E>,
    id: impl FnOnce(&T) -> Pid,
) -> Result<T, E> {
    let mut helpers = HELPERS.lock().unwrap_or_else(PoisonError::into_inner);
    let started = start()?;
    helpers
        .get_or_insert_with(HashSet::new)
        .insert(id(&started));
    Ok(started)
}

/// It was waited for: its id may be somebody else's.
pub fn forget_helper(pid: Pid) {
    let mut helpers = HELPERS.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(helpers) = helpers.as_mut() {
        helpers.remove(&pid);
    }
}

/// Whether it does something for p5-spy itself.
pub fn is_helper(pid: Pid) -> bool {
    let helpers = HELPERS.lock().unwrap_or_else(PoisonError::into_inner);
    helpers.as_ref().is_some_and(|known| known.contains(&pid))
}

/// From now on we are the parent of processes below us whose own ends. All that we start ourselves
/// must be helpers, but for one program.
pub fn adopt_orphans() {
    // Where it is refused, orphans go to another process, as ever.
    ADOPTS.store(become_their_parent(), Ordering::SeqCst);
}

#[cfg(target_os = "linux")]
fn become_their_parent() -> bool {
    // SAFETY: takes numbers.
    unsafe { libc::prctl(libc::PR_SET_CHILD_SUBREAPER, 1) == 0 }
}

#[cfg(target_os = "freebsd")]
fn become_their_parent() -> bool {
    let us = libc::id_t::from(std::process::id());
    // SAFETY: this command takes no data.
    unsafe {
        libc::procctl(
            libc::P_PID,
            us,
            libc::PROC_REAP_ACQUIRE,
            std::ptr::null_mut(),
        ) == 0
    }
}

/// macOS gives orphans to launchd only.
#[cfg(target_os = "macos")]
fn become_their_parent() -> bool {
    false
}

/// The processes that were handed over to us. `child` is the program that we started.
pub fn adopted(child: Pid) -> impl Iterator<Item = Pid> {
    let us = Pid::ours();
    let all = ADOPTS.load(Ordering::SeqCst).then(Process::all_ids);
    // Helpers last: one that has just been started is known as such by then.
    all.into_iter()
        .flatten()
        .filter(move |pid| *pid != child && Process::parent_of(*pid) == Some(us))
        .filter(|pid| !is_helper(*pid))
}

/// Takes note of the end of orphans, which would stay zombies. `child` has somebody who waits for it.
pub fn reap(child: Pid) {
    while ADOPTS.load(Ordering::SeqCst) {
        // SAFETY: all zeros are a valid siginfo_t.
        let mut about: libc::siginfo_t = unsafe { std::mem::zeroed() };
        let how = libc::WEXITED | libc::WNOHANG | libc::WNOWAIT;
        // SAFETY: `about` is a valid place for the result.
        let asked = unsafe { libc::waitid(libc::P_ALL, 0, &mut about, how) };
        // SAFETY: the call has filled the member in; zero where none has ended.
        let pid = Pid::from(unsafe { about.si_pid() });
        // What others wait for is gone soon.
        if asked != 0 || pid == Pid::default() || pid == child || is_helper(pid) {
            return;
        }
        // SAFETY: takes numbers.
        unsafe { libc::waitpid(pid.native(), std::ptr::null_mut(), libc::WNOHANG) };
    }
}

/// The processes below these, helpers and what they started left out; the roots come first.
pub fn descendants(roots: &[Pid]) -> Vec<Pid> {
    let pairs: Vec<(Pid, Pid)> = Process::all_ids()
        .filter_map(|pid| Some((pid, Process::parent_of(pid)?)))
        .collect();
    let mut found = roots.to_vec();
    let mut next = 0;
    while let Some(at) = found.get(next).copied() {
        let children = pairs
            .iter()
            .filter(|(pid, parent)| *parent == at && *pid != at);
        let new: Vec<Pid> = children
            .map(|(pid, _)| *pid)
            .filter(|pid| !found.contains(pid) && !is_helper(*pid))
            .collect();
        found.extend(new);
        next += 1;
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::process::{Command, Stdio};

    #[test]
    fn helpers_are_none_of_those_below_us() {
        let sleep = || Command::new("sleep").arg("60").stdin(Stdio::null()).spawn();
        let me = std::process::id() as i32;
        let id = |child: &std::process::Child| Pid::from(child.id());
        let mut helper = start_helper(sleep, id).unwrap();
        let mut other = sleep().unwrap();
        assert!(is_helper(id(&helper)) && !is_helper(id(&other)));
        let below = descendants(&[Pid::from(me)]);
        assert!(below.contains(&id(&other)) && !below.contains(&id(&helper)));
        for child in [&mut helper, &mut other] {
            child.kill().unwrap();
            child.wait().unwrap();
        }
        forget_helper(id(&helper));
        assert!(!is_helper(id(&helper)));
    }
}
