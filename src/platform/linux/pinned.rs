//! Mapped files, found by what the kernel has mapped and not by a name, which may lead to another
//! file by now.

use super::regular::{place_at, place_below};
use super::stamp::statx;
use crate::platform::{Ground, MappedFile, OpenError, Process};
use std::fs::File;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};

/// A file that is held by a descriptor: nothing of it was read, and what its name leads to does not
/// matter any more.
#[derive(Debug)]
pub struct PinnedFile {
    place: File,
    status: FileStatus,
}

/// What the kernel says of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct FileStatus {
    inode: u64,
    device: (u32, u32),
    owner: u32,
    mode: u32,
}

impl PinnedFile {
    fn of(place: File) -> io::Result<Self> {
        let status = FileStatus::of(&place)?;
        Ok(PinnedFile { place, status })
    }

    /// Opens it for reading, if we may.
    ///
    /// # Errors
    /// [`OpenError`] when we may not read it, somebody holds a lease on it, or it is no ordinary file.
    pub fn open(&self) -> Result<File, OpenError> {
        Ground::OURS.read_place(&self.place)
    }

    /// The descriptor: good for naming the file, not for reading it.
    pub fn descriptor(&self) -> BorrowedFd<'_> {
        self.place.as_fd()
    }

    /// Whether nobody but root and these users can have written it.
    pub fn is_safe_from_others(&self, users: &[u32]) -> bool {
        let owner = self.status.owner;
        let kind = self.status.mode & libc::S_IFMT;
        kind == libc::S_IFREG
            && (owner == 0 || users.contains(&owner))
            && self.status.mode & 0o022 == 0
    }

    /// Whether it is a program that runs with the rights of whoever starts it.
    pub fn is_plain_program(&self) -> bool {
        self.status.mode & 0o111 != 0 && self.status.mode & (libc::S_ISUID | libc::S_ISGID) == 0
    }

    /// Whether this is one and the same file as another.
    pub fn is_same(&self, other: &PinnedFile) -> bool {
        (self.status.inode, self.status.device) == (other.status.inode, other.status.device)
    }

    /// Whether it is the file that the kernel says is mapped.
    fn is(&self, file: &MappedFile) -> bool {
        is_it(&self.place, self.status.inode, self.status.device, file)
    }
}

/// Executes a program by its descriptor; comes back only with an error.
///
/// # Safety
/// Both lists end with a null pointer.
pub(crate) unsafe fn become_program(
    program: &PinnedFile,
    words: *const *const libc::c_char,
    environment: *const *const libc::c_char,
) -> io::Error {
    // SAFETY: as the caller says; the name has its end.
    unsafe {
        libc::syscall(
            libc::SYS_execveat,
            program.place.as_raw_fd(),
            c"".as_ptr(),
            words,
            environment,
            libc::AT_EMPTY_PATH,
        );
    }
    io::Error::last_os_error()
}

/// Whether an open file is the one that is mapped.
pub fn is_mapped_file(place: &File, file: &MappedFile) -> bool {
    FileStatus::of(place).is_ok_and(|status| is_it(place, status.inode, status.device, file))
}

fn is_it(place: &File, inode: u64, device: (u32, u32), file: &MappedFile) -> bool {
    inode == file.inode && (parse(&file.device) == Some(device) || has_two_numbers(place))
}

/// As `/proc/PID/maps` has it: `fe:01`.
fn parse(device: &str) -> Option<(u32, u32)> {
    let (major, minor) = device.split_once(':')?;
    let number = |text| u32::from_str_radix(text, 16).ok();
    Some((number(major)?, number(minor)?))
}

/// File systems whose files have another device number when they are asked for it than when they
/// are mapped (linux/magic.h): overlayfs, btrfs, bcachefs.
fn has_two_numbers(place: &File) -> bool {
    // SAFETY: all zeros are a valid structure, which the kernel fills during the call.
    let mut about: libc::statfs = unsafe { std::mem::zeroed() };
    // SAFETY: the structure lives during the call.
    let asked = unsafe { libc::fstatfs(place.as_raw_fd(), &raw mut about) };
    let kind = about.f_type as u64 & 0xffff_ffff;
    asked == 0 && [0x794c_7630, 0x9123_683e, 0xca45_1a4e].contains(&kind)
}

impl FileStatus {
    fn of(place: &File) -> io::Result<Self> {
        const WANTED: u32 = libc::STATX_TYPE | libc::STATX_MODE | libc::STATX_UID | libc::STATX_INO;
        let about = statx(place, WANTED)?;
        Ok(FileStatus {
            inode: about.stx_ino,
            device: (about.stx_dev_major, about.stx_dev_minor),
            owner: about.stx_uid,
            mode: u32::from(about.stx_mode),
        })
    }
}

impl Process {
    /// The file that is mapped: through what the kernel has mapped where it lets us, else the
    /// program that runs, if it is that. `by_name` looks where its name leads as well, which is for
    /// processes whose file systems cannot be another user's.
    ///
    /// # Errors
    /// `NotFound` where none of these is that file.
    pub fn pin(self, file: &MappedFile, by_name: bool) -> io::Result<PinnedFile> {
        let links = file.maps.iter().take(1).map(|map| {
            let (start, end) = (map.start, map.end);
            format!("/proc/{}/map_files/{start:x}-{end:x}", self.pid)
        });
        let links = links.chain([format!("/proc/{}/exe", self.pid)]);
        for link in links {
            if let Ok(pinned) = place_at(link.as_ref()).and_then(PinnedFile::of)
                && pinned.is(file)
            {
                return Ok(pinned);
            }
        }
        let gone = || io::Error::from(io::ErrorKind::NotFound);
        if !by_name {
            return Err(gone());
        }
        let root = place_at(format!("/proc/{}/root", self.pid).as_ref());
        let below = root.and_then(|root| place_below(&root, &file.path));
        let named = below.or_else(|_| place_at(&file.path))?;
        let pinned = PinnedFile::of(named)?;
        pinned.is(file).then_some(pinned).ok_or_else(gone)
    }

    /// The program that it runs.
    ///
    /// # Errors
    /// When `/proc/PID/exe` cannot be opened: no such process, or no right to look into it.
    pub fn pin_program(self) -> io::Result<PinnedFile> {
        place_at(format!("/proc/{}/exe", self.pid).as_ref()).and_then(PinnedFile::of)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ids::Pid;
    use std::fs;
    use std::os::unix::fs::PermissionsExt;

    fn me() -> Process {
        Process::open(Pid::from(std::process::id() as i32)).unwrap()
    }

    #[test]
    fn what_is_mapped_is_found_and_nothing_else_is() {
        let program = me().pin_program().unwrap();
        for file in me().mapped_programs().unwrap() {
            let pinned = me().pin(&file, true).unwrap();
            let expected = file.path == std::env::current_exe().unwrap();
            assert_eq!(pinned.is_same(&program), expected, "{file:?}");
            let other = MappedFile {
                inode: file.inode + 1_000_000,
                ..file.clone()
            };
            assert!(me().pin(&other, true).is_err());
            let other = MappedFile {
                device: "fe:ff".into(),
                ..file
            };
            assert!(me().pin(&other, true).is_err() || has_two_numbers(&program.place));
        }
    }

    #[test]
    fn who_else_could_have_written_it_is_told() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("perl");
        fs::write(&path, "").unwrap();
        let me = crate::platform::effective_user();
        let safe = |mode: u32, users: &[u32]| {
            fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
            let pinned = PinnedFile::of(place_at(&path).unwrap()).unwrap();
            (pinned.is_safe_from_others(users), pinned.is_plain_program())
        };
        assert_eq!(safe(0o755, &[me]), (true, true));
        assert_eq!(safe(0o775, &[me]), (false, true));
        assert_eq!(safe(0o757, &[me]), (false, true));
        assert_eq!(safe(0o644, &[me]), (true, false));
        assert_eq!(safe(0o4755, &[me]), (true, false));
        let folder = PinnedFile::of(place_at(folder.path()).unwrap()).unwrap();
        assert!(!folder.is_safe_from_others(&[me]));
    }
}
