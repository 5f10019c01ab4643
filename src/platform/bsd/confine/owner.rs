//! Whose rights count for what a process names.

use crate::ids::Pid;
use crate::platform::Process;
use crate::platform::sandbox::{Rights, takes_ids};
use std::fs::File;
use std::io;

/// A process's rights, of one moment.
#[derive(Debug)]
pub struct Owner {
    /// The process.
    pub pid: Pid,
    /// Its ids.
    pub rights: Rights,
    /// Its root, which is ours.
    pub root: File,
    key: OwnerKey,
}

/// What two processes have in common that may share a child.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct OwnerKey {
    rights: Rights,
    /// Whether its ids are taken on: another reader than one of our own rights.
    taken: bool,
}

impl Owner {
    /// Asks the kernel about a process.
    ///
    /// # Errors
    /// `ESRCH` when it has ended, `Unsupported` when it has another root (chroot, a jail): no name
    /// could be kept inside of it.
    pub fn of(process: Process) -> io::Result<Self> {
        let about = process.about()?;
        let began = about.began;
        let rights = Rights {
            user: about.users[0],
            group: about.group,
            groups: process.groups()?,
        };
        if !process.shares_our_view() {
            return Err(io::Error::new(
                io::ErrorKind::Unsupported,
                "it is in a jail or has another root, and files there are not looked at on this system",
            ));
        }
        // Its id may be another's by now.
        if process.about()?.began != began {
            return Err(io::Error::from_raw_os_error(libc::ESRCH));
        }
        Ok(Owner {
            pid: process.pid(),
            root: File::open("/")?,
            key: OwnerKey {
                rights: rights.clone(),
                taken: takes_ids(),
            },
            rights,
        })
    }

    /// What says whether two may share a child.
    pub fn key(&self) -> &OwnerKey {
        &self.key
    }

    /// Whether absolute names mean to the process what they mean to us: no others are looked at.
    pub fn sees_our_root(&self) -> bool {
        true
    }
}
