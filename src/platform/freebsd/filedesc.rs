//! `struct kinfo_file` (sys/user.h): a record for each open file, and for the folders of a process.

use crate::platform::record::Record;

const NUMBER: usize = 8;
const PATH: usize = 368;

#[cfg(all(target_os = "freebsd", target_pointer_width = "64"))]
const _: () = {
    use std::mem::offset_of;
    assert!(offset_of!(libc::kinfo_file, kf_fd) == NUMBER);
    assert!(offset_of!(libc::kinfo_file, kf_path) == PATH);
};

/// What has such a number instead of a descriptor's.
pub(super) const WORKING_FOLDER: i32 = -1;
pub(super) const ROOT: i32 = -2;

/// The path of the file or folder of this number.
pub(super) fn path_of(bytes: &[u8], number: i32) -> Option<&[u8]> {
    let mut rest = bytes;
    loop {
        let size = usize::try_from(Record(rest).u32(0)?).ok()?;
        let one = Record(rest.get(..size).filter(|_| size > PATH)?);
        if one.i32(NUMBER) == Some(number) {
            return Some(one.text(PATH, size)).filter(|path| path.first() == Some(&b'/'));
        }
        rest = rest.get(size..)?;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(number: i32, path: &[u8]) -> Vec<u8> {
        let mut bytes = vec![0; (PATH + path.len() + 1).next_multiple_of(8)];
        let size = bytes.len() as u32;
        bytes[..4].copy_from_slice(&size.to_le_bytes());
        bytes[8..12].copy_from_slice(&number.to_le_bytes());
        bytes[PATH..PATH + path.len()].copy_from_slice(path);
        bytes
    }

    #[test]
    fn folders_are_found_among_files() {
        let bytes = [
            record(-3, b"/jail"),
            record(0, b"/dev/pts/0"),
            record(-1, b"/home/a"),
            record(-2, b"/"),
            record(7, b""),
        ]
        .concat();
        assert_eq!(path_of(&bytes, WORKING_FOLDER), Some(&b"/home/a"[..]));
        assert_eq!(path_of(&bytes, ROOT), Some(&b"/"[..]));
        assert_eq!((path_of(&bytes, 7), path_of(&bytes, 8)), (None, None));
        for cut in [0, 3, 400, bytes.len() - 1] {
            assert_eq!(path_of(&bytes[..cut], 7), None, "{cut}");
        }
        assert_eq!(path_of(&[0; 1000], ROOT), None);
    }
}
