//! What is asked of a child, and what it answers.

use crate::image::ImageFacts;
use crate::platform::OpenError;
use serde::{Deserialize, Serialize};
use std::path::PathBuf;

#[derive(Debug, Serialize, Deserialize)]
pub(super) enum FileRequest {
    /// To open a program or library: the file that comes along, or the one at `path` if it has this
    /// number and device.
    Open {
        path: PathBuf,
        named: Option<(u64, String)>,
        /// Only if a glance does not rule out a perl; true for a program.
        glance: Option<bool>,
    },
    /// A question to an image.
    Ask {
        image: u32,
        name: String,
        question: Vec<u8>,
    },
    /// The text of a source file.
    Source { path: PathBuf },
}

/// What comes of [`FileRequest::Open`].
#[derive(Debug, Serialize, Deserialize)]
pub(super) enum Opened {
    /// It is open under this number.
    Image(u32, ImageFacts),
    /// There is no perl in it.
    Unlikely,
    /// It is none that can be read, in words.
    Failed(String),
}

/// What comes of [`FileRequest::Ask`].
#[derive(Debug, Serialize, Deserialize)]
pub(super) enum Answered {
    /// The answer.
    Bytes(Vec<u8>),
    /// The image is not open any more.
    Closed,
    /// Nobody understands the question.
    Unknown,
}

/// Why the text of a file cannot be shown.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error, Serialize, Deserialize)]
pub enum SourceError {
    /// perl calls it by a name that is no path: `-`, `(eval 1)`.
    #[error("it is no file, and perl keeps no text of it")]
    NoFile,
    /// The system would not open or read it for the user that the target runs as.
    #[error("{0}")]
    Refused(String),
    /// A folder, a device, a pipe.
    #[error("it is no ordinary file")]
    NotRegular,
    /// What the kernel knows, made a file.
    #[error("it is a file of the kernel's, not a program's")]
    Kernel,
    /// So many bytes are the limit.
    #[error("it is larger than {0} bytes")]
    TooLarge(u64),
    /// Nobody could read it for us.
    #[error("{0}")]
    NoAnswer(String),
    /// The process has ended.
    #[error("the process has ended")]
    Gone,
}

impl From<OpenError> for SourceError {
    fn from(error: OpenError) -> Self {
        match error {
            OpenError::Io(e) => SourceError::Refused(e.to_string()),
            OpenError::NotRegular => SourceError::NotRegular,
            OpenError::Kernel => SourceError::Kernel,
        }
    }
}

/// Files above this are no source that anybody reads.
pub const LARGEST_SOURCE: u64 = 8 << 20;
