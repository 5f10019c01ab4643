//! Names of files as bytes, which is what they are to the kernel and to perl.

use std::borrow::Cow;
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::Path;

/// The path that these bytes are.
pub fn path_of(bytes: &[u8]) -> Cow<'_, Path> {
    Path::new(OsStr::from_bytes(bytes)).into()
}

/// The word of a command line that these bytes are.
pub fn word_of(bytes: Vec<u8>) -> OsString {
    OsString::from_vec(bytes)
}
