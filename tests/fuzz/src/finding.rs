//! Runs a worker, and keeps what it found.

use crate::worker::{PANICKED, WORKER, last_input};
use crate::{corpus, memory, watchdog};
use p5_spy_fuzz::targets::Target;
use std::os::unix::process::ExitStatusExt;
use std::path::PathBuf;
use std::process::{Command, ExitCode, ExitStatus};
use std::time::{Duration, Instant};
use std::{fs, io};

/// Fuzzes a target for some time, until the first finding. A kind of finding that is known already
/// (`known`) is said and passed over.
pub fn supervise(target: &Target, time: Duration, mut seed: u64) -> ExitCode {
    let started = Instant::now();
    loop {
        let left = time.saturating_sub(started.elapsed());
        let state = match tempfile::NamedTempFile::new() {
            Ok(state) => state,
            Err(e) => return problem("no temporary file", &e),
        };
        let status = Command::new("/proc/self/exe")
            .args([WORKER, target.name])
            .args([left.as_secs().to_string(), seed.to_string()])
            .arg(state.path())
            .status();
        let status = match status {
            Ok(status) if status.success() => return ExitCode::SUCCESS,
            Ok(status) => status,
            Err(e) => return problem("the worker cannot be started", &e),
        };
        let Some(kind) = kind(status) else {
            return ExitCode::from(2);
        };
        let kept = last_input(state.path()).and_then(|input| keep(target, kind, &input));
        let file = match kept {
            Ok(file) => file,
            Err(e) => return problem("the input cannot be kept", &e),
        };
        let is_known = is_known(target.name, kind);
        let word = if is_known { "known" } else { "FOUND" };
        println!(
            "{word}: {} {kind} (seed {seed}), its input is {}",
            target.name,
            file.display()
        );
        println!(
            "  again: tests/fuzz/run --again {} {}",
            target.name,
            file.display()
        );
        if !is_known {
            return ExitCode::FAILURE;
        }
        if started.elapsed() >= time {
            return ExitCode::SUCCESS;
        }
        seed = seed.wrapping_add(1_000_003);
    }
}

fn problem(what: &str, error: &io::Error) -> ExitCode {
    eprintln!("{what}: {error}");
    ExitCode::from(2)
}

/// How a worker ended; `None` where it did not even begin.
fn kind(status: ExitStatus) -> Option<&'static str> {
    match status.code() {
        Some(PANICKED) => Some("panics"),
        Some(watchdog::TOO_LONG) => Some("hangs"),
        Some(memory::TOO_MUCH) => Some("takes too much memory"),
        Some(_) => None,
        None => status.signal().map(|_| "crashes"),
    }
}

fn keep(target: &Target, kind: &str, input: &[u8]) -> io::Result<PathBuf> {
    let folder = corpus::folder("findings").join(target.name);
    fs::create_dir_all(&folder)?;
    let word = kind.rsplit(' ').next().unwrap_or(kind);
    let file = folder.join(format!("{word}-{:08x}", crc32fast::hash(input)));
    fs::write(&file, input)?;
    Ok(file)
}

/// Lines of `known`: a target, how it ends, and behind a # who mends it.
fn is_known(target: &str, kind: &str) -> bool {
    let text = fs::read_to_string(corpus::folder("known")).unwrap_or_default();
    let mut lines = text
        .lines()
        .map(|line| line.split('#').next().unwrap_or(line).trim());
    lines.any(|line| line == format!("{target} {kind}"))
}
