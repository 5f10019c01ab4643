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
            Some(Err(why)) => Ability::missing(
                what,
                format!("cannot be read: {}", why.in_short()),
                remedy(&why),
            ),
            None => match Hiding::of_proc() {
                Some(hiding) => Ability::missing(
                    what,
                    format!("hidden: /proc is mounted with {hiding}"),
                    ROOT,
                ),
                None => Ability::unknown(what, "there are none to try it on"),
            },
        })
        .into()
}

/// Processes that are tried; some are special.
const MANY: usize = 16;
const ROOT: Option<&str> = Some("run p5-spy as root (sudo)");

fn remedy(obstacle: &Obstacle) -> Option<&'static str> {
    match obstacle {
        Obstacle::Forbidden => Some("kernel.yama.ptrace_scope=0, from the next boot on"),
        Obstacle::NoCapability | Obstacle::Seccomp => {
            Some("give the container or the service the capability SYS_PTRACE, or use the host")
        }
        Obstacle::UserNamespace => Some("run p5-spy as the real root, on the host"),
        Obstacle::SecurityModule => Some("dmesg may tell which rule of AppArmor or SELinux it is"),
        Obstacle::PtraceScope(1) => Some(
            "run p5-spy as root, or start the program with it (p5-spy -- perl program.pl), or sysctl kernel.yama.ptrace_scope=0",
        ),
        Obstacle::PtraceScope(_) | Obstacle::OtherUser(_) => ROOT,
        Obstacle::Privileged | Obstacle::Hidden(_) | Obstacle::Untraceable => ROOT,
        Obstacle::NoProcfs => Some("mount -t procfs proc /proc"),
        Obstacle::NoDebugging => Some("sysctl security.bsd.unprivileged_proc_debug=1"),
        Obstacle::SystemProgram => Some("a perl that is not the system's (Homebrew, perlbrew)"),
        Obstacle::Hardened => Some("a perl without the hardened runtime"),
        Obstacle::NoDebugger => Some("p5-spy setup, once, or run it as root"),
        Obstacle::Protected => Some("nothing: Windows keeps it from everybody"),
        Obstacle::SecuritySoftware => Some("an exception in the security software of this machine"),
        Obstacle::OtherAccount(_) | Obstacle::NoDebugPrivilege => {
            Some("run p5-spy as administrator")
        }
    }
}

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
        let mut child = std::process::Command::new("sleep")
            .arg("60")
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
