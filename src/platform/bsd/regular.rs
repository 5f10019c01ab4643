//! Opening files whose names others chose: ordinary ones only, without waiting. There is no way to hold
//! a file without opening it, so that it is looked at by name, opened, and compared. Names begin at our own
//! root, always: who reads for a process in another one is refused (`platform/bsd/confine/owner.rs`).

use crate::platform::{Ground, OpenError};
use std::fs::{self, File};
use std::io;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::Path;

impl Ground<'_> {
    /// Opens the file at an absolute path for reading.
    ///
    /// # Errors
    /// [`OpenError`] when there is none, we may not read it, or it is no ordinary file.
    pub fn open(self, path: &Path) -> Result<File, OpenError> {
        match self.root {
            Some(root) => place_below(root, path).map_err(OpenError::from),
            None => open_regular(path),
        }
    }

    /// The file that is held, for reading.
    ///
    /// # Errors
    /// [`OpenError`] when we may not read it, or it is no ordinary file.
    pub fn read_place(self, place: &File) -> Result<File, OpenError> {
        match place.metadata()?.is_file() {
            true => Ok(place.try_clone()?),
            false => Err(OpenError::NotRegular),
        }
    }
}

fn open_regular(path: &Path) -> Result<File, OpenError> {
    // To open a device can do something.
    let before = fs::metadata(path)?;
    if !before.is_file() {
        return Err(OpenError::NotRegular);
    }
    let file = fs::OpenOptions::new()
        .read(true)
        .custom_flags(libc::O_NONBLOCK | libc::O_NOCTTY)
        .open(path)?;
    let about = file.metadata()?;
    let is_same = (about.dev(), about.ino()) == (before.dev(), before.ino());
    match is_same && about.is_file() {
        true => Ok(file),
        false => Err(OpenError::NotRegular),
    }
}

/// The file at a path, which is an ordinary one.
///
/// # Errors
/// When there is no such file, it may not be read, or is no ordinary one.
pub fn place_at(path: &Path) -> io::Result<File> {
    open_regular(path).map_err(|e| match e {
        OpenError::Io(e) => e,
        other => io::Error::other(other.to_string()),
    })
}

/// Whether it is only held, and not open: no file is.
pub fn is_place(_file: &File) -> bool {
    false
}

/// Finds a file below another root.
///
/// # Errors
/// Always: these systems cannot keep a name from leading out of a root.
pub fn place_below(_root: &File, _path: &Path) -> io::Result<File> {
    Err(io::ErrorKind::Unsupported.into())
}
