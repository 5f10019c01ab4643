//! What the kernel writes when one of its own files is read. Such a file has no size, and to ask for it
//! piece by piece, as the standard library does, costs several times what it takes to read it.

use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::FileExt;

/// More than a line of numbers, or a page of them, has.
const PAGE: usize = 8 << 10;

/// A text that the kernel gives whole, by one read: `stat`, `status`.
///
/// # Errors
/// When the file cannot be opened or read, mostly as its process or thread has ended.
pub(super) fn page(path: &str) -> io::Result<Vec<u8>> {
    let mut file = File::open(path)?;
    let mut text = vec![0; PAGE];
    let length = loop {
        match file.read(&mut text) {
            Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
            other => break other?,
        }
    };
    text.truncate(length);
    // What is longer, such as the status of somebody in a thousand groups, has more to say.
    if length == PAGE {
        file.read_to_end(&mut text)?;
    }
    Ok(text)
}

/// Reads a file that is kept open from its beginning, once more.
///
/// # Errors
/// When it cannot be read, mostly as its process or thread has ended; not for a signal (EINTR).
pub(super) fn read_from_start(file: &File, text: &mut [u8]) -> io::Result<usize> {
    loop {
        match file.read_at(text, 0) {
            Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
            other => return other,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_the_whole_text() {
        let folder = tempfile::tempdir().unwrap();
        for length in [0, 1, PAGE - 1, PAGE, PAGE + 1, 3 * PAGE] {
            let path = folder.path().join("text");
            std::fs::write(&path, vec![b'x'; length]).unwrap();
            assert_eq!(page(path.to_str().unwrap()).unwrap().len(), length);
        }
        let stat = page("/proc/self/stat").unwrap();
        assert_eq!(stat.last(), Some(&b'\n'));
        assert!(page("/proc/self/none").is_err());
    }
}
