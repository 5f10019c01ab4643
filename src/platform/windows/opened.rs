//! What the standard library does not say of files in words that all systems share.

use super::guard::{self, Guard};
use super::users::is_trusted;
use std::fs::{File, OpenOptions};
use std::io;
use std::os::windows::fs::{FileExt, OpenOptionsExt};
use std::path::Path;
use windows_sys::Win32::Foundation::{
    ERROR_FILE_NOT_FOUND, ERROR_INVALID_PARAMETER, ERROR_PATH_NOT_FOUND, ERROR_TOO_MANY_OPEN_FILES,
};
use windows_sys::Win32::Storage::FileSystem::FILE_FLAG_BACKUP_SEMANTICS;

/// An open file as it is handed on.
pub type Handle<'a> = &'a File;

/// The handle of a file.
pub fn handle(file: &File) -> Handle<'_> {
    file
}

/// Opens a file for reading.
///
/// # Errors
/// When there is no such file, or it may not be read.
pub fn open_at_once(path: &Path) -> io::Result<File> {
    File::open(path)
}

/// Opens a folder, to be asked about.
pub(super) fn open_folder(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options
        .read(true)
        .custom_flags(FILE_FLAG_BACKUP_SEMANTICS)
        .open(path)
}

/// What is written there may say what we do: it is ours, or belongs to who may do anything here.
///
/// # Errors
/// When its owner cannot be asked for.
pub fn may_direct_us(file: &File) -> io::Result<bool> {
    Ok(is_trusted(Guard::of(file)?.owner))
}

/// The same of what has this name.
///
/// # Errors
/// When nothing has that name, or its owner cannot be asked for.
pub fn name_may_direct_us(path: &Path) -> io::Result<bool> {
    may_direct_us(&open_folder(path)?)
}

/// It belongs to us, and nobody else may write to it.
///
/// # Errors
/// When its owner or its access list cannot be asked for.
pub fn is_private(file: &File) -> io::Result<bool> {
    let guard = Guard::of(file)?;
    Ok(is_trusted(guard.owner) && !guard.others_write)
}

/// Nobody but the owner may read it from now on.
///
/// # Errors
/// When its access list cannot be replaced, as it is another user's.
pub fn make_private(file: &File) -> io::Result<()> {
    guard::make_private(file)
}

/// Fills the buffer from a place in the file.
///
/// # Errors
/// When it cannot be read, or ends before the buffer is full.
pub fn read_exactly(file: &File, buffer: &mut [u8], offset: u64) -> io::Result<()> {
    let mut filled = 0;
    while let Some(rest) = buffer.get_mut(filled..).filter(|rest| !rest.is_empty()) {
        match file.seek_read(rest, offset.saturating_add(filled as u64)) {
            Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
            Ok(some) => filled += some,
            Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
            Err(e) => return Err(e),
        }
    }
    Ok(())
}

fn is_one_of(error: &io::Error, codes: &[u32]) -> bool {
    let code = error
        .raw_os_error()
        .and_then(|code| u32::try_from(code).ok());
    code.is_some_and(|code| codes.contains(&code))
}

/// No more files can be open.
pub fn are_too_many(error: &io::Error) -> bool {
    is_one_of(error, &[ERROR_TOO_MANY_OPEN_FILES])
}

/// The process, or the file, is no more.
pub fn is_gone(error: &io::Error) -> bool {
    let codes = [
        ERROR_INVALID_PARAMETER,
        ERROR_FILE_NOT_FOUND,
        ERROR_PATH_NOT_FOUND,
    ];
    is_one_of(error, &codes)
}
