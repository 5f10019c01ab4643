//! What is asked of a child, and what it answers.

use crate::image::Facts;
use serde::{Deserialize, Serialize};
use std::path::PathBuf;

#[derive(Debug, Serialize, Deserialize)]
pub(super) enum Request {
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

/// What comes of [`Request::Open`].
#[derive(Debug, Serialize, Deserialize)]
pub(super) enum Opened {
    /// It is open under this number.
    Image(u32, Facts),
    /// There is no perl in it.
    Unlikely,
    /// It is none that can be read, in words.
    Failed(String),
}

/// What comes of [`Request::Ask`].
#[derive(Debug, Serialize, Deserialize)]
pub(super) enum Answered {
    /// The answer.
    Bytes(Vec<u8>),
    /// The image is not open any more.
    Closed,
    /// Nobody understands the question.
    Unknown,
}
