//! Every process of the machine, as the system tells of it to anybody.

use super::calls::raw;
use super::handle::process;
use super::system::{OneProcess, OneThread, System};
use super::{BRIEF, clocks, parent_in, users};
use crate::ids::{Pid, Tid};
use crate::platform::{Listed, Process};
use std::time::Duration;

impl Listed {
    /// Every process but the kernel's own, by id.
    pub fn all() -> Vec<Self> {
        let system = System::now();
        let all = system.processes.iter();
        let mut all: Vec<Listed> = all.filter_map(|one| listed(&system, one)).collect();
        all.sort_unstable_by_key(|one| one.pid);
        all
    }

    /// A process, unless [`Listed::all`] would leave it out.
    pub fn one(pid: Pid) -> Option<Self> {
        let system = System::younger_than(BRIEF);
        listed(&system, system.process(pid)?)
    }
}

/// One that has a program, and threads.
fn listed(system: &System, one: &OneProcess) -> Option<Listed> {
    if one.name.is_empty() || one.threads.is_empty() || super::OF_KERNEL.contains(&one.pid.number())
    {
        return None;
    }
    let threads = &one.threads;
    let state = if threads.iter().any(OneThread::wants_cpu) {
        b'R'
    } else if threads.iter().all(OneThread::is_stopped) {
        b'T'
    } else {
        b'S'
    };
    Some(Listed {
        pid: one.pid,
        parent: parent_in(system, one.pid).unwrap_or_default(),
        name: one.name.clone(),
        state,
    })
}

/// The processes that it has started.
pub fn children_of(pid: Pid) -> Vec<Pid> {
    let system = System::younger_than(BRIEF);
    let ids = system.processes.iter().map(|one| one.pid);
    ids.filter(|id| parent_in(&system, *id) == Some(pid))
        .collect()
}

/// The process has a thread of this id.
pub fn has_thread(pid: Pid, tid: Tid) -> bool {
    let system = System::younger_than(BRIEF);
    system
        .process(pid)
        .is_some_and(|one| one.thread(tid).is_some())
}

/// True when there is such a process, ours or not.
pub fn is_someones(pid: Pid) -> bool {
    System::now().process(pid).is_some()
}

impl Process {
    /// One of [`Listed::all`].
    pub fn listed(one: &Listed) -> Self {
        Process { pid: one.pid }
    }

    /// The user that it runs as.
    pub fn user(self) -> Option<u32> {
        users::user_of(self.pid).ok()
    }

    /// The CPU time of all its threads since it began.
    pub fn cpu_time(self) -> Option<Duration> {
        let exact = process(self.pid, 0)
            .ok()
            .and_then(|handle| clocks::time_of_process(raw(&handle)));
        exact.or_else(|| Some(System::younger_than(BRIEF).process(self.pid)?.cpu))
    }

    /// None: the system does not count how long threads wait for a CPU.
    pub fn waited(self) -> Option<Duration> {
        None
    }
}
