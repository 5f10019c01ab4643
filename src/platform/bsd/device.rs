//! File systems by name.

/// A file system, as [`crate::platform::MappedFile::device`] names it.
pub(crate) fn device_name(number: u64) -> String {
    format!("{number:x}")
}
