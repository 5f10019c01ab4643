//! How a program is started that p5-spy starts, and why it cannot be.

use std::ffi::OsString;
use std::io;
use std::process::{Command, Stdio};

/// The program could not be started.
#[derive(Debug, thiserror::Error)]
#[error("cannot start {program}: {}", why(.cause))]
pub struct SpawnError {
    program: String,
    cause: io::Error,
}

impl SpawnError {
    pub(super) fn new(program: &OsString, cause: io::Error) -> Self {
        SpawnError {
            program: crate::text::from_utf8(program.as_encoded_bytes()),
            cause,
        }
    }
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

impl Streams {
    /// The command that starts a program with these streams.
    pub(super) fn command(self, program: &OsString, arguments: &[OsString]) -> Command {
        let mut command = Command::new(program);
        command.args(arguments);
        if let Some(input) = self.input {
            command.stdin(input);
        }
        if let Some(output) = self.output {
            command.stdout(output);
        }
        if let Some(error) = self.error {
            command.stderr(error);
        }
        command
    }
}
