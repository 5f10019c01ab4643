//! A file that the user named for writing. The kernel's `fs.protected_symlinks`, `protected_regular`
//! and `protected_fifos` keep others' links and files in folders like /tmp from being followed and
//! overwritten; the same is held here where they are switched off.

use super::folder::{Folder, MAX_LINKS, OWN_FILES, PLACE, Temporary, refused};
use crate::platform::FileKind as Kind;
use crate::platform::unix::users::effective_user;
use std::collections::VecDeque;
use std::ffi::{OsStr, OsString};
use std::fs::{File, Metadata};
use std::io;
use std::os::fd::{FromRawFd, OwnedFd, RawFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Component, Path};

/// A place for a file, links resolved.
#[derive(Debug)]
pub struct Named {
    folder: Folder,
    name: OsString,
    /// What is there.
    pub kind: Kind,
    mode: Option<u32>,
    /// It is a link of the kernel's own making, which is no name.
    is_magic: bool,
}

impl Named {
    /// Finds where a name leads.
    ///
    /// # Errors
    /// Those of the system, and that it leads through a link or to a file that another user has put
    /// into a folder where everybody can.
    pub fn find(path: &Path) -> io::Result<Self> {
        Self::walk(path, &mut |_, _| {
            Err(io::Error::from_raw_os_error(libc::ENOENT))
        })
    }

    /// Makes a folder and those that it is in, as far as they are missing.
    ///
    /// # Errors
    /// As [`Named::find`].
    pub fn make_folder(path: &Path) -> io::Result<()> {
        let make = &mut |folder: &Folder, name: &OsStr| folder.make(name, 0o777);
        let found = Self::walk(path, make)?;
        match found.kind {
            Kind::Folder => Ok(()),
            Kind::Missing => found.folder.make(&found.name, 0o777),
            _ => Err(io::ErrorKind::NotADirectory.into()),
        }
    }

    fn new(folder: Folder, name: OsString, kind: Kind) -> Self {
        Named {
            folder,
            name,
            kind,
            mode: None,
            is_magic: false,
        }
    }

    fn walk(
        path: &Path,
        missing: &mut dyn FnMut(&Folder, &OsStr) -> io::Result<()>,
    ) -> io::Result<Self> {
        let mut folder = Folder::start(path)?;
        let mut left: VecDeque<OsString> = parts(path);
        let mut links = 0;
        while let Some(name) = left.pop_front() {
            if let Some(kind) = descriptor(&folder, &name).filter(|_| left.is_empty()) {
                return Ok(Named::new(folder, name, kind));
            }
            let entry = match folder.place(&name) {
                Err(e) if e.kind() == io::ErrorKind::NotFound => {
                    if left.is_empty() {
                        return Ok(Named::new(folder, name, Kind::Missing));
                    }
                    missing(&folder, &name)?;
                    folder.place(&name)?
                }
                other => other?,
            };
            let about = entry.metadata()?;
            if about.is_symlink() {
                links += 1;
                if links > MAX_LINKS {
                    return Err(io::Error::from_raw_os_error(libc::ELOOP));
                }
                if is_planted(&folder, &about)? {
                    return Err(refused(
                        "it leads through a link that another user has put into a folder where everybody can write",
                    ));
                }
                if folder.is_proc()? {
                    // What such a link says need not be where it leads.
                    let leads = folder.open_through(&name, PLACE)?;
                    match (leads.metadata()?.is_dir(), left.is_empty()) {
                        (true, false) => folder = leads.into(),
                        (true, true) => return Ok(Named::new(folder, name, Kind::Folder)),
                        (false, _) => {
                            let mut found = Named::new(folder, name, Kind::Special);
                            found.is_magic = true;
                            return Ok(found);
                        }
                    }
                    continue;
                }
                if left.is_empty() && about.uid() != effective_user() && about.uid() != 0 {
                    // Another's link is replaced, wherever it leads.
                    return Ok(Named::new(folder, name, Kind::File));
                }
                let target = folder.read_link(&name, &entry)?;
                if target.is_absolute() {
                    folder = Folder::start(&target)?;
                }
                for part in parts(&target).into_iter().rev() {
                    left.push_front(part);
                }
                if left.is_empty() {
                    left.push_back(".".into());
                }
            } else if left.is_empty() {
                let kind = match about.file_type() {
                    kind if kind.is_file() => Kind::File,
                    kind if kind.is_dir() => Kind::Folder,
                    _ => Kind::Special,
                };
                let is_made_by_anybody = about.is_file() || about.file_type().is_fifo();
                if is_made_by_anybody && is_planted(&folder, &about)? {
                    return Err(refused(
                        "another user has put a file of this name into a folder where everybody can write",
                    ));
                }
                let mut found = Named::new(folder, name, kind);
                found.mode = (kind == Kind::File).then_some(about.mode() & 0o777);
                return Ok(found);
            } else {
                folder = entry.into();
            }
        }
        Err(io::ErrorKind::InvalidInput.into())
    }

    /// Opens a pipe, a device or a descriptor for writing.
    ///
    /// # Errors
    /// When it may not be written to, or is no open descriptor.
    pub fn open(&self) -> io::Result<File> {
        if let Kind::Descriptor(number) = self.kind {
            // SAFETY: a number that is no descriptor is refused.
            let copy = unsafe { libc::fcntl(number, libc::F_DUPFD_CLOEXEC, 0) };
            if copy < 0 {
                return Err(io::Error::last_os_error());
            }
            // SAFETY: the descriptor was just made, and nobody else has it.
            return Ok(File::from(unsafe { OwnedFd::from_raw_fd(copy) }));
        }
        match self.is_magic {
            true => self.folder.open_through(&self.name, libc::O_WRONLY),
            false => self.folder.open_at(&self.name, libc::O_WRONLY),
        }
    }

    /// A file that will take this name: with the rights that the one there has, or else those that
    /// the umask leaves.
    ///
    /// # Errors
    /// When nothing can be made in the folder, or the file cannot have these rights.
    pub fn temporary(&self) -> io::Result<Temporary<'_>> {
        let temporary = self.folder.temporary(0o666)?;
        if let Some(mode) = self.mode {
            let mode = std::os::unix::fs::PermissionsExt::from_mode(mode);
            temporary.file.set_permissions(mode)?;
        }
        Ok(temporary)
    }

    /// The name in its folder.
    pub fn name(&self) -> &OsStr {
        &self.name
    }
}

fn parts(path: &Path) -> VecDeque<OsString> {
    let parts = path.components().filter_map(|part| match part {
        Component::Normal(name) => Some(name.to_owned()),
        Component::ParentDir => Some("..".into()),
        _ => None,
    });
    let mut parts: VecDeque<OsString> = parts.collect();
    // The slash at its end means a folder.
    if parts.is_empty() || path.as_os_str().as_bytes().ends_with(b"/") {
        parts.push_back(".".into());
    }
    parts
}

/// Something that neither we nor the folder's owner has put there, in a folder where everybody can.
fn is_planted(folder: &Folder, about: &Metadata) -> io::Result<bool> {
    let around = folder.about()?;
    let is_public = around.mode() & 0o1002 == 0o1002;
    Ok(is_public && about.uid() != effective_user() && about.uid() != around.uid())
}

/// The descriptor of ours that a name in the folder of our own files stands for.
fn descriptor(folder: &Folder, name: &OsStr) -> Option<Kind> {
    let number: RawFd = name.to_str()?.parse().ok()?;
    let own = Folder::open(Path::new(OWN_FILES)).ok()?;
    let (own, here) = (own.about().ok()?, folder.about().ok()?);
    ((own.dev(), own.ino()) == (here.dev(), here.ino())).then_some(Kind::Descriptor(number))
}
