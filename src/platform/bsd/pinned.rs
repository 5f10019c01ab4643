//! Mapped files. The kernel tells which file is mapped, but leads nobody to it: its name is looked up, and
//! what is found there is compared.

use super::{device_name, place_at};
use crate::platform::{MappedFile, OpenError, Process};
use std::fs::{File, Metadata};
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;

/// A file that is held open: what its name leads to does not matter any more.
#[derive(Debug)]
pub struct PinnedFile {
    file: File,
    about: Metadata,
    #[cfg_attr(target_os = "freebsd", allow(dead_code))]
    path: PathBuf,
}

impl PinnedFile {
    fn at(path: PathBuf) -> io::Result<Self> {
        let file = place_at(&path)?;
        let about = file.metadata()?;
        Ok(PinnedFile { file, about, path })
    }

    /// It, for reading.
    ///
    /// # Errors
    /// [`OpenError`] when we may not read it, or it is no ordinary file.
    pub fn open(&self) -> Result<File, OpenError> {
        Ok(self.file.try_clone()?)
    }

    /// It is open for reading: there is none here that only names a file.
    pub fn descriptor(&self) -> BorrowedFd<'_> {
        self.file.as_fd()
    }

    /// Whether nobody but root and these users can have written it.
    pub fn is_safe_from_others(&self, users: &[u32]) -> bool {
        let is_theirs = |user: u32| user == 0 || users.contains(&user);
        self.about.is_file() && is_theirs(self.about.uid()) && self.about.mode() & 0o022 == 0
    }

    /// Whether it is a program that runs with the rights of whoever starts it.
    pub fn is_plain_program(&self) -> bool {
        let mode = self.about.mode();
        mode & 0o111 != 0 && mode & 0o6000 == 0
    }

    /// Whether this is one and the same file as another.
    pub fn is_same(&self, other: &PinnedFile) -> bool {
        (self.about.dev(), self.about.ino()) == (other.about.dev(), other.about.ino())
    }
}

/// Whether an open file is the one that is mapped.
pub fn is_mapped_file(place: &File, file: &MappedFile) -> bool {
    place.metadata().is_ok_and(|about| is_it(&about, file))
}

fn is_it(about: &Metadata, file: &MappedFile) -> bool {
    about.ino() == file.inode && device_name(about.dev()) == file.device
}

impl Process {
    /// The file that is mapped, where its name still leads to it. `by_name` is for processes of ours:
    /// nothing of another user's is opened with our rights.
    ///
    /// # Errors
    /// `NotFound` where it does not lead there.
    pub fn pin(self, file: &MappedFile, by_name: bool) -> io::Result<PinnedFile> {
        let gone = || io::Error::from(io::ErrorKind::NotFound);
        if !by_name {
            return Err(gone());
        }
        let pinned = PinnedFile::at(file.path.clone())?;
        is_it(&pinned.about, file)
            .then_some(pinned)
            .ok_or_else(gone)
    }

    /// The program that it runs, for a process of ours.
    ///
    /// # Errors
    /// `PermissionDenied` for another user's process, `NotFound` when its file has another name by now.
    pub fn pin_program(self) -> io::Result<PinnedFile> {
        if !self.is_ours() {
            return Err(io::ErrorKind::PermissionDenied.into());
        }
        let path = self.executable().map_err(io::Error::other)?;
        let pinned = PinnedFile::at(path)?;
        let files = self.mapped_programs().map_err(io::Error::other)?;
        let is_mapped = files.iter().any(|file| is_it(&pinned.about, file));
        is_mapped
            .then_some(pinned)
            .ok_or_else(|| io::ErrorKind::NotFound.into())
    }
}

/// The name of a program, where nobody but root and its owner can have it lead elsewhere: all that it
/// leads through is theirs, and closed to others.
#[cfg(target_os = "macos")]
pub(crate) fn execute_as(program: &PinnedFile) -> io::Result<&PathBuf> {
    let owner = program.about.uid();
    let is_closed =
        |about: &Metadata| (about.uid() == 0 || about.uid() == owner) && about.mode() & 0o022 == 0;
    let is_real = program.path.canonicalize()? == program.path;
    let mut above = program.path.ancestors().skip(1);
    let all_closed = above.all(|folder| folder.metadata().is_ok_and(|about| is_closed(&about)));
    match is_real && all_closed && is_closed(&program.path.metadata()?) {
        true => Ok(&program.path),
        false => Err(io::ErrorKind::PermissionDenied.into()),
    }
}
