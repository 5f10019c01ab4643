//! What this Linux lets this user do, each tried.

use super::{CoSchedule, Witness, wake_at_once};
use crate::ids::{Pid, Tid};
use crate::platform::{Ability, Priority, Testimony, readable};
use std::fs;

/// Everything that depends on the machine, the most needed first.
pub fn abilities() -> Vec<Ability> {
    let mut all = readable();
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
    let how = match Witness::new(Pid::ours(), own_thread(), true) {
        witness if witness.testimony() == Testimony::Present => None,
        witness if witness.has_registers() => Some("with registers"),
        _ => Some("without registers"),
    };
    match how {
        Some(how) => Ability::there(WHAT, format!("are recorded by the kernel, {how} ({level})")),
        None => Ability::missing(
            WHAT,
            format!("are not recorded ({level})"),
            Some(
                "sysctl kernel.perf_event_paranoid=2 (in a container, allow perf_event_open; or give p5-spy CAP_PERFMON): waiting for a CPU is told better",
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
    }
}
