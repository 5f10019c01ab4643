//! What the standard library does not say of files in words that all systems share.

use crate::platform::effective_user;
use std::fs::{File, OpenOptions, Permissions};
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::fs::{FileExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::Path;

/// An open file as it is handed to another process.
pub type Handle<'a> = BorrowedFd<'a>;

/// The handle of a file.
pub fn handle(file: &File) -> Handle<'_> {
    file.as_fd()
}

/// Opens a file for reading. A pipe, which would be waited for, is opened at once.
///
/// # Errors
/// When there is no such file, or it may not be read.
pub fn open_at_once(path: &Path) -> io::Result<File> {
    OpenOptions::new()
        .read(true)
        .custom_flags(libc::O_NONBLOCK)
        .open(path)
}

/// What is written there may say what we do: root does nothing that another user has written.
///
/// # Errors
/// When fstat(2) fails.
pub fn may_direct_us(file: &File) -> io::Result<bool> {
    Ok(may_direct(file.metadata()?.uid(), effective_user()))
}

/// The same of what has this name.
///
/// # Errors
/// When nothing has that name, or a folder on the way may not be entered.
pub fn name_may_direct_us(path: &Path) -> io::Result<bool> {
    Ok(may_direct(std::fs::metadata(path)?.uid(), effective_user()))
}

fn may_direct(owner: u32, we_are: u32) -> bool {
    we_are != 0 || owner == 0
}

/// It belongs to us, and nobody else may write to it.
///
/// # Errors
/// When fstat(2) fails.
pub fn is_private(file: &File) -> io::Result<bool> {
    let about = file.metadata()?;
    Ok(about.uid() == effective_user() && about.mode() & 0o022 == 0)
}

/// Nobody but the owner may read it from now on.
///
/// # Errors
/// When it is another user's.
pub fn make_private(file: &File) -> io::Result<()> {
    file.set_permissions(Permissions::from_mode(0o600))
}

/// Fills the buffer from a place in the file, whatever place others read from.
///
/// # Errors
/// When it cannot be read, or ends before the buffer is full.
pub fn read_exactly(file: &File, buffer: &mut [u8], offset: u64) -> io::Result<()> {
    file.read_exact_at(buffer, offset)
}

/// No more files can be open, in this process or on the machine.
pub fn are_too_many(error: &io::Error) -> bool {
    matches!(error.raw_os_error(), Some(libc::EMFILE | libc::ENFILE))
}

/// The process, or the file, is no more.
pub fn is_gone(error: &io::Error) -> bool {
    matches!(error.raw_os_error(), Some(libc::ENOENT | libc::ESRCH))
}
