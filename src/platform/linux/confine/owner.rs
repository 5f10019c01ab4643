//! Whose rights count for what a process names.

use crate::ids::Pid;
use crate::platform::Process;
use crate::platform::open_at::open_at;
use crate::platform::sandbox::{Rights, takes_ids};
use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::MetadataExt;

/// A process's rights and the root of its file system, of one moment.
#[derive(Debug)]
pub struct Owner {
    /// The process.
    pub pid: Pid,
    /// Its ids.
    pub rights: Rights,
    /// Its root, opened as a place only.
    pub root: File,
    key: OwnerKey,
}

/// What two processes have in common that may share a child.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct OwnerKey {
    rights: Rights,
    /// Its mount namespace, as the kernel names it.
    namespace: Option<std::ffi::OsString>,
    root: (u64, u64),
    /// Whether its ids are taken on: another reader than one of our own rights.
    taken: bool,
}

impl Owner {
    /// Asks the kernel about a process. All of it is asked of one and the same process, even if
    /// its id is given to another one meanwhile.
    ///
    /// # Errors
    /// `ESRCH` and `ENOENT` when it has ended, `EACCES` when its root may not be looked at.
    pub fn of(process: Process) -> io::Result<Self> {
        let pid = process.pid();
        let folder = File::open(format!("/proc/{pid}"))?;
        let mut status = Vec::new();
        let from = open_at(&folder, c"status", libc::O_RDONLY, 0)?;
        from.take(64 << 10).read_to_end(&mut status)?;
        let rights =
            Rights::parse(&String::from_utf8_lossy(&status)).ok_or(io::ErrorKind::InvalidData)?;
        let root = open_at(&folder, c"root", libc::O_PATH | libc::O_DIRECTORY, 0)?;
        let about = root.metadata()?;
        let key = OwnerKey {
            rights: rights.clone(),
            namespace: std::fs::read_link(format!("/proc/{pid}/ns/mnt"))
                .ok()
                .map(Into::into),
            root: (about.dev(), about.ino()),
            taken: takes_ids(),
        };
        Ok(Owner {
            pid,
            rights,
            root,
            key,
        })
    }

    /// What says whether two may share a child.
    pub fn key(&self) -> &OwnerKey {
        &self.key
    }

    /// Whether absolute names mean to the process what they mean to us.
    pub fn sees_our_root(&self) -> bool {
        let ours = std::fs::metadata("/").map(|m| (m.dev(), m.ino())).ok();
        let namespace = std::fs::read_link("/proc/self/ns/mnt").ok();
        ours == Some(self.key.root) && namespace.map(Into::into) == self.key.namespace
    }
}

impl Rights {
    /// Those in `/proc/PID/status`.
    pub fn parse(status: &str) -> Option<Self> {
        let field = |name: &str| {
            let line = status.lines().find_map(|l| l.strip_prefix(name))?;
            let ids = line.split_whitespace().map(|id| id.parse().ok());
            ids.collect::<Option<Vec<u32>>>()
        };
        // Real, effective, saved, and the one for files.
        Some(Rights {
            user: field("Uid:")?.get(3).copied()?,
            group: field("Gid:")?.get(3).copied()?,
            groups: field("Groups:")?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::platform::effective_user;

    #[test]
    fn the_ids_for_files_count() {
        let status = "Name:\tperl\nUid:\t1\t2\t3\t4\nGid:\t5\t6\t7\t8\nGroups:\t9 10 \n";
        let rights = Rights::parse(status).unwrap();
        let expected = Rights {
            user: 4,
            group: 8,
            groups: vec![9, 10],
        };
        assert_eq!(rights, expected);
        assert_eq!(Rights::parse("Uid:\t1\t2\t3\n"), None);
    }

    #[test]
    fn our_own_process_sees_what_we_see() {
        let me = Process::open(Pid::from(std::process::id() as i32)).unwrap();
        let owner = Owner::of(me).unwrap();
        assert!(owner.sees_our_root());
        assert_eq!(owner.rights.user, effective_user());
    }
}
