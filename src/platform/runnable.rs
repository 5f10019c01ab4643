//! A program of the target's that may be run.

use super::PinnedFile;
use super::sandbox::Owner;
use std::path::PathBuf;
use std::sync::Arc;

/// A program that is held open, and as whom it runs.
#[derive(Debug, Clone)]
pub struct Pinned {
    /// What it is called; only that.
    pub name: PathBuf,
    /// The file that is run.
    pub program: Arc<PinnedFile>,
    /// The perl, where the program is a dynamic loader.
    pub loaded: Option<Arc<PinnedFile>>,
    /// Whose rights it gets.
    pub owner: Arc<Owner>,
}
