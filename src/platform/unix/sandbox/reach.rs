//! The files that a child can get at.

use super::confined::Post;
use crate::platform::{
    Ground, MappedFile, OpenError, is_mapped_file, is_place, place_at, place_below,
};
use std::fs::File;
use std::io;
use std::path::Path;

impl Post<'_> {
    fn ground(&self) -> Ground<'_> {
        Ground {
            root: self.root,
            descriptors: Some(self.descriptors),
        }
    }

    /// Opens a file of the target for reading.
    ///
    /// # Errors
    /// [`OpenError`] when there is none in the target's root, the target may not read it, or it is no
    /// ordinary file.
    pub fn open(&self, path: &Path) -> Result<File, OpenError> {
        self.ground().open(path)
    }

    /// The file as it was sent, or opened, if it was only its place.
    ///
    /// # Errors
    /// [`OpenError`] when the target may not read it, or it is no ordinary file.
    pub fn readable(&self, file: File) -> Result<File, OpenError> {
        match is_place(&file) {
            true => self.ground().read_place(&file),
            false => Ok(file),
        }
    }

    /// The file of that name, if it is the one that is mapped.
    ///
    /// # Errors
    /// [`OpenError`] when another file has its name now, the target may not read it, or it is no ordinary
    /// file.
    pub fn mapped(&self, file: &MappedFile) -> Result<File, OpenError> {
        let place = match self.root {
            Some(root) => place_below(root, &file.path)?,
            None => place_at(&file.path)?,
        };
        match is_mapped_file(&place, file) {
            true => self.ground().read_place(&place),
            false => Err(OpenError::Io(io::ErrorKind::NotFound.into())),
        }
    }

    /// A file that is ours, where our names mean something else to the target.
    pub fn ours(&self, path: &Path) -> Option<File> {
        let elsewhere = !self.shares_our_root;
        elsewhere
            .then(|| self.fetch(path.as_os_str().as_encoded_bytes()))
            .flatten()
    }
}
