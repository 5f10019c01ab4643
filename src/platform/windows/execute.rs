//! Running a program of the target's, to learn its layout: not on Windows, where nothing confines it.

use super::pinned::PinnedFile;
use super::sandbox::{Limits, Owner};
use std::ffi::OsString;
use std::path::PathBuf;
use std::process::Command;
use std::sync::Arc;

/// The name by which a program opens its own standard input anew.
pub const OWN_INPUT: &str = "CONIN$";

/// As it is: Ctrl-C of the console reaches every program on it.
pub fn in_own_group(command: &mut Command) -> &mut Command {
    command
}

/// A program that is held open, and as whom it would run.
#[derive(Debug, Clone)]
pub struct Pinned {
    /// What it is called; only that.
    pub name: PathBuf,
    /// The program.
    pub program: Arc<PinnedFile>,
    /// None: programs have no dynamic loader of their own.
    pub loaded: Option<Arc<PinnedFile>>,
    /// Whose rights it would get.
    pub owner: Arc<Owner>,
}

impl Pinned {
    /// None.
    pub fn loaded_word(&self) -> Option<OsString> {
        None
    }

    /// Refuses.
    ///
    /// # Errors
    /// Always.
    pub fn run_by(
        &self,
        _: &mut Command,
        _: Limits,
        _: &[OsString],
        _: &[(OsString, OsString)],
    ) -> Result<(), String> {
        Err("p5-spy does not learn layouts on Windows".into())
    }
}
