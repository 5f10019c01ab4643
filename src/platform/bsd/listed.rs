//! Every process of the machine, as the system tells of it to anybody.

use super::ProcessInfo;
use crate::ids::{Pid, Tid};
use crate::platform::{Listed, Process};
use std::path::PathBuf;
use std::time::Duration;

impl Listed {
    /// Every process but zombies and the kernel's own, by id.
    pub fn all() -> Vec<Self> {
        let mut all: Vec<Listed> = Process::all_ids().filter_map(Self::one).collect();
        all.sort_unstable_by_key(|p| p.pid);
        all
    }

    /// A process, unless [`Listed::all`] would leave it out.
    pub fn one(pid: Pid) -> Option<Self> {
        let about = Process::by_id(pid).about().ok()?;
        (!about.is_over() && !about.is_kernels).then(|| Listed::of(about))
    }

    fn of(about: ProcessInfo) -> Self {
        Listed {
            pid: about.pid,
            parent: about.parent,
            name: about.name,
            state: about.state,
        }
    }
}

/// The children of a process.
pub fn children_of(pid: Pid) -> Vec<Pid> {
    let is_child = |child: &Pid| Process::parent_of(*child) == Some(pid);
    Process::all_ids().filter(is_child).collect()
}

/// The process has a thread of this id.
pub fn has_thread(pid: Pid, tid: Tid) -> bool {
    let threads = Process::by_id(pid).thread_ids();
    threads.is_ok_and(|all| all.contains(&tid))
}

impl Process {
    /// One of [`Listed::all`].
    pub fn listed(one: &Listed) -> Self {
        Process::by_id(one.pid)
    }

    /// The user that it runs as: the effective id.
    pub fn user(self) -> Option<u32> {
        self.about().ok().map(|about| about.users[0])
    }

    /// How long its first thread has waited for a CPU: not counted here.
    pub fn waited(self) -> Option<Duration> {
        None
    }

    /// Its working folder, as it sees it.
    pub fn working_folder(self) -> Option<PathBuf> {
        let (here, root) = self.folders()?;
        let inside = root.and_then(|root| {
            let inside = here.strip_prefix(root).ok()?;
            Some(PathBuf::from("/").join(inside))
        });
        Some(inside.unwrap_or(here))
    }

    /// A path of the target, from its root. `None` when it has ended.
    pub fn absolute(self, file: &std::path::Path) -> Option<PathBuf> {
        match file.is_absolute() {
            true => Some(file.to_owned()),
            false => Some(self.working_folder()?.join(file)),
        }
    }
}
