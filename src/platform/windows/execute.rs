//! Running a program of the target's, to learn its layout: not on Windows, where nothing confines it.

use super::sandbox::Limits;
pub use crate::platform::runnable::Pinned;
use std::ffi::OsString;
use std::process::Command;

/// The name by which a program opens its own standard input anew.
pub const OWN_INPUT: &str = "CONIN$";

/// As it is: Ctrl-C of the console reaches every program on it.
pub fn in_own_group(command: &mut Command) -> &mut Command {
    command
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
