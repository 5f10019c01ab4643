//! What this Linux lets this user do, each tried.

use super::{
    CoSchedule, Hiding, Listed, LiveMemory, Obstacle, Priority, Witness, effective_user, obstacle,
    wake_at_once,
};
use crate::ids::{Pid, Tid};
use crate::memory::{Batch, Memory};
use crate::platform::{Ability, Process, ProcessError};
use std::fs;

/// What the system is, for a bug report.
pub fn system() -> String {
    // SAFETY: all zeros is a valid value of plain arrays of characters.
    let mut name: libc::utsname = unsafe { std::mem::zeroed() };
    // SAFETY: there is room for the answer.
    unsafe { libc::uname(&raw mut name) };
    let text = |field: &[libc::c_char]| -> String {
        // A character has a sign on some processors only.
        let bytes = field.iter().flat_map(|c| c.to_ne_bytes());
        let bytes: Vec<u8> = bytes.take_while(|b| *b != 0).collect();
        crate::text::from_utf8(&bytes)
    };
    let cpus = std::thread::available_parallelism().map_or(1, usize::from);
    let distribution = fs::read_to_string("/etc/os-release").unwrap_or_default();
    let distribution = distribution
        .lines()
        .find_map(|line| line.strip_prefix("PRETTY_NAME="))
        .map(|name| format!(", {}", crate::text::message(name.trim_matches('"'))));
    format!(
        "{} {} {}, {cpus} CPUs{}",
        text(&name.sysname),
        text(&name.release),
        text(&name.machine),
        distribution.unwrap_or_default()
    )
}

/// Everything that depends on the machine, the most needed first.
pub fn abilities() -> Vec<Ability> {
    let mut all = reading();
    // Each changes the thread that tries it.
    let on_thread = |what: fn() -> Ability| std::thread::spawn(what).join().ok();
    all.extend(on_thread(sharing));
    all.extend(on_thread(waking));
    all.push(switches());
    all.push(accounts());
    all.push(waits());
    all.push(counting());
    all.push(confining());
    all
}

fn reading() -> Vec<Ability> {
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
        Obstacle::Privileged | Obstacle::Hidden(_) => ROOT,
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
        Err(crate::memory::ReadError::NoPermission) => Some(false),
        _ => batch.bytes(slot).ok().map(|_| true),
    }
}

fn sharing() -> Ability {
    const WHAT: &str = "a CPU of the program's";
    let mut turns = CoSchedule::new();
    let cpus = std::thread::available_parallelism().map_or(1, usize::from);
    // SAFETY: sched_getcpu has no preconditions.
    let here = usize::try_from(unsafe { libc::sched_getcpu() }).unwrap_or(0);
    match turns.follow(here) {
        true => Ability::there(
            WHAT,
            format!("can be shared while it is read ({cpus} allowed)"),
        ),
        false => Ability::missing(
            WHAT,
            "cannot be shared: stacks are approximate",
            Some("let p5-spy set its own affinity (sched_setaffinity)"),
        ),
    }
}

fn waking() -> Ability {
    const WHAT: &str = "real-time priority";
    match wake_at_once() {
        Priority::RealTime => Ability::there(WHAT, "granted: samples are taken when they are due"),
        Priority::Ordinary => Ability::missing(
            WHAT,
            "refused: on busy CPUs samples wait for their turn",
            Some("run p5-spy as root, or give it CAP_SYS_NICE"),
        ),
    }
}

fn own_thread() -> Tid {
    // SAFETY: gettid has no preconditions.
    Tid::from(unsafe { libc::gettid() })
}

fn switches() -> Ability {
    const WHAT: &str = "context switches";
    let level = fs::read_to_string("/proc/sys/kernel/perf_event_paranoid").unwrap_or_default();
    let level = match level.trim() {
        "" => "no perf events".to_owned(),
        level => format!("kernel.perf_event_paranoid is {level}"),
    };
    match Witness::new(Pid::ours(), own_thread()).has_records() {
        true => Ability::there(WHAT, format!("are recorded by the kernel ({level})")),
        false => Ability::missing(
            WHAT,
            format!("are not recorded ({level})"),
            Some(
                "sysctl kernel.perf_event_paranoid=1 (or give p5-spy CAP_PERFMON): waiting for a CPU is told better",
            ),
        ),
    }
}

fn accounts() -> Ability {
    const WHAT: &str = "the scheduler's account";
    match fs::read_to_string("/proc/thread-self/sched") {
        Ok(text) if text.contains("se.exec_start") => {
            Ability::there(WHAT, "can be read (/proc/PID/task/TID/sched)")
        }
        _ => Ability::missing(
            WHAT,
            "is not there (/proc/PID/task/TID/sched)",
            Some("a kernel with CONFIG_SCHED_DEBUG"),
        ),
    }
}

fn waits() -> Ability {
    const WHAT: &str = "what a thread waits in";
    match fs::read_to_string("/proc/thread-self/syscall") {
        Ok(_) => Ability::there(WHAT, "is told (/proc/PID/task/TID/syscall)"),
        Err(_) => Ability::missing(
            WHAT,
            "is not told: idle threads have no system call",
            Some("a kernel with CONFIG_HAVE_ARCH_TRACEHOOK; in a container, the right to read it"),
        ),
    }
}

fn counting() -> Ability {
    const WHAT: &str = "CPU time of threads";
    let text = fs::read("/proc/thread-self/schedstat").unwrap_or_default();
    match super::thread::runs_of(&text) {
        Some(_) => Ability::there(WHAT, "is counted (/proc/PID/task/TID/schedstat)"),
        None => Ability::missing(
            WHAT,
            "is not counted (/proc/PID/task/TID/schedstat)",
            Some("a kernel with CONFIG_SCHED_INFO"),
        ),
    }
}

fn confining() -> Ability {
    const WHAT: &str = "a confined helper";
    match fs::exists("/proc/sys/kernel/seccomp/actions_avail") {
        Ok(true) => Ability::there(WHAT, "opens other users' files (seccomp)"),
        _ => Ability::missing(
            WHAT,
            "is not to be had: other users' files are not opened",
            Some("a kernel with CONFIG_SECCOMP_FILTER"),
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_ability_is_told_once_and_what_is_missing_has_its_reason() {
        let all = abilities();
        assert_eq!(all.len(), 9);
        let mut names: Vec<_> = all.iter().map(|one| one.what).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), all.len());
        for one in &all {
            assert!(!one.found.is_empty() && (one.there == Some(false)) == one.better.is_some());
        }
        assert!(system().starts_with("Linux "));
    }

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
