//! Files and folders that p5-spy makes. A folder is held open, so that nobody can rename it or put
//! another in its place meanwhile.

use super::guard::Guard;
use super::opened::open_folder;
use super::users::is_trusted;
use crate::platform::FileKind as Kind;
use std::ffi::{OsStr, OsString};
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::windows::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use windows_sys::Win32::Foundation::{GENERIC_READ, GENERIC_WRITE};
use windows_sys::Win32::Storage::FileSystem::{
    FILE_ATTRIBUTE_REPARSE_POINT, FILE_FLAG_BACKUP_SEMANTICS, FILE_FLAG_OPEN_REPARSE_POINT,
    FILE_SHARE_READ, FILE_SHARE_WRITE, WRITE_DAC,
};

/// Names for a temporary file that are tried.
const TRIES: u32 = 100;

/// A folder, held open so that nobody can put another one in its place.
#[derive(Debug)]
pub struct Folder {
    path: PathBuf,
    handle: File,
}

impl Folder {
    /// A folder that exists.
    ///
    /// # Errors
    /// When it is not there, is no folder, or may not be read.
    pub fn open(path: &Path) -> io::Result<Self> {
        Self::held(path, 0)
    }

    /// Opens it without letting others rename or delete it.
    fn held(path: &Path, flags: u32) -> io::Result<Self> {
        let handle = OpenOptions::new()
            .read(true)
            .share_mode(FILE_SHARE_READ | FILE_SHARE_WRITE)
            .custom_flags(FILE_FLAG_BACKUP_SEMANTICS | flags)
            .open(path)?;
        match handle.metadata()?.is_dir() {
            true => Ok(Folder {
                path: path.to_owned(),
                handle,
            }),
            false => Err(io::ErrorKind::NotADirectory.into()),
        }
    }

    /// A folder in this one, which is made where it is missing. No link is followed.
    ///
    /// # Errors
    /// When it cannot be opened or made, is a link, or when it or the folder that it would be made in is
    /// not ours.
    pub fn inside(&self, name: &OsStr, make: bool) -> io::Result<Self> {
        let path = self.path.join(name);
        let open = || Self::held(&path, FILE_FLAG_OPEN_REPARSE_POINT);
        let found = match open() {
            Err(e) if e.kind() == io::ErrorKind::NotFound && make => {
                if !self.is_ours()? {
                    return Err(refused("it would be in a folder that is not yours"));
                }
                fs::create_dir(&path)?;
                open()?
            }
            other => other?,
        };
        let about = found.handle.metadata()?;
        if about.file_attributes() & FILE_ATTRIBUTE_REPARSE_POINT != 0 {
            return Err(refused("it is a link to another folder"));
        }
        match found.is_ours()? {
            true => Ok(found),
            false => Err(refused("it is in a folder that is not yours")),
        }
    }

    /// True for a folder that belongs to us, or to who may do anything here.
    ///
    /// # Errors
    /// When its owner cannot be asked for.
    pub fn is_ours(&self) -> io::Result<bool> {
        Ok(is_trusted(Guard::of(&self.handle)?.owner))
    }

    /// The same, where only we (and administrators) can write.
    ///
    /// # Errors
    /// When its owner or its access list cannot be asked for.
    pub fn is_private(&self) -> io::Result<bool> {
        let guard = Guard::of(&self.handle)?;
        Ok(is_trusted(guard.owner) && !guard.others_write)
    }

    /// Opens a file for reading; no link is followed.
    ///
    /// # Errors
    /// When it is not there, or may not be read.
    pub fn read(&self, name: &OsStr) -> io::Result<File> {
        let mut options = OpenOptions::new();
        options
            .read(true)
            .custom_flags(FILE_FLAG_OPEN_REPARSE_POINT);
        options.open(self.path.join(name))
    }

    /// The names in it.
    ///
    /// # Errors
    /// When the folder may not be listed.
    pub fn names(&self) -> io::Result<fs::ReadDir> {
        fs::read_dir(&self.path)
    }

    /// A new file that has a name which nothing else has, until it is whole. Its rights are those that
    /// the folder gives: `mode` is Unix's.
    ///
    /// # Errors
    /// When nothing can be made in the folder.
    pub fn temporary(&self, _mode: u32) -> io::Result<Temporary<'_>> {
        for _ in 0..TRIES {
            let letters: String = std::iter::repeat_with(fastrand::alphanumeric)
                .take(8)
                .collect();
            let path = self.path.join(format!(".p5-spy-{letters}"));
            let mut options = OpenOptions::new();
            options.read(true).write(true).create_new(true);
            // Who may see it is said later.
            options.access_mode(GENERIC_READ | GENERIC_WRITE | WRITE_DAC);
            match options.open(&path) {
                Err(e) if e.kind() == io::ErrorKind::AlreadyExists => {}
                opened => {
                    return Ok(Temporary {
                        file: opened?,
                        folder: self,
                        name: Some(path),
                    });
                }
            }
        }
        Err(io::ErrorKind::AlreadyExists.into())
    }

    /// Writes a file whole, under another name first.
    ///
    /// # Errors
    /// When the disk is full, or a file that another program has open has that name already.
    pub fn write(&self, name: &OsStr, bytes: &[u8]) -> io::Result<()> {
        let mut temporary = self.temporary(0o600)?;
        temporary.file.write_all(bytes)?;
        temporary.keep(name).map(|_| ())
    }
}

/// A file that is gone when nobody keeps it.
#[derive(Debug)]
pub struct Temporary<'a> {
    /// The file, open for reading and writing.
    pub file: File,
    folder: &'a Folder,
    name: Option<PathBuf>,
}

impl Temporary<'_> {
    /// Never gives it a name: it is gone when it is closed.
    ///
    /// # Errors
    /// When its name cannot be removed.
    pub fn nameless(mut self) -> io::Result<File> {
        let file = self.file.try_clone()?;
        if let Some(name) = self.name.take() {
            fs::remove_file(name)?;
        }
        Ok(file)
    }

    /// Gives it its name, in place of what had it.
    ///
    /// # Errors
    /// When it cannot be renamed: a file that another program has open may not be replaced.
    pub fn keep(mut self, name: &OsStr) -> io::Result<File> {
        if let Some(before) = &self.name {
            fs::rename(before, self.folder.path.join(name))?;
        }
        self.name = None;
        self.file.try_clone()
    }
}

impl Drop for Temporary<'_> {
    fn drop(&mut self) {
        if let Some(name) = self.name.take() {
            let _ = fs::remove_file(name);
        }
    }
}

fn refused(why: &'static str) -> io::Error {
    io::Error::new(io::ErrorKind::PermissionDenied, why)
}

/// A place for a file, links resolved.
#[derive(Debug)]
pub struct Named {
    folder: Folder,
    name: OsString,
    /// What is there.
    pub kind: Kind,
}

impl Named {
    /// Finds where a name leads.
    ///
    /// # Errors
    /// When the folder that it is in is not there, or may not be opened.
    pub fn find(path: &Path) -> io::Result<Self> {
        let kind = kind(path)?;
        // What has a link's name is written where the link leads.
        let path = match kind {
            Kind::File => fs::canonicalize(path)?,
            _ => path.to_owned(),
        };
        let parent = path
            .parent()
            .filter(|parent| !parent.as_os_str().is_empty());
        let folder = parent.unwrap_or(Path::new("."));
        let folder = match kind {
            // A device is in no folder.
            Kind::Special => Folder::open(&std::env::temp_dir())?,
            _ => Folder::open(folder)?,
        };
        Ok(Named {
            folder,
            name: match (kind, path.file_name()) {
                (Kind::Special, _) => path.into_os_string(),
                (_, Some(name)) => name.to_owned(),
                (_, None) => ".".into(),
            },
            kind,
        })
    }

    /// Makes a folder and those that it is in, as far as they are missing.
    ///
    /// # Errors
    /// When one of them cannot be made, or a file has its name.
    pub fn make_folder(path: &Path) -> io::Result<()> {
        fs::create_dir_all(path)
    }

    /// Opens a device or a pipe for writing.
    ///
    /// # Errors
    /// When it is not there, or may not be written to.
    pub fn open(&self) -> io::Result<File> {
        OpenOptions::new().write(true).open(&self.name)
    }

    /// A file that will take this name, with the rights that the folder gives.
    ///
    /// # Errors
    /// When nothing can be made in the folder.
    pub fn temporary(&self) -> io::Result<Temporary<'_>> {
        self.folder.temporary(0o666)
    }

    /// The name in its folder.
    pub fn name(&self) -> &OsStr {
        &self.name
    }
}

fn kind(path: &Path) -> io::Result<Kind> {
    if is_device(path) {
        return Ok(Kind::Special);
    }
    match open_folder(path).and_then(|opened| opened.metadata()) {
        Ok(about) if about.is_dir() => Ok(Kind::Folder),
        Ok(about) if about.is_file() => Ok(Kind::File),
        Ok(_) => Ok(Kind::Special),
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(Kind::Missing),
        // Another program has it open for itself; that it is there is all that matters here.
        Err(e) => match fs::metadata(path) {
            Ok(about) if about.is_dir() => Ok(Kind::Folder),
            Ok(_) => Ok(Kind::File),
            Err(_) => Err(e),
        },
    }
}

/// Names that are devices in every folder, whatever their ending, and what is in the folder of devices
/// or of pipes.
fn is_device(path: &Path) -> bool {
    let text = path.as_os_str().to_string_lossy().to_ascii_uppercase();
    if text.starts_with(r"\\.\") {
        return true;
    }
    let name = path
        .file_name()
        .unwrap_or_default()
        .to_string_lossy()
        .to_ascii_uppercase();
    let stem = name.split('.').next().unwrap_or_default().trim_end();
    let numbered = |kind: &str| {
        let number = stem.strip_prefix(kind);
        number.is_some_and(|n| n.len() == 1 && n.bytes().all(|b| (b'1'..=b'9').contains(&b)))
    };
    ["CON", "PRN", "AUX", "NUL", "CONIN$", "CONOUT$"].contains(&stem)
        || numbered("COM")
        || numbered("LPT")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn devices_have_their_names_everywhere() {
        for name in ["NUL", r"C:\x\nul.txt", "com1", r"\\.\pipe\x", "CONOUT$"] {
            assert!(is_device(Path::new(name)), "{name}");
        }
        for name in ["null", "com10", "a.nul", r"C:\con\x.html", "lpt"] {
            assert!(!is_device(Path::new(name)), "{name}");
        }
    }

    #[test]
    fn what_is_not_kept_leaves_nothing() {
        let place = tempfile::tempdir().unwrap();
        let folder = Folder::open(place.path()).unwrap();
        let count = || folder.names().unwrap().count();
        for keep in [false, true, true] {
            let mut temporary = folder.temporary(0o600).unwrap();
            temporary.file.write_all(b"text").unwrap();
            if keep {
                temporary.keep(OsStr::new("file")).unwrap();
            }
        }
        assert_eq!(count(), 1);
        assert_eq!(fs::read(place.path().join("file")).unwrap(), b"text");
        let made = folder.inside(OsStr::new("a"), true).unwrap();
        made.write(OsStr::new("x"), b"1").unwrap();
        made.write(OsStr::new("x"), b"2").unwrap();
        assert_eq!(fs::read(place.path().join("a").join("x")).unwrap(), b"2");
    }
}
