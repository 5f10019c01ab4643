//! Whether processes can be read, found out by reading some.

use super::{
    Ability, Hiding, Listed, LiveMemory, Obstacle, Process, ProcessError, effective_user, obstacle,
};
use crate::ids::Pid;
use crate::memory::{Batch, Memory, ReadError};

/// Whether processes can be read: ours, and others'.
pub fn readable() -> Vec<Ability> {
    let all = Listed::all();
    let ours = effective_user();
    let user = |one: &Listed| Process::listed(one).user();
    let us = Pid::ours();
    let try_some = |wanted: &dyn Fn(Option<u32>) -> bool| {
        let some = all.iter().filter(|one| one.pid != us && wanted(user(one)));
        let mut last = None;
        for one in some.take(MANY) {
            match may_read(one.pid) {
                Some(true) => return Some(Ok(())),
                Some(false) => last = Some(Err(obstacle(one.pid))),
                None => {}
            }
        }
        last
    };
    let own = try_some(&|user| user == Some(ours));
    let others = try_some(&|user| user.is_some_and(|user| user != ours));
    [("your processes", own), ("other users' processes", others)]
        .map(|(what, result)| match result {
            Some(Ok(())) => Ability::there(what, "can be read"),
            Some(Err(why)) => Ability::hindered(what, why),
            None => match Hiding::of_proc() {
                Some(hiding) => Ability::hindered(what, Obstacle::Hidden(hiding)),
                None => Ability::unknown(what, "there are none to try it on"),
            },
        })
        .into()
}

/// Processes that are tried; some are special.
const MANY: usize = 16;
/// By a word of its memory; `None` for one that has none, or has ended.
fn may_read(pid: Pid) -> Option<bool> {
    let maps = match Process::open(pid).ok()?.mappings() {
        Err(ProcessError::NoPermission(_)) => return Some(false),
        maps => maps.ok()?,
    };
    let place = maps.iter().find(|m| m.writable && !m.anonymous)?;
    let mut batch = Batch::new();
    let slot = batch.push(place.start, 8);
    let read = LiveMemory::new(pid).fill(&mut batch);
    match read {
        Err(ReadError::NoPermission) => Some(false),
        _ => batch.bytes(slot).ok().map(|_| true),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_of_ours_can_be_read_and_one_that_is_gone_tells_nothing() {
        // Both wait for their input.
        let mut child = std::process::Command::new(if cfg!(windows) { "cmd" } else { "cat" })
            .stdin(std::process::Stdio::piped())
            .stdout(std::process::Stdio::null())
            .spawn()
            .unwrap();
        let pid = Pid::from(child.id());
        let deadline = std::time::Instant::now() + std::time::Duration::from_secs(20);
        // The tests' parent may read its children on every system.
        while may_read(pid) != Some(true) {
            assert!(std::time::Instant::now() < deadline);
        }
        child.kill().unwrap();
        child.wait().unwrap();
        assert_eq!(may_read(pid), None);
    }
}
