//! Which files another user could have written: their programs are not run, and what they say is
//! not remembered.

use super::{MappedFile, Process};
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

impl Process {
    /// True when the process sees the same file system as we do: no other mount namespace, no
    /// chroot.
    fn shares_our_view(self) -> bool {
        let namespace = |pid: &str| fs::read_link(format!("/proc/{pid}/ns/mnt")).ok();
        let root = |pid: &str| {
            let metadata = fs::metadata(format!("/proc/{pid}/root/.")).ok()?;
            Some((metadata.dev(), metadata.ino()))
        };
        let pid = self.pid().to_string();
        let same_namespace = namespace(&pid).is_some() && namespace(&pid) == namespace("self");
        same_namespace && root(&pid).is_some() && root(&pid) == root("self")
    }

    /// True when a mapped file belongs to root or to us, nobody else may write it, and its path
    /// leads us to that very file.
    pub fn trusts(self, file: &MappedFile) -> bool {
        let same = fs::metadata(&file.path).is_ok_and(|m| m.ino() == file.inode);
        same && !file.deleted && self.trusts_path(&file.path)
    }

    /// The same for a file by its path.
    pub fn trusts_path(self, path: &Path) -> bool {
        self.shares_our_view()
            && fs::metadata(path).is_ok_and(|m| {
                // SAFETY: geteuid has no preconditions.
                let me = unsafe { libc::geteuid() };
                m.is_file() && (m.uid() == 0 || m.uid() == me) && m.mode() & 0o022 == 0
            })
    }
}
