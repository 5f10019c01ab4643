//! Who reads the files that a process names: its program and libraries, their debug information, its
//! source.
//!
//! For a process of ours we do it ourselves, as far as nobody else can have written the file. For
//! every other one a confined child does, with the rights that the process has (`platform/unix/sandbox/`); what it
//! says is checked and bounded. No file is looked for by a name where the kernel can tell it
//! otherwise.
//!
//! That child is in `platform/unix/sandbox/`: a fork that takes the process's user, groups and root, gives up
//! every capability, limits and filters itself (`platform/linux/confine/`), and answers over a socket
//! (`platform/unix/sandbox/channel.rs`). What is asked of a file is a `Question` (`image/question.rs`),
//! answered by the same code here and there; `examine/serve.rs` lists them all, `readers.rs` keeps the
//! children, `link.rs` is an image that one of them has open. Debug information is always left to a child.
//! Facts that come back are bounded and escaped (`ImageFacts::are_sane`, `Identity::of`), and what a look at
//! a process may cost is a `Budget` (`image/budget.rs`).

mod copies;
mod link;
mod perl_file;
mod readers;
mod request;
mod serve;
mod source;

pub use copies::copied_variables;
pub use perl_file::{NoPerl, find_perl};
pub use request::{LARGEST_SOURCE, SourceError};
pub use source::read_source;

use crate::image::{Budget, Image, ImageError, may_define_perl};
use crate::platform::opened::may_direct_us;
use crate::platform::{Ground, MappedFile, OpenError, PinnedFile, Process, effective_user};
use link::{FileAccess, Link};
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Finds the files that a process had mapped which is no more, or was on another machine.
pub trait FileFinder: Send + Sync {
    /// Where such a file is here.
    fn here(&self, file: &MappedFile) -> PathBuf;

    /// The build-id that it had in memory; `None` where that is not known.
    fn build_id(&self, file: &MappedFile) -> Option<Vec<u8>>;
}

/// Looks at the files of one process.
pub struct Examiner {
    whose: Examined,
    budget: Arc<Budget>,
}

enum Examined {
    Process { process: Process, ours: bool },
    Former(Arc<dyn FileFinder>),
}

impl Examiner {
    /// For this process.
    pub fn of(process: Process) -> Self {
        let ours = process.is_ours();
        Examiner {
            whose: Examined::Process { process, ours },
            budget: Arc::default(),
        }
    }

    /// For a process that is no more. A child opens its files, with our own rights, as somebody else has
    /// chosen their names.
    pub fn of_former(finder: Arc<dyn FileFinder>) -> Self {
        Examiner {
            whose: Examined::Former(finder),
            budget: Arc::default(),
        }
    }

    /// Whether it runs as the user that we are, and sees what we see.
    pub fn is_ours(&self) -> bool {
        matches!(self.whose, Examined::Process { ours: true, .. })
    }

    /// A mapped file, held by its descriptor.
    ///
    /// # Errors
    /// When the kernel does not lead to it, as it never does for a process that is no more.
    pub fn pin(&self, file: &MappedFile) -> io::Result<PinnedFile> {
        match self.whose {
            Examined::Process { process, ours } => process.pin(file, ours),
            Examined::Former(_) => Err(io::ErrorKind::NotFound.into()),
        }
    }

    /// Whether root or we alone can have written a mapped file, and the process sees it where we do:
    /// what it says may be remembered.
    pub fn trusts(&self, file: &MappedFile) -> bool {
        let safe = |pinned: PinnedFile| pinned.is_safe_from_others(&[effective_user()]);
        match &self.whose {
            Examined::Process { process, ours } => {
                (*ours || process.shares_our_view()) && self.pin(file).is_ok_and(safe)
            }
            Examined::Former(finder) => {
                let opened = Ground::OURS.open(&finder.here(file));
                opened.is_ok_and(|file| may_direct_us(&file).unwrap_or(false))
            }
        }
    }

    /// Opens a mapped file.
    ///
    /// # Errors
    /// [`ImageError`] when it cannot be opened or is not what was mapped, its reader is not to be had, or it
    /// is no object file.
    pub fn open(&self, file: &MappedFile) -> Result<Image, ImageError> {
        let opened = self.open_if(file, None)?;
        opened.ok_or_else(|| ImageError::Confined {
            path: file.path.clone(),
            reason: "it was not opened".into(),
        })
    }

    /// Opens a mapped file if a glance at it does not rule out that it has a perl.
    ///
    /// # Errors
    /// [`ImageError`] as [`Examiner::open`] has it.
    pub fn open_likely(
        &self,
        file: &MappedFile,
        is_program: bool,
    ) -> Result<Option<Image>, ImageError> {
        self.open_if(file, Some(is_program))
    }

    fn open_if(
        &self,
        file: &MappedFile,
        glance: Option<bool>,
    ) -> Result<Option<Image>, ImageError> {
        let failed = |source: OpenError| ImageError::Io {
            path: file.path.clone(),
            source,
        };
        let (process, ours) = match &self.whose {
            Examined::Process { process, ours } => (*process, *ours),
            Examined::Former(finder) => return open_former(finder.as_ref(), file, glance),
        };
        let pinned = self.pin(file);
        let access = match pinned {
            Ok(pinned) if ours && pinned.is_safe_from_others(&[effective_user()]) => {
                let opened = pinned.open().map_err(failed)?;
                let link = Link::new(process, &file.path, FileAccess::File(pinned.into()));
                return self.open_here(&file.path, opened, glance, link);
            }
            Ok(pinned) => FileAccess::File(pinned.into()),
            Err(e) if ours => return Err(failed(e.into())),
            // The kernel does not lead us there: the child looks where the name leads, and compares.
            Err(_) => FileAccess::Name(file.clone()),
        };
        Link::new(process, &file.path, access).open(glance)
    }

    fn open_here(
        &self,
        path: &Path,
        file: File,
        glance: Option<bool>,
        link: Link,
    ) -> Result<Option<Image>, ImageError> {
        if let Some(is_program) = glance {
            let again = file.try_clone().map_err(|e| ImageError::Io {
                path: path.to_owned(),
                source: e.into(),
            })?;
            if !may_define_perl(path, again, self.budget.clone(), is_program)? {
                return Ok(None);
            }
        }
        let image = Image::of_file(path, file, self.budget.clone())?;
        Ok(Some(image.with_help(Box::new(link))))
    }
}

/// A file of a process that is no more, if it is still what that had mapped.
fn open_former(
    finder: &dyn FileFinder,
    file: &MappedFile,
    glance: Option<bool>,
) -> Result<Option<Image>, ImageError> {
    let path = finder.here(file);
    let opened = Ground::OURS.open(&path);
    let opened = opened.map_err(|source| ImageError::Io {
        path: path.clone(),
        source,
    })?;
    let access = FileAccess::File(opened.into());
    let image = Link::new(Process::ourselves(), &path, access).open(glance)?;
    let wanted = finder.build_id(file);
    match (&image, wanted) {
        (Some(image), Some(wanted)) if image.build_id().is_some_and(|id| id != wanted) => {
            Err(ImageError::Another { path })
        }
        _ => Ok(image),
    }
}

/// Opens a file that our user named. Debug information is left to a child all the same.
///
/// # Errors
/// [`ImageError`] when it cannot be read, is no object file, or its reader is not to be had.
pub fn open_named(path: &Path) -> Result<Image, ImageError> {
    let failed = |source: OpenError| ImageError::Io {
        path: path.to_owned(),
        source,
    };
    let file = Ground::OURS.open(path).map_err(failed)?;
    let again = file.try_clone().map_err(|e| failed(e.into()))?;
    let image = Image::of_file(path, file, Arc::default())?;
    let link = Link::new(Process::ourselves(), path, FileAccess::File(again.into()));
    Ok(image.with_help(Box::new(link)))
}
