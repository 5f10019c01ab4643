//! The text of a file that frames are in, as it was while the program ran.

use serde::{Deserialize, Serialize};

/// A file of the target.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Source {
    /// Its name, as frames have it.
    pub file: String,
    /// Its text; or why that could not be had.
    pub text: Result<String, String>,
}
