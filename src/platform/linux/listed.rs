//! Every process of the machine, as the system tells of it to anybody.

use super::clocks::cpu_time_of;
use super::stat::{PARENT, Stat};
use super::{Process, text};
use crate::ids::{Pid, Tid};
use crate::platform::Listed;
use std::fs;
use std::path::Path;
use std::time::Duration;

/// Where the flags are in the line.
const FLAGS: usize = 9;
/// Marks threads of the kernel among the flags of a process (linux/sched.h).
const PF_KTHREAD: u64 = 0x0020_0000;

impl Listed {
    /// Every process but zombies and the kernel's own threads, by id.
    pub fn all() -> Vec<Self> {
        let mut all: Vec<Listed> = Process::all_ids().filter_map(Self::one).collect();
        all.sort_unstable_by_key(|p| p.pid);
        all
    }

    /// A process, unless [`Listed::all`] would leave it out.
    pub fn one(pid: Pid) -> Option<Self> {
        parse(&text::page(&format!("/proc/{pid}/stat")).ok()?)
    }
}

/// proc_pid_stat(5). The name in parentheses may hold anything.
pub(crate) fn parse(stat: &[u8]) -> Option<Listed> {
    let open = memchr::memchr(b'(', stat)?;
    let close = memchr::memrchr(b')', stat)?;
    let pid = std::str::from_utf8(stat.get(..open)?).ok()?;
    let fields = Stat::of(stat)?;
    if fields.is_over() || fields.number::<u64>(FLAGS)? & PF_KTHREAD != 0 {
        return None;
    }
    Some(Listed {
        pid: pid.trim().parse().ok()?,
        parent: fields.number(PARENT)?,
        name: stat.get(open + 1..close)?.to_vec(),
        state: fields.state()?,
    })
}

/// What the kernel lists as children of a process's main thread.
pub fn children_of(pid: Pid) -> Vec<Pid> {
    let list = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children"));
    let list = list.unwrap_or_default();
    let pids = list.split_whitespace().filter_map(|pid| pid.parse().ok());
    pids.collect()
}

/// The process has a thread of this id.
pub fn has_thread(pid: Pid, tid: Tid) -> bool {
    Path::new(&format!("/proc/{pid}/task/{tid}")).exists()
}

impl Process {
    /// One of [`Listed::all`].
    pub fn listed(one: &Listed) -> Self {
        Process { pid: one.pid }
    }

    /// The user that it runs as: the effective id.
    pub fn user(self) -> Option<u32> {
        let status = self.read("status").ok()?;
        let line = status.lines().find_map(|l| l.strip_prefix("Uid:"))?;
        line.split_whitespace().nth(1)?.parse().ok()
    }

    /// The CPU time of all its threads since it began. Needs no rights.
    pub fn cpu_time(self) -> Option<Duration> {
        cpu_time_of(self.pid)
    }

    /// How long its first thread has waited for a CPU since it began. `None` where the kernel does not
    /// count.
    pub fn waited(self) -> Option<Duration> {
        let counted = self.read("schedstat").ok()?;
        let nanoseconds = counted.split_ascii_whitespace().nth(1)?.parse().ok()?;
        Some(Duration::from_nanos(nanoseconds))
    }

    /// Its working folder, as it sees it.
    pub fn working_folder(self) -> Option<std::path::PathBuf> {
        let link = |name: &str| fs::read_link(format!("/proc/{}/{name}", self.pid)).ok();
        let folder = link("cwd")?;
        // The system counts from our own root: a chroot of the process is in front of it.
        let inside = link("root").and_then(|root| {
            let inside = folder.strip_prefix(root).ok()?;
            Some(std::path::Path::new("/").join(inside))
        });
        Some(inside.unwrap_or(folder))
    }
}

/// True when there is such a process, ours or not, whether /proc shows it or not.
pub fn is_someones(pid: Pid) -> bool {
    // SAFETY: signal 0 is never sent, it only asks.
    let asked = unsafe { libc::kill(pid.native(), 0) };
    asked == 0 || std::io::Error::last_os_error().raw_os_error() == Some(libc::EPERM)
}

/// The name of a user; the number where it has none.
pub fn user_name(uid: u32) -> String {
    // The C library would load plug-ins for it, which a static program had better not.
    let passwd = std::fs::read("/etc/passwd").unwrap_or_default();
    let name = passwd.split(|b| *b == b'\n').find_map(|line| {
        let mut fields = line.split(|b| *b == b':');
        let (name, id) = (fields.next()?, fields.nth(1)?);
        let id: u32 = std::str::from_utf8(id).ok()?.parse().ok()?;
        (id == uid).then(|| crate::text::from_utf8(name))
    });
    name.unwrap_or_else(|| uid.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::platform::linux::effective_user;
    use crate::platform::own_line;

    #[test]
    fn names_may_hold_anything() {
        let stat = b"17 (a) b (c) R 3 17 17 0 -1 4194304 1 2 3\n";
        let listed = parse(stat).unwrap();
        assert_eq!((listed.pid, listed.parent), (Pid::from(17), Pid::from(3)));
        assert_eq!(listed.name, b"a) b (c");
        assert_eq!(listed.state_name(), "running");
        let zombie = b"17 (a) Z 3 17 17 0 -1 4194304 1 2 3\n";
        assert_eq!(parse(zombie), None);
        let kernel = b"2 (kthreadd) S 0 0 0 0 -1 2129984 0 0\n";
        assert_eq!(parse(kernel), None);
        assert_eq!(parse(b""), None);
        assert_eq!(parse(b"17 (a"), None);
    }

    #[test]
    fn this_process_is_listed_with_its_user_and_time() {
        let all = Listed::all();
        let me = Pid::ours();
        let listed = all.iter().find(|p| p.pid == me).unwrap();
        let process = Process::listed(listed);
        assert_eq!(process.user(), Some(effective_user()));
        let before = process.cpu_time().unwrap();
        while process.cpu_time().unwrap() <= before {
            std::hint::spin_loop();
        }
        assert_eq!(process.working_folder(), std::env::current_dir().ok());
        let line = own_line(&all);
        assert_eq!(line.first(), Some(&me));
        assert_eq!(line.get(1), Some(&listed.parent));
        assert!(is_someones(me) && !is_someones(Pid::from(0x3fff_fffe)));
    }

    #[test]
    fn users_have_names() {
        assert_eq!(user_name(0), "root");
        assert_eq!(user_name(0x3fff_fffe), "1073741822");
    }
}
