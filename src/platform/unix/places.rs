//! Folders in which a user's programs keep what is theirs (XDG Base Directory Specification).

use std::path::PathBuf;

fn folder(variable: &str) -> Option<PathBuf> {
    let named = std::env::var_os(variable).filter(|name| !name.is_empty());
    named.map(PathBuf::from)
}

/// The user's home.
pub fn home() -> Option<PathBuf> {
    folder("HOME")
}

/// The folder with the configuration of programs.
pub fn configuration() -> Option<PathBuf> {
    folder("XDG_CONFIG_HOME").or_else(|| Some(home()?.join(".config")))
}

/// The folder with what can be made anew: one that is there, and what is missing below it. A home that
/// is not there is not made, nor is anything outside of it.
pub fn cache() -> Option<(PathBuf, PathBuf)> {
    match (home(), folder("XDG_CACHE_HOME")) {
        (Some(home), Some(cache)) if !cache.exists() => {
            let below = cache.strip_prefix(&home).ok()?.to_owned();
            Some((home, below))
        }
        (_, Some(cache)) => Some((cache, PathBuf::new())),
        (home, None) => Some((home?, ".cache".into())),
    }
}

/// What opens and holds nothing.
pub const NOTHING: &str = "/dev/null";
/// The terminal, whatever standard input is.
pub const TERMINAL: &str = "/dev/tty";

/// Folders for files that need not last.
pub fn temporary() -> Vec<PathBuf> {
    vec![std::env::temp_dir(), "/var/tmp".into()]
}

/// A folder in memory, in which something is found again until the machine is started anew.
pub fn in_memory() -> Option<PathBuf> {
    Some("/dev/shm".into())
}
