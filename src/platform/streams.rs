//! How a program is started that p5-spy starts, and why it cannot be.

use std::io;
use std::process::Stdio;

/// The program could not be started.
#[derive(Debug, thiserror::Error)]
#[error("cannot start {program}: {}", why(.cause))]
pub struct SpawnError {
    pub(super) program: String,
    pub(super) cause: io::Error,
}

fn why(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::NotFound => "there is no such program (is it in your PATH?)".into(),
        io::ErrorKind::PermissionDenied => {
            "it is not executable (to run a script: p5-spy -- perl script.pl)".into()
        }
        _ => error.to_string(),
    }
}

/// Where a started program's three streams go; `None` means where p5-spy's own go.
#[derive(Debug, Default)]
pub struct Streams {
    /// Its standard input.
    pub input: Option<Stdio>,
    /// Its standard output.
    pub output: Option<Stdio>,
    /// Its standard error.
    pub error: Option<Stdio>,
}
