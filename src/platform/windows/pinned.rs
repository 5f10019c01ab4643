//! Mapped files, held open. While a program is mapped, the system lets nobody write to its file.

use super::guard::Guard;
use super::opened::Handle;
use super::regular::Ground;
use super::stamp::Stamp;
use super::users::is_systems;
use crate::platform::{MappedFile, OpenError, Process};
use std::fs::File;
use std::io;
use std::path::Path;

/// A file that is held open.
#[derive(Debug)]
pub struct PinnedFile {
    file: File,
    stamp: Stamp,
}

impl PinnedFile {
    pub(super) fn at(path: &Path) -> io::Result<Self> {
        let file = Ground::OURS.open(path).map_err(|e| match e {
            OpenError::Io(e) => e,
            other => io::Error::other(other.to_string()),
        })?;
        let stamp = Stamp::of(&file)?;
        Ok(PinnedFile { file, stamp })
    }

    /// The file, for reading.
    ///
    /// # Errors
    /// [`OpenError`] when we may not read it, or it is no ordinary file.
    pub fn open(&self) -> Result<File, OpenError> {
        Ok(self.file.try_clone()?)
    }

    /// What it is handed on by.
    pub fn descriptor(&self) -> Handle<'_> {
        &self.file
    }

    /// What the system said of it when it was opened.
    pub(super) fn stamp(&self) -> Stamp {
        self.stamp
    }

    /// Whether nobody but the system, administrators and these users can have written it.
    pub fn is_safe_from_others(&self, users: &[u32]) -> bool {
        let guard = Guard::of(&self.file);
        guard.is_ok_and(|guard| {
            let is_known = users.contains(&guard.owner) || is_systems(guard.owner);
            is_known && !guard.others_write
        })
    }

    /// Whether it runs with the rights of whoever starts it, as all programs do.
    pub fn is_plain_program(&self) -> bool {
        true
    }

    /// Whether this is one and the same file as another.
    pub fn is_same(&self, other: &PinnedFile) -> bool {
        let id = |of: &PinnedFile| (of.stamp.device, of.stamp.inode);
        id(self) == id(other)
    }
}

impl Process {
    /// The file that is mapped: by the kernel's name of it, which the process cannot choose; `by_name`
    /// also by the name that the process has of it.
    ///
    /// # Errors
    /// When no name that may be used leads to an ordinary file that we may read.
    pub fn pin(self, file: &MappedFile, by_name: bool) -> io::Result<PinnedFile> {
        let kernels = Path::new(r"\\?\GLOBALROOT").join(file.device.trim_start_matches('\\'));
        let is_kernels = file.device.starts_with(r"\Device\");
        match is_kernels.then(|| PinnedFile::of_kernels(&kernels)) {
            Some(Ok(pinned)) => Ok(pinned),
            _ if by_name => PinnedFile::at(&file.path),
            Some(Err(e)) => Err(e),
            None => PinnedFile::at(&file.path),
        }
    }

    /// The program that it runs: the mapped file, which may have another name by now than the one that
    /// it was started by.
    ///
    /// # Errors
    /// When there is no such process, it may not be asked, or its file may not be read.
    pub fn pin_program(self) -> io::Result<PinnedFile> {
        let path = self.executable().map_err(io::Error::other)?;
        let files = self.mapped_programs().map_err(io::Error::other)?;
        let name = path.as_os_str();
        let is_it = |file: &&MappedFile| file.path.as_os_str().eq_ignore_ascii_case(name);
        match files.iter().find(is_it) {
            Some(file) => self.pin(file, true),
            None => PinnedFile::at(&path),
        }
    }
}

impl PinnedFile {
    fn of_kernels(path: &Path) -> io::Result<Self> {
        let file = super::regular::open_ordinary(path)?;
        let stamp = Stamp::of(&file)?;
        Ok(PinnedFile { file, stamp })
    }
}
