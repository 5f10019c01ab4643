//! What is asked of a program's file, where it is open: here, or in a confined process that may
//! open it when we should not.

use super::{Image, Symbol};
use crate::memory::Abi;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use std::fs::File;
use std::io;
use std::path::Path;

/// A question, and how it is answered where the file is.
pub trait Question: Serialize + DeserializeOwned {
    /// What is answered.
    type Answer: Serialize + DeserializeOwned;
    /// Tells the questions apart.
    const NAME: &'static str;
    /// Parsing that is never done here, if there is anybody else to do it.
    const IS_HEAVY: bool = false;

    /// The answer, by the file itself.
    fn answer(&self, image: &Image, files: &dyn Files) -> Self::Answer;

    /// Opens one of our own files that the answer turned out to need.
    fn fetch(&self, wanted: &Path) -> Option<File> {
        let _ = wanted;
        None
    }
}

/// Files beside the program's.
pub trait Files {
    /// Opens one where the target has it.
    ///
    /// # Errors
    /// When the target may not, or it is no ordinary file.
    fn theirs(&self, path: &Path) -> io::Result<File>;
    /// One of our own, where these are others than the target's.
    fn ours(&self, path: &Path) -> Option<File>;
}

/// Somebody who has the file open and may be asked.
pub trait Elsewhere: Send + Sync {
    /// The answer to the question of that name; `fetch` opens files of our own.
    ///
    /// # Errors
    /// In words, when the other side is gone, cannot read the file, or does not answer in time.
    fn ask(
        &self,
        name: &str,
        question: &[u8],
        fetch: &mut dyn FnMut(&Path) -> Option<File>,
    ) -> Result<Vec<u8>, String>;
}

/// What is known of a file that is open elsewhere without asking again.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ImageFacts {
    pub(super) abi: Abi,
    pub(super) build_id: Option<Vec<u8>>,
    pub(super) segments: Vec<super::Segment>,
    pub(super) symbols: Vec<(String, Symbol)>,
}

impl ImageFacts {
    /// More than any program has.
    const MOST_SEGMENTS: usize = 4096;
    /// More variables than any perl has.
    const MOST_SYMBOLS: usize = 1 << 14;
    /// A build-id is a hash.
    const LONGEST_ID: usize = 64;

    /// What another process may be told of an image.
    pub fn of(image: &Image) -> Self {
        let symbols = image.symbols().take(Self::MOST_SYMBOLS);
        ImageFacts {
            abi: image.abi(),
            build_id: image.file.build_id.clone(),
            segments: image.file.segments.clone(),
            symbols: symbols
                .map(|(name, symbol)| (name.to_owned(), symbol))
                .collect(),
        }
    }

    /// Whether these can be facts: they come from a process that read a hostile file.
    pub(super) fn are_sane(&self) -> bool {
        matches!(self.abi.pointer_size, 4 | 8)
            && self.segments.len() <= Self::MOST_SEGMENTS
            && self.symbols.len() <= Self::MOST_SYMBOLS
            && self.symbols.iter().all(|(name, _)| name.len() <= 256)
            && self
                .build_id
                .as_ref()
                .is_none_or(|id| id.len() <= Self::LONGEST_ID)
    }
}

/// The only files there are where nobody is confined.
pub(super) struct Here;

impl Files for Here {
    fn theirs(&self, path: &Path) -> io::Result<File> {
        use crate::platform::{Ground, OpenError};
        Ground::OURS.open(path).map_err(|e| match e {
            OpenError::Io(e) => e,
            other => io::Error::other(other.to_string()),
        })
    }

    fn ours(&self, _: &Path) -> Option<File> {
        None
    }
}

/// Bytes as the file has them, at an address as it counts.
#[derive(Debug, Serialize, Deserialize)]
pub struct BytesAt {
    pub(super) address: u64,
    pub(super) length: usize,
}

impl Question for BytesAt {
    type Answer = Option<Vec<u8>>;
    const NAME: &'static str = "bytes";

    fn answer(&self, image: &Image, _: &dyn Files) -> Self::Answer {
        const MOST: usize = 64 << 10;
        if self.length > MOST {
            return None;
        }
        image
            .own_bytes(self.address, self.length)
            .map(<[u8]>::to_vec)
    }
}

/// Whether the file has texts that only a perl has.
#[derive(Debug, Serialize, Deserialize)]
pub struct MentionsPerl;

impl Question for MentionsPerl {
    type Answer = bool;
    const NAME: &'static str = "mentions perl";

    fn answer(&self, image: &Image, _: &dyn Files) -> bool {
        image.own_mentions_perl()
    }
}
