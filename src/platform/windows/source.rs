//! Where relative names of a process begin.

use crate::platform::Process;
use std::path::{Path, PathBuf};

impl Process {
    /// A path of the target. `None` when it has ended.
    pub fn absolute(self, file: &Path) -> Option<PathBuf> {
        match file.is_absolute() {
            true => Some(file.to_owned()),
            // A path without a drive begins at the root of the working folder's.
            false => Some(self.working_folder()?.join(file)),
        }
    }
}
