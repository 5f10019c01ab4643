//! Whose process it is: ours, or another user's.

use super::text;
use crate::platform::{Process, effective_user};
use std::ffi::OsString;
use std::fs;
use std::os::unix::ffi::OsStringExt;
use std::os::unix::fs::MetadataExt;

impl Process {
    /// True when the process sees the same file system as we do: no other mount namespace, no
    /// chroot.
    pub fn shares_our_view(self) -> bool {
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
        let status = text::page(&format!("/proc/{}/status", self.pid()));
        let ids = status.ok().and_then(|s| {
            let s = String::from_utf8_lossy(&s);
            let line = s.lines().find_map(|l| l.strip_prefix("Uid:"))?;
            Some(line.split_whitespace().all(|id| id == me))
        });
        ids == Some(true) && self.shares_our_view()
    }

    /// Name and value of each of these variables that it was started with; none where that cannot be read.
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
}
