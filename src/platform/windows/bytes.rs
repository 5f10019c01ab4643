//! Names of files as perl has them: bytes, of which the system makes 16-bit units.

use super::wide::text_of;
use std::borrow::Cow;
use std::ffi::OsString;
use std::path::{Path, PathBuf};

/// The path that these bytes are. Perl has names in the code page of its system, of which ASCII is a
/// part everywhere, or in UTF-8.
pub fn path_of(bytes: &[u8]) -> Cow<'_, Path> {
    PathBuf::from(word_of(bytes.to_vec())).into()
}

/// The word of a command line that these bytes are.
pub fn word_of(bytes: Vec<u8>) -> OsString {
    match String::from_utf8(bytes) {
        Ok(text) => text.into(),
        Err(e) => text_of(&in_code_page(e.as_bytes())),
    }
}

/// Bytes of the system's code page as its own units.
fn in_code_page(bytes: &[u8]) -> Vec<u16> {
    use windows_sys::Win32::Globalization::{CP_ACP, MultiByteToWideChar};
    let Ok(length) = i32::try_from(bytes.len()) else {
        return Vec::new();
    };
    // No code page has a byte that becomes more than two units.
    let mut units = vec![0_u16; bytes.len().saturating_mul(2)];
    let room = i32::try_from(units.len()).unwrap_or(0);
    // SAFETY: both are as long as is said.
    let made =
        unsafe { MultiByteToWideChar(CP_ACP, 0, bytes.as_ptr(), length, units.as_mut_ptr(), room) };
    units.truncate(usize::try_from(made).unwrap_or(0));
    units
}
