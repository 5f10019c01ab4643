//! Opening files whose names others chose: ordinary ones only, on disks of this machine.

use crate::platform::OpenError;
use std::fs::{File, OpenOptions};
use std::io;
use std::os::windows::fs::OpenOptionsExt;
use std::path::{Component, Path, Prefix};
use windows_sys::Win32::Storage::FileSystem::{
    FILE_SHARE_DELETE, FILE_SHARE_READ, FILE_SHARE_WRITE, FILE_TYPE_DISK, GetFileType,
    SECURITY_ANONYMOUS, SECURITY_SQOS_PRESENT,
};

/// Where names begin.
#[derive(Debug, Clone, Copy)]
pub struct Ground;

impl Ground {
    /// As we see them.
    pub const OURS: Ground = Ground;

    /// Opens the file at an absolute path for reading.
    ///
    /// # Errors
    /// [`OpenError`] when there is none, we may not read it, it is another machine's, or no ordinary file.
    pub fn open(self, path: &Path) -> Result<File, OpenError> {
        // Who asks another machine for a file tells it who he is, and the target may have chosen it.
        if !is_local(path) {
            let why = "files of other machines, and devices, are not opened";
            return Err(io::Error::new(io::ErrorKind::PermissionDenied, why).into());
        }
        let file = open_ordinary(path)?;
        match file.metadata()?.is_file() {
            true => Ok(file),
            false => Err(OpenError::NotRegular),
        }
    }
}

/// A path that begins with a drive, or is relative.
fn is_local(path: &Path) -> bool {
    match path.components().next() {
        Some(Component::Prefix(prefix)) => {
            matches!(prefix.kind(), Prefix::Disk(_) | Prefix::VerbatimDisk(_))
        }
        _ => true,
    }
}

/// Opens what is on a disk. Others may write to it and delete it meanwhile.
pub(super) fn open_ordinary(path: &Path) -> io::Result<File> {
    open_shared(path, FILE_SHARE_READ | FILE_SHARE_WRITE | FILE_SHARE_DELETE)
}

/// The same; until it is closed, nobody can write to it, delete it, or give it another name.
pub(super) fn open_unchanging(path: &Path) -> io::Result<File> {
    open_shared(path, FILE_SHARE_READ)
}

fn open_shared(path: &Path, shared: u32) -> io::Result<File> {
    use std::os::windows::io::AsRawHandle;
    let file = OpenOptions::new()
        .read(true)
        .share_mode(shared)
        // Whoever answers at a pipe's end must not act as us.
        .security_qos_flags(SECURITY_SQOS_PRESENT | SECURITY_ANONYMOUS)
        .open(path)?;
    // SAFETY: the handle is open.
    match unsafe { GetFileType(file.as_raw_handle()) } {
        FILE_TYPE_DISK => Ok(file),
        _ => Err(io::Error::other("it is no ordinary file")),
    }
}
