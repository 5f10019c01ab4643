//! An image that a child has open.

use super::readers::{ReaderChild, reader};
use super::request::{Answered, FileRequest, Opened};
use crate::image::{Elsewhere, Image, ImageError, Sighting};
use crate::platform::opened::{self, Handle};
use crate::platform::{MappedFile, PinnedFile, Process, Stamp};
use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

/// How the child gets at the file.
pub(super) enum FileAccess {
    /// Through this descriptor.
    File(Descriptor),
    /// By its name, if that leads to the file that is mapped.
    Name(MappedFile),
}

/// A descriptor for a file, or for its place.
pub(super) enum Descriptor {
    Place(PinnedFile),
    Open(File),
}

impl From<PinnedFile> for Descriptor {
    fn from(place: PinnedFile) -> Self {
        Descriptor::Place(place)
    }
}

impl From<File> for Descriptor {
    fn from(file: File) -> Self {
        Descriptor::Open(file)
    }
}

/// A file and the child that reads it. A child that has ended is replaced.
pub(super) struct Link {
    process: Process,
    path: PathBuf,
    access: FileAccess,
    open: Mutex<Option<(ReaderChild, u32)>>,
}

impl Link {
    pub(super) fn new(process: Process, path: &Path, access: FileAccess) -> Self {
        Link {
            process,
            path: path.to_owned(),
            access,
            open: Mutex::new(None),
        }
    }

    fn descriptor(&self) -> Option<Handle<'_>> {
        match &self.access {
            FileAccess::File(Descriptor::Place(place)) => Some(place.descriptor()),
            FileAccess::File(Descriptor::Open(file)) => Some(opened::handle(file)),
            FileAccess::Name(_) => None,
        }
    }

    /// Has the child open the file; `glance` as for [`FileRequest::Open`].
    pub(super) fn open(self, glance: Option<bool>) -> Result<Option<Image>, ImageError> {
        let confined = |reason: String| ImageError::Confined {
            path: self.path.clone(),
            reason,
        };
        let stamp = self.descriptor().and_then(|file| Stamp::of(&file).ok());
        let seen = stamp.map(Sighting::of);
        let (reader, opened) = self.request_open(glance).map_err(confined)?;
        match opened {
            Opened::Unlikely => Ok(None),
            Opened::Failed(reason) => Err(ImageError::FileFacts(harmless(&reason))),
            Opened::Image(number, facts) => {
                let path = self.path.clone();
                *self.open.lock().unwrap_or_else(PoisonError::into_inner) = Some((reader, number));
                let image = Image::elsewhere(&path, facts, Box::new(self))?;
                Ok(Some(image.seen_as(seen)))
            }
        }
    }

    fn request_open(&self, glance: Option<bool>) -> Result<(ReaderChild, Opened), String> {
        let request = FileRequest::Open {
            path: self.path.clone(),
            named: match &self.access {
                FileAccess::Name(file) => Some((file.inode, file.device.clone())),
                FileAccess::File(_) => None,
            },
            glance,
        };
        let mut tried = false;
        loop {
            let reader = reader(self.process)?;
            match reader.ask(&request, self.descriptor(), &mut |_| None) {
                Ok(answer) => {
                    let opened = postcard::from_bytes(&answer);
                    let opened = opened.map_err(|_| "its answer cannot be understood".to_owned());
                    return opened.map(|opened| (reader, opened));
                }
                // It may have ended because nobody had asked it anything for a while.
                Err(e) if reader.is_used && !tried && !e.is_time_out() => tried = true,
                Err(e) => return Err(e.to_string()),
            }
        }
    }
}

/// What a child says, for people.
fn harmless(reason: &str) -> String {
    const LONGEST: usize = 1000;
    let bytes = reason.as_bytes();
    crate::text::from_utf8(bytes.get(..LONGEST).unwrap_or(bytes))
}

impl Elsewhere for Link {
    fn ask(
        &self,
        name: &str,
        question: &[u8],
        fetch: &mut dyn FnMut(&Path) -> Option<File>,
    ) -> Result<Vec<u8>, String> {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        let mut is_fresh = false;
        loop {
            let (reader, image) = match &*open {
                Some(known) => known.clone(),
                None => {
                    is_fresh = true;
                    let (reader, opened) = self.request_open(None)?;
                    let number = match opened {
                        Opened::Image(number, _) => number,
                        Opened::Failed(reason) => return Err(harmless(&reason)),
                        Opened::Unlikely => return Err("it was not opened".into()),
                    };
                    open.insert((reader, number)).clone()
                }
            };
            let request = FileRequest::Ask {
                image,
                name: name.to_owned(),
                question: question.to_vec(),
            };
            let answer = match reader.ask(&request, None, fetch) {
                Ok(answer) => postcard::from_bytes(&answer).unwrap_or(Answered::Unknown),
                Err(e) if is_fresh || e.is_time_out() => {
                    *open = None;
                    return Err(e.to_string());
                }
                Err(_) => Answered::Closed,
            };
            match answer {
                Answered::Bytes(bytes) => return Ok(bytes),
                Answered::Unknown => return Err("its answer cannot be understood".into()),
                Answered::Closed if is_fresh => return Err("it was not opened".into()),
                Answered::Closed => *open = None,
            }
        }
    }
}
