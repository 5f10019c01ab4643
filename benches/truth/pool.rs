//! A program with several interpreters and threads that share them, around a script.

use super::perl::{Running, ask};
use super::programs::Program;
use std::path::{Path, PathBuf};
use std::process::Command;

#[path = "../../tests/interpreters/make.rs"]
mod make;

/// Starts the program with so many threads; `None` where it cannot be made, or this perl can have no
/// second interpreter.
pub fn start(perl: &str, program: &Program, threads: usize) -> Option<Running> {
    let said = ask(
        perl,
        "use Config; print $Config{useithreads} ? 't' : $Config{usemultiplicity} ? 'm' : ''",
    );
    let threads = match said.as_str() {
        "t" => threads,
        // `PL_curinterp` is one for all threads.
        "m" => 0,
        _ => return None,
    };
    let folder = tempfile::tempdir().ok()?;
    let made = made(perl, folder.path())?;
    let mut command = Command::new(made);
    command.arg(threads.to_string());
    command.arg(&program.path).arg(&program.path);
    let mut running = Running::of(command, &format!("{perl} {}", program.name));
    if threads > 0 {
        assert_eq!(running.line(), "waiting");
        running.write("\n");
    }
    running.folder = Some(folder);
    Some(running)
}

fn made(perl: &str, folder: &Path) -> Option<PathBuf> {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/interpreters/pool.c");
    let program = folder.join("pool");
    make::make(perl, &source, &program).then_some(program)
}
