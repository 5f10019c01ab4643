//! What tells one file from another, and one state of it from the next.

use crate::platform::Stamp;
use std::fs::File;
use std::io;
use std::os::fd::AsFd;
use std::os::unix::fs::MetadataExt;

impl Stamp {
    /// Of an open file.
    ///
    /// # Errors
    /// When fstat(2) fails.
    pub fn of(file: &impl AsFd) -> io::Result<Self> {
        let about = File::from(file.as_fd().try_clone_to_owned()?).metadata()?;
        let part = |nanoseconds: i64| u32::try_from(nanoseconds).unwrap_or(0);
        Ok(Stamp {
            device: ((about.dev() >> 32) as u32, about.dev() as u32),
            inode: about.ino(),
            size: about.size(),
            modified: (about.mtime(), part(about.mtime_nsec())),
            changed: (about.ctime(), part(about.ctime_nsec())),
        })
    }
}
