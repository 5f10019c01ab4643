//! A folder by its descriptor: what is done in it is done in this very one, whatever its name leads
//! to by then.

use crate::platform::unix::open_at::open_at;
use crate::platform::unix::users::effective_user;
use std::ffi::{CStr, CString, OsStr, OsString};
use std::fs::{File, Metadata};
use std::io::{self, Write};
use std::os::fd::AsRawFd;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::MetadataExt;
use std::path::{Component, Path, PathBuf};

/// No more links are followed on the way to a file, as in the kernel.
pub(super) const MAX_LINKS: u32 = 40;
/// Holds what has a name without opening it; macOS can only open it, in its mildest way.
#[cfg(not(target_os = "macos"))]
pub(super) const PLACE: libc::c_int = libc::O_PATH;
#[cfg(target_os = "macos")]
pub(super) const PLACE: libc::c_int = libc::O_EVTONLY | libc::O_NONBLOCK;
/// The same of a link itself.
#[cfg(not(target_os = "macos"))]
const LINK: libc::c_int = PLACE | libc::O_NOFOLLOW;
#[cfg(target_os = "macos")]
const LINK: libc::c_int = PLACE | libc::O_SYMLINK;
/// Names for a temporary file that are tried.
const TRIES: u32 = 100;

/// A folder by descriptor: what is done in it is done there, whatever its name leads to by then.
#[derive(Debug)]
pub struct Folder {
    handle: File,
}

impl Folder {
    /// A folder that exists. A link on the way must be root's or ours.
    ///
    /// # Errors
    /// When there is no such folder, it may not be read, or a link on the way is another user's.
    pub fn open(path: &Path) -> io::Result<Self> {
        let mut at = Folder::start(path)?;
        for part in path.components() {
            at = match part {
                Component::Normal(name) => at.below(name)?,
                Component::ParentDir => at.place(OsStr::new(".."))?.into(),
                _ => at,
            };
        }
        Ok(at)
    }

    /// Where a path begins.
    pub(super) fn start(path: &Path) -> io::Result<Self> {
        let start = if path.is_absolute() { c"/" } else { c"." };
        // OpenOptions leave O_PATH out with musl.
        let handle = open_at(&libc::AT_FDCWD, start, PLACE | libc::O_DIRECTORY, 0)?;
        Ok(Folder::from(handle))
    }

    fn below(&self, name: &OsStr) -> io::Result<Self> {
        let entry = self.place(name)?;
        let about = entry.metadata()?;
        if about.is_dir() {
            return Ok(entry.into());
        }
        if !about.is_symlink() {
            return Err(io::ErrorKind::NotADirectory.into());
        }
        if about.uid() != effective_user() && about.uid() != 0 {
            return Err(refused("a link of another user's is on the way to it"));
        }
        let flags = PLACE | libc::O_DIRECTORY;
        self.open_through(name, flags).map(Folder::from)
    }

    /// A folder in this one, which is made where it is missing.
    ///
    /// # Errors
    /// When it cannot be opened or made, or when it or the folder that it would be made in is not ours.
    pub fn inside(&self, name: &OsStr, make: bool) -> io::Result<Self> {
        let found = match self.below(name) {
            Err(e) if e.kind() == io::ErrorKind::NotFound && make => {
                if !self.is_ours()? {
                    return Err(refused("it would be in a folder that is not yours"));
                }
                self.make(name, 0o700)?;
                self.below(name)?
            }
            other => other?,
        };
        match found.is_ours()? {
            true => Ok(found),
            false => Err(refused("it is in a folder that is not yours")),
        }
    }

    /// Makes a folder in this one, unless there is one.
    pub(super) fn make(&self, name: &OsStr, mode: libc::mode_t) -> io::Result<()> {
        let name = CString::new(name.as_bytes())?;
        // SAFETY: the descriptor is open and the name is a string with its end.
        let made = unsafe { libc::mkdirat(self.handle.as_raw_fd(), name.as_ptr(), mode) };
        match io::Error::last_os_error() {
            e if made != 0 && e.kind() != io::ErrorKind::AlreadyExists => Err(e),
            _ => Ok(()),
        }
    }

    /// True for a folder that belongs to us and that is not open to everybody.
    ///
    /// # Errors
    /// When fstat(2) fails.
    pub fn is_ours(&self) -> io::Result<bool> {
        let about = self.about()?;
        Ok(about.uid() == effective_user() && about.mode() & 0o002 == 0)
    }

    /// The same, where only we (and root) can write.
    ///
    /// # Errors
    /// When fstat(2) fails.
    pub fn is_private(&self) -> io::Result<bool> {
        let about = self.about()?;
        Ok(about.uid() == effective_user() && about.mode() & 0o022 == 0)
    }

    pub(super) fn about(&self) -> io::Result<Metadata> {
        self.handle.metadata()
    }

    /// Opens a file for reading; no link is followed and nothing is waited for.
    ///
    /// # Errors
    /// When it is not there, is a link, or may not be read.
    pub fn read(&self, name: &OsStr) -> io::Result<File> {
        self.open_at(name, libc::O_RDONLY | libc::O_NONBLOCK)
    }

    /// The names in it.
    #[cfg(test)]
    fn names(&self) -> io::Result<std::fs::ReadDir> {
        std::fs::read_dir(format!("{OWN_FILES}/{}", self.handle.as_raw_fd()))
    }

    /// Holds what has this name in the folder; a link is held itself.
    pub(super) fn place(&self, name: &OsStr) -> io::Result<File> {
        self.open_with(name, LINK, 0)
    }

    /// Opens what has this name in the folder; a link is not followed.
    pub(super) fn open_at(&self, name: &OsStr, flags: libc::c_int) -> io::Result<File> {
        self.open_with(name, flags | libc::O_NOFOLLOW, 0)
    }

    /// The same, where a link may lead elsewhere.
    pub(super) fn open_through(&self, name: &OsStr, flags: libc::c_int) -> io::Result<File> {
        self.open_with(name, flags, 0)
    }

    /// Whether it is in /proc, whose links are no names.
    #[cfg(not(target_os = "linux"))]
    pub(super) fn is_proc(&self) -> io::Result<bool> {
        Ok(false)
    }

    /// Whether it is in /proc, whose links are no names.
    #[cfg(target_os = "linux")]
    pub(super) fn is_proc(&self) -> io::Result<bool> {
        let mut about = std::mem::MaybeUninit::<libc::statfs>::zeroed();
        // SAFETY: the descriptor is open, and there is room for the answer.
        if unsafe { libc::fstatfs(self.handle.as_raw_fd(), about.as_mut_ptr()) } != 0 {
            return Err(io::Error::last_os_error());
        }
        // SAFETY: it was filled, and zeros would do.
        let about = unsafe { about.assume_init() };
        // The two have different types, which depend on the processor and the C library.
        Ok(i128::from(about.f_type) == i128::from(libc::PROC_SUPER_MAGIC))
    }

    /// Where a link in this folder leads, which is held as `link`. On macOS it is found by its name
    /// once more: what it leads to is looked at like any other name.
    pub(super) fn read_link(&self, name: &OsStr, link: &File) -> io::Result<PathBuf> {
        let (at, name) = match cfg!(target_os = "macos") {
            true => (&self.handle, CString::new(name.as_bytes())?),
            false => (link, CString::default()),
        };
        let mut text = vec![0_u8; libc::PATH_MAX as usize];
        // SAFETY: the descriptor is open, the name has its end, and the buffer is as long as is said.
        let length = unsafe {
            libc::readlinkat(
                at.as_raw_fd(),
                name.as_ptr(),
                text.as_mut_ptr().cast(),
                text.len(),
            )
        };
        let length = usize::try_from(length).map_err(|_| io::Error::last_os_error())?;
        text.truncate(length);
        Ok(OsString::from_vec(text).into())
    }

    fn open_with(&self, name: &OsStr, flags: libc::c_int, mode: libc::mode_t) -> io::Result<File> {
        let name = CString::new(name.as_bytes())?;
        open_at(&self.handle, &name, flags | libc::O_NOCTTY, mode)
    }

    /// A new file that has no name, or one that nothing else has, until it is whole.
    ///
    /// # Errors
    /// When nothing can be made in the folder.
    pub fn temporary(&self, mode: libc::mode_t) -> io::Result<Temporary<'_>> {
        if let Some(file) = self.nameless(mode) {
            return Ok(Temporary {
                file,
                folder: self,
                name: None,
            });
        }
        let flags = libc::O_RDWR | libc::O_CREAT | libc::O_EXCL | libc::O_NOFOLLOW;
        let (file, name) = with_new_name(|name| {
            let name = OsStr::from_bytes(name.to_bytes());
            self.open_with(name, flags, mode)
        })?;
        Ok(Temporary {
            file,
            folder: self,
            name: Some(name),
        })
    }

    /// A file without a name, of which nothing is left, however this process ends. Not all file
    /// systems have such files, and only /proc gives them a name later.
    #[cfg(target_os = "linux")]
    fn nameless(&self, mode: libc::mode_t) -> Option<File> {
        let can_be_named = Path::new(OWN_FILES).exists();
        let make = || self.open_with(OsStr::new("."), libc::O_RDWR | libc::O_TMPFILE, mode);
        can_be_named.then(make)?.ok()
    }

    #[cfg(not(target_os = "linux"))]
    fn nameless(&self, _: libc::mode_t) -> Option<File> {
        None
    }

    /// Writes a file whole, under another name first.
    ///
    /// # Errors
    /// When the disk is full, or the folder may not be written to.
    pub fn write(&self, name: &OsStr, bytes: &[u8]) -> io::Result<()> {
        let mut temporary = self.temporary(0o600)?;
        temporary.file.write_all(bytes)?;
        temporary.keep(name).map(|_| ())
    }
}

impl From<File> for Folder {
    fn from(handle: File) -> Self {
        Folder { handle }
    }
}

/// A file that is gone when nobody keeps it.
#[derive(Debug)]
pub struct Temporary<'a> {
    /// The file, open for reading and writing.
    pub file: File,
    folder: &'a Folder,
    name: Option<CString>,
}

/// The open files of this process.
#[cfg(target_os = "linux")]
pub(super) const OWN_FILES: &str = "/proc/self/fd";
#[cfg(not(target_os = "linux"))]
pub(super) const OWN_FILES: &str = "/dev/fd";

/// Makes something of a name that nothing has.
fn with_new_name<T>(mut make: impl FnMut(&CStr) -> io::Result<T>) -> io::Result<(T, CString)> {
    for _ in 0..TRIES {
        let letters: String = std::iter::repeat_with(fastrand::alphanumeric)
            .take(8)
            .collect();
        let name = CString::new(format!(".p5-spy-{letters}"))?;
        match make(&name) {
            Err(e) if e.kind() == io::ErrorKind::AlreadyExists => {}
            made => return made.map(|made| (made, name)),
        }
    }
    Err(io::ErrorKind::AlreadyExists.into())
}

impl Temporary<'_> {
    /// Never gives it a name.
    ///
    /// # Errors
    /// When we may open no more files.
    pub fn nameless(self) -> io::Result<File> {
        self.file.try_clone()
    }

    /// Gives it its name, in place of what had it.
    ///
    /// # Errors
    /// When the folder may not be written to, or another folder has that name.
    pub fn keep(mut self, name: &OsStr) -> io::Result<File> {
        let folder = self.folder.handle.as_raw_fd();
        let name = CString::new(name.as_bytes())?;
        // No call gives a file a name that another has.
        let before = match &self.name {
            Some(before) => before,
            None => self.name.insert(self.link()?),
        };
        // SAFETY: the descriptor is open and both names are strings with their ends.
        let moved = unsafe { libc::renameat(folder, before.as_ptr(), folder, name.as_ptr()) };
        if moved != 0 {
            return Err(io::Error::last_os_error());
        }
        self.name = None;
        self.file.try_clone()
    }

    /// Gives a file that has no name one that nothing has.
    fn link(&self) -> io::Result<CString> {
        let folder = self.folder.handle.as_raw_fd();
        let own = CString::new(format!("{OWN_FILES}/{}", self.file.as_raw_fd()))?;
        let named = with_new_name(|name| {
            // SAFETY: the descriptor is open and both names are strings with their ends.
            let linked = unsafe {
                libc::linkat(
                    libc::AT_FDCWD,
                    own.as_ptr(),
                    folder,
                    name.as_ptr(),
                    libc::AT_SYMLINK_FOLLOW,
                )
            };
            match linked {
                0 => Ok(()),
                _ => Err(io::Error::last_os_error()),
            }
        });
        named.map(|((), name)| name)
    }
}

impl Drop for Temporary<'_> {
    fn drop(&mut self) {
        if let Some(name) = &self.name {
            let folder = self.folder.handle.as_raw_fd();
            // SAFETY: the descriptor is open and the name is a string with its end.
            unsafe { libc::unlinkat(folder, name.as_ptr(), 0) };
        }
    }
}

pub(super) fn refused(why: &'static str) -> io::Error {
    io::Error::new(io::ErrorKind::PermissionDenied, why)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::{PermissionsExt, symlink};

    #[test]
    fn folders_are_made_only_in_private_ones() {
        let folder = tempfile::tempdir().unwrap();
        let here = Folder::open(folder.path()).unwrap();
        let name = OsStr::new("a");
        here.inside(name, false).unwrap_err();
        let made = here.inside(name, true).unwrap();
        assert!(made.is_private().unwrap());
        made.write(OsStr::new("x"), b"1").unwrap();
        made.write(OsStr::new("x"), b"2").unwrap();
        let path = folder.path().join("a");
        assert_eq!(std::fs::read(path.join("x")).unwrap(), b"2");
        assert_eq!(std::fs::read_dir(&path).unwrap().count(), 1);
        std::fs::set_permissions(&path, PermissionsExt::from_mode(0o777)).unwrap();
        let open = Folder::open(&path).unwrap();
        open.inside(OsStr::new("b"), true).unwrap_err();
        here.inside(name, true).unwrap_err();
        Folder::open(Path::new("/no/such/folder")).unwrap_err();
    }

    #[test]
    fn what_is_not_kept_leaves_nothing() {
        let place = tempfile::tempdir().unwrap();
        let folder = Folder::open(place.path()).unwrap();
        let count = || folder.names().unwrap().count();
        for keep in [false, true, true] {
            let before = count();
            let mut temporary = folder.temporary(0o600).unwrap();
            temporary.file.write_all(b"text").unwrap();
            // Even if this process were killed now.
            assert!(temporary.name.is_some() || count() == before);
            if keep {
                temporary.keep(OsStr::new("file")).unwrap();
            }
        }
        assert_eq!(count(), 1);
        let kept = std::fs::read(place.path().join("file")).unwrap();
        assert_eq!(kept, b"text");
    }

    #[test]
    fn where_files_must_have_names_one_is_found() {
        let place = tempfile::tempdir().unwrap();
        let folder = Folder::open(place.path()).unwrap();
        let flags = libc::O_RDWR | libc::O_CREAT | libc::O_EXCL;
        let (file, name) = with_new_name(|name| {
            folder.open_with(OsStr::from_bytes(name.to_bytes()), flags, 0o600)
        })
        .unwrap();
        let named = |file| Temporary {
            file,
            folder: &folder,
            name: Some(name.clone()),
        };
        drop(named(file.try_clone().unwrap()));
        assert_eq!(folder.names().unwrap().count(), 0);
        let again =
            with_new_name(|_| folder.open_with(OsStr::from_bytes(name.to_bytes()), flags, 0o600));
        named(again.unwrap().0).keep(OsStr::new("file")).unwrap();
        assert_eq!(folder.names().unwrap().count(), 1);
    }

    #[test]
    fn a_link_is_followed_only_if_it_is_ours() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        std::fs::create_dir(at("real")).unwrap();
        symlink("real", at("ours")).unwrap();
        Folder::open(&at("ours")).unwrap();
        symlink("real", at("theirs")).unwrap();
        match std::os::unix::fs::lchown(at("theirs"), Some(65534), None) {
            Ok(()) => drop(Folder::open(&at("theirs")).unwrap_err()),
            Err(_) => eprintln!("skipped: only root makes a link of another user's"),
        }
    }
}
