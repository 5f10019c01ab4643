//! Bytes as a file that has a path, for what opens files by their names.

use std::fs::File;
use std::io::Write;
use std::os::fd::AsRawFd;
use std::path::{Path, PathBuf};

/// A file without a name of its own, in memory where the system has a place for that.
pub struct TempFile {
    path: PathBuf,
    _file: File,
}

impl TempFile {
    pub fn new(bytes: &[u8]) -> Self {
        let in_memory = tempfile::tempfile_in("/dev/shm").or_else(|_| tempfile::tempfile());
        let mut file = in_memory.expect("a temporary file");
        file.write_all(bytes).expect("a file that can be written");
        let path = format!("/proc/self/fd/{}", file.as_raw_fd()).into();
        TempFile { path, _file: file }
    }

    /// Its own descriptor, which reads from the start.
    pub fn open(&self) -> File {
        File::open(&self.path).expect("a file of ours")
    }

    pub fn path(&self) -> &Path {
        &self.path
    }
}
