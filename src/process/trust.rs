//! Which files another user could have written: their programs are not run, and what they say is
//! not remembered.

use super::{MappedFile, Process};
use std::ffi::OsString;
use std::fmt;
use std::fs;
use std::os::unix::ffi::OsStringExt;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

/// The user whose rights we have.
pub fn effective_user() -> u32 {
    // SAFETY: geteuid has no preconditions.
    unsafe { libc::geteuid() }
}

impl Process {
    /// True when the process sees the same file system as we do: no other mount namespace, no
    /// chroot.
    pub(super) fn shares_our_view(self) -> bool {
        let namespace = |pid: &str| fs::read_link(format!("/proc/{pid}/ns/mnt")).ok();
        let root = |pid: &str| {
            let metadata = fs::metadata(format!("/proc/{pid}/root/.")).ok()?;
            Some((metadata.dev(), metadata.ino()))
        };
        let pid = self.pid().to_string();
        let theirs = namespace(&pid);
        if theirs.is_none() || theirs != namespace("self") {
            return false;
        }
        let theirs = root(&pid);
        theirs.is_some() && theirs == root("self")
    }

    /// True when it runs as the user that we are, with no other identity.
    pub fn is_ours(self) -> bool {
        let me = effective_user().to_string();
        let status = fs::read_to_string(format!("/proc/{}/status", self.pid()));
        let ids = status.ok().and_then(|s| {
            let line = s.lines().find_map(|l| l.strip_prefix("Uid:"))?;
            Some(line.split_whitespace().all(|id| id == me))
        });
        ids == Some(true) && self.shares_our_view()
    }

    /// Those of the variables that it was started with.
    pub fn environment(self, names: &[&str]) -> Vec<(OsString, OsString)> {
        let raw = fs::read(format!("/proc/{}/environ", self.pid())).unwrap_or_default();
        raw.split(|b| *b == 0)
            .filter_map(|pair| {
                let at = memchr::memchr(b'=', pair)?;
                let (name, value) = (pair.get(..at)?, pair.get(at + 1..)?);
                let wanted = names.iter().any(|n| n.as_bytes() == name);
                wanted.then(|| {
                    let owned = |bytes: &[u8]| OsString::from_vec(bytes.to_vec());
                    (owned(name), owned(value))
                })
            })
            .collect()
    }

    /// True when a mapped file belongs to root or to us, nobody else may write it, and its path
    /// leads us to that very file.
    pub fn trusts(self, file: &MappedFile) -> bool {
        self.objection(file).is_none()
    }

    /// The same for a file by its path.
    pub fn trusts_path(self, path: &Path) -> bool {
        self.objection_to_path(path).is_none()
    }

    /// Why a mapped file is not trusted, if it is not.
    pub fn objection(self, file: &MappedFile) -> Option<Objection> {
        if file.deleted && self.shares_our_view() {
            return Some(Objection::Gone);
        }
        self.objection_to_path(&file.path).or_else(|| {
            let same = fs::metadata(&file.path).is_ok_and(|m| m.ino() == file.inode);
            (!same).then_some(Objection::Replaced)
        })
    }

    /// The same for a file by its path.
    pub fn objection_to_path(self, path: &Path) -> Option<Objection> {
        if !self.shares_our_view() {
            return Some(Objection::Elsewhere);
        }
        match fs::metadata(path) {
            Ok(m) => {
                let owner = m.uid() == 0 || m.uid() == effective_user();
                let sound = m.is_file() && owner && m.mode() & 0o022 == 0;
                (!sound).then_some(Objection::Foreign)
            }
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => Some(Objection::Gone),
            Err(_) => Some(Objection::Unreachable),
        }
    }
}

/// Why a file is not trusted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Objection {
    /// It is seen through another mount namespace or root.
    Elsewhere,
    /// There is none of that name any more.
    Gone,
    /// There is another of that name now.
    Replaced,
    /// We may not look at it.
    Unreachable,
    /// Another user owns it or may write it.
    Foreign,
}

impl fmt::Display for Objection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Objection::Elsewhere => "which is in another container or chroot",
            Objection::Gone => "which was deleted",
            Objection::Replaced => "which was replaced since",
            Objection::Unreachable => "which is where you may not look",
            Objection::Foreign => "which is not root's or yours, or which others may write",
        })
    }
}

impl Objection {
    /// Whether the file could be run by who trusts it.
    pub fn is_a_matter_of_trust(self) -> bool {
        matches!(self, Objection::Foreign | Objection::Replaced)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_objection_is_told() {
        let me = Process::open(std::process::id() as i32).unwrap();
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("perl");
        assert_eq!(me.objection_to_path(&path), Some(Objection::Gone));
        fs::write(&path, "").unwrap();
        let inode = fs::metadata(&path).unwrap().ino();
        let mapped = |inode, deleted| MappedFile {
            path: path.clone(),
            maps: Vec::new(),
            inode,
            device: String::new(),
            deleted,
        };
        assert_eq!(me.objection(&mapped(inode, false)), None);
        assert_eq!(me.objection(&mapped(inode, true)), Some(Objection::Gone));
        let other = me.objection(&mapped(inode + 1, false));
        assert_eq!(other, Some(Objection::Replaced));
        let mut rights = fs::metadata(&path).unwrap().permissions();
        std::os::unix::fs::PermissionsExt::set_mode(&mut rights, 0o777);
        fs::set_permissions(&path, rights).unwrap();
        assert_eq!(me.objection_to_path(&path), Some(Objection::Foreign));
    }
}
