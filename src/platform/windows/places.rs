//! Folders in which a user's programs keep what is theirs.

use std::path::PathBuf;

fn folder(variable: &str) -> Option<PathBuf> {
    let named = std::env::var_os(variable).filter(|name| !name.is_empty());
    named.map(PathBuf::from)
}

/// The user's home.
pub fn home() -> Option<PathBuf> {
    folder("USERPROFILE")
}

/// The folder with the configuration of programs.
pub fn configuration() -> Option<PathBuf> {
    folder("APPDATA")
}

/// The folder with what can be made anew, which is there, and what is missing below it.
pub fn cache() -> Option<(PathBuf, PathBuf)> {
    Some((folder("LOCALAPPDATA")?, PathBuf::new()))
}

/// What opens and holds nothing.
pub const NOTHING: &str = "NUL";
/// The keys of the console, whatever standard input is.
pub const TERMINAL: &str = "CONIN$";

/// Folders for files that need not last.
pub fn temporary() -> Vec<PathBuf> {
    vec![std::env::temp_dir()]
}

/// None is in memory.
pub fn in_memory() -> Option<PathBuf> {
    None
}
