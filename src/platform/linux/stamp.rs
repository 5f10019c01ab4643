//! Which file it is, and whether it was written since, without reading it.

use crate::platform::Stamp;
use std::io;
use std::os::fd::{AsFd, AsRawFd};

impl Stamp {
    /// Of an open file, or of one that is held by its place.
    ///
    /// # Errors
    /// When statx(2) fails; `Unsupported` where the file system does not tell all of it.
    pub fn of(file: &impl AsFd) -> io::Result<Self> {
        const WANTED: u32 =
            libc::STATX_INO | libc::STATX_SIZE | libc::STATX_MTIME | libc::STATX_CTIME;
        let about = statx(file, WANTED)?;
        if about.stx_mask & WANTED != WANTED {
            return Err(io::ErrorKind::Unsupported.into());
        }
        let time = |t: libc::statx_timestamp| (t.tv_sec, t.tv_nsec);
        Ok(Stamp {
            device: (about.stx_dev_major, about.stx_dev_minor),
            inode: about.stx_ino,
            size: about.stx_size,
            modified: time(about.stx_mtime),
            changed: time(about.stx_ctime),
        })
    }
}

/// Without asking a server for what is known here: a file system of the target's own must not
/// make us wait.
pub(super) fn statx(file: &impl AsFd, wanted: u32) -> io::Result<libc::statx> {
    // SAFETY: all zeros are a valid structure, which the kernel fills during the call.
    let mut about: libc::statx = unsafe { std::mem::zeroed() };
    // SAFETY: path and structure live during the call.
    let asked = unsafe {
        libc::statx(
            file.as_fd().as_raw_fd(),
            c"".as_ptr(),
            libc::AT_EMPTY_PATH | libc::AT_STATX_DONT_SYNC,
            wanted,
            &raw mut about,
        )
    };
    match asked {
        0 => Ok(about),
        _ => Err(io::Error::last_os_error()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs::{self, File};
    use std::io::Write;
    use std::os::unix::fs::PermissionsExt;
    use std::time::Duration;

    /// Even where its size and the time of its contents are what they were.
    #[test]
    fn a_file_that_was_written_has_another_stamp() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("perl");
        fs::write(&path, "one").unwrap();
        let stamp = || Stamp::of(&File::open(&path).unwrap()).unwrap();
        let (before, time) = (stamp(), fs::metadata(&path).unwrap().modified().unwrap());
        assert_eq!(stamp(), before);
        assert!(!before.is_settled());
        assert!(
            Stamp::of(&File::open("/bin/sh").unwrap())
                .unwrap()
                .is_settled()
        );
        // The kernel's clock for files has steps of some milliseconds.
        std::thread::sleep(Duration::from_millis(50));
        let mut file = File::options().write(true).open(&path).unwrap();
        file.write_all(b"two").unwrap();
        file.set_modified(time).unwrap();
        assert_eq!(stamp().size, before.size);
        assert_eq!(stamp().modified, before.modified);
        assert_ne!(stamp().bytes(), before.bytes());
        let other = folder.path().join("other");
        fs::copy(&path, &other).unwrap();
        fs::set_permissions(&other, fs::Permissions::from_mode(0o755)).unwrap();
        let other = Stamp::of(&File::open(&other).unwrap()).unwrap();
        assert_ne!(other.inode, before.inode);
    }
}
