//! What a child does: it opens files with the rights that it has, parses them, and answers.

use super::request::{Answered, FileRequest, LARGEST_SOURCE, Opened, SourceError};
use crate::identity::WhichPerl;
use crate::identity::arrays::ArrayTexts;
use crate::identity::references::References;
use crate::identity::texts::AskFileFacts;
use crate::image::{
    Budget, BytesAt, Files, Image, ImageError, ImageFacts, MentionsPerl, Question, may_define_perl,
};
use crate::layout::LayoutFromDebug;
use crate::native::{AskFunctions, AskUnwindTables};
use crate::platform::sandbox::Post;
use crate::platform::{MappedFile, OpenError};
use std::collections::VecDeque;
use std::fs::File;
use std::io;
use std::io::Read;
use std::path::Path;
use std::sync::Arc;

/// So many images are open at a time.
const MOST: usize = 8;

pub(super) fn serve(post: &Post<'_>) {
    let mut server = ImageServer::default();
    post.serve(|post, message, file| {
        let answer = match postcard::from_bytes(message) {
            Ok(request) => server.answer(post, request, file),
            Err(_) => postcard::to_stdvec(&Answered::Unknown),
        };
        answer.unwrap_or_default()
    });
}

/// The images that are open.
#[derive(Default)]
struct ImageServer {
    images: VecDeque<(u32, Image)>,
    last: u32,
}

impl ImageServer {
    fn answer(
        &mut self,
        post: &Post<'_>,
        request: FileRequest,
        file: Option<File>,
    ) -> postcard::Result<Vec<u8>> {
        let beside = Beside(post);
        match request {
            FileRequest::Open {
                path,
                named,
                glance,
            } => {
                let opened = match file {
                    Some(file) => post.readable(file),
                    None => beside.mapped(&path, named),
                };
                let opened = opened.map_err(|source| ImageError::Io {
                    path: path.clone(),
                    source,
                });
                postcard::to_stdvec(&match opened.and_then(|file| open(&path, file, glance)) {
                    Ok(Some(image)) => {
                        let facts = ImageFacts::of(&image);
                        Opened::Image(self.keep(image), facts)
                    }
                    Ok(None) => Opened::Unlikely,
                    Err(e) => Opened::Failed(e.to_string()),
                })
            }
            FileRequest::Ask {
                image,
                name,
                question,
            } => {
                let known = self.images.iter().find(|(number, _)| *number == image);
                postcard::to_stdvec(&match known {
                    None => Answered::Closed,
                    Some((_, image)) => match reply(&name, image, &question, &beside) {
                        Some(bytes) => Answered::Bytes(bytes),
                        None => Answered::Unknown,
                    },
                })
            }
            FileRequest::Source { path } => {
                let text = post.open(&path).map_err(SourceError::from);
                postcard::to_stdvec(&text.and_then(read_text))
            }
        }
    }

    fn keep(&mut self, image: Image) -> u32 {
        if self.images.len() >= MOST {
            self.images.pop_front();
        }
        self.last = self.last.wrapping_add(1);
        self.images.push_back((self.last, image));
        self.last
    }
}

fn open(path: &Path, file: File, glance: Option<bool>) -> Result<Option<Image>, ImageError> {
    let budget: Arc<Budget> = Arc::default();
    if let Some(is_program) = glance {
        let again = file.try_clone().map_err(|e| ImageError::Io {
            path: path.to_owned(),
            source: e.into(),
        })?;
        if !may_define_perl(path, again, budget.clone(), is_program)? {
            return Ok(None);
        }
    }
    Image::of_file(path, file, budget).map(Some)
}

/// Every question that there is.
fn reply(name: &str, image: &Image, question: &[u8], files: &dyn Files) -> Option<Vec<u8>> {
    fn of<Q: Question>(image: &Image, question: &[u8], files: &dyn Files) -> Option<Vec<u8>> {
        let question: Q = postcard::from_bytes(question).ok()?;
        postcard::to_stdvec(&question.answer(image, files)).ok()
    }
    let reply = match name {
        BytesAt::NAME => of::<BytesAt>,
        MentionsPerl::NAME => of::<MentionsPerl>,
        WhichPerl::NAME => of::<WhichPerl>,
        AskFileFacts::NAME => of::<AskFileFacts>,
        References::NAME => of::<References>,
        ArrayTexts::NAME => of::<ArrayTexts>,
        LayoutFromDebug::NAME => of::<LayoutFromDebug>,
        AskFunctions::NAME => of::<AskFunctions>,
        AskUnwindTables::NAME => of::<AskUnwindTables>,
        _ => return None,
    };
    reply(image, question, files)
}

/// All of an open file, where the child is.
fn read_text(file: File) -> Result<Vec<u8>, SourceError> {
    let refused = |e: std::io::Error| SourceError::Refused(e.to_string());
    if file.metadata().map_err(refused)?.len() > LARGEST_SOURCE {
        return Err(SourceError::TooLarge(LARGEST_SOURCE));
    }
    let mut bytes = Vec::new();
    // It may grow meanwhile.
    let mut file = file.take(LARGEST_SOURCE + 1);
    file.read_to_end(&mut bytes).map_err(refused)?;
    if bytes.len() as u64 > LARGEST_SOURCE {
        return Err(SourceError::TooLarge(LARGEST_SOURCE));
    }
    Ok(bytes)
}

/// The files that the child can get at.
struct Beside<'a>(&'a Post<'a>);

impl Beside<'_> {
    /// The file of that name, if it is the one that is mapped.
    fn mapped(&self, path: &Path, named: Option<(u64, String)>) -> Result<File, OpenError> {
        let gone = || OpenError::Io(io::ErrorKind::NotFound.into());
        let (inode, device) = named.ok_or_else(gone)?;
        self.0.mapped(&MappedFile {
            path: path.to_owned(),
            maps: Vec::new(),
            deleted: false,
            inode,
            device,
        })
    }
}

impl Files for Beside<'_> {
    fn theirs(&self, path: &Path) -> io::Result<File> {
        self.0.open(path).map_err(|e| match e {
            OpenError::Io(e) => e,
            other => io::Error::other(other.to_string()),
        })
    }

    fn ours(&self, path: &Path) -> Option<File> {
        self.0.ours(path)
    }
}
