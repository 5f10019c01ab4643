//! The plain loop: seeds of a corpus, mutated at random, for some seconds. `tests/fuzz/run` calls it.
//!
//! A worker does the work; whatever ends it early (a panic, a hang, too much memory, a signal) is a
//! finding, and the input that it was at is kept.

mod corpus;
mod finding;
mod memory;
mod mutate;
mod watchdog;
mod worker;

use p5_spy_fuzz::targets::{ALL, Target};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

#[global_allocator]
static MEMORY: memory::Bounded = memory::Bounded;

const USAGE: &str = "usage: p5-spy-fuzz NAME SECONDS [SEED]   fuzz a target
       p5-spy-fuzz NAME FILE...          replay inputs
       p5-spy-fuzz --list                name all targets";

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    if words == ["--list"] {
        ALL.iter().for_each(|target| println!("{}", target.name));
        return ExitCode::SUCCESS;
    }
    let target = |name: &str| ALL.iter().find(|t| t.name == name);
    let seconds = |text: &str| text.parse().ok().map(Duration::from_secs);
    match *words {
        [worker::WORKER, name, time, seed, state] => {
            if let (Some(target), Some(time), Ok(seed)) =
                (target(name), seconds(time), seed.parse())
            {
                return worker::run(target, time, seed, state.as_ref());
            }
        }
        [name, time] | [name, time, _] if target(name).is_some() && seconds(time).is_some() => {
            let seed = words.get(2).map(|seed| seed.parse());
            if let (Some(target), Some(time), Ok(seed)) =
                (target(name), seconds(time), seed.unwrap_or(Ok(now())))
            {
                return finding::supervise(target, time, seed);
            }
        }
        [name, _, ..] => {
            if let Some(target) = target(name) {
                return replay(target, words.iter().skip(1).map(PathBuf::from));
            }
        }
        _ => {}
    }
    eprintln!("{USAGE}");
    ExitCode::from(2)
}

/// Another seed for each run, so that many of them see more than one.
fn now() -> u64 {
    let since = std::time::SystemTime::UNIX_EPOCH.elapsed();
    since.map_or(0, |since| since.as_secs())
}

fn replay(target: &Target, files: impl Iterator<Item = PathBuf>) -> ExitCode {
    watchdog::start();
    for file in files {
        let input = match std::fs::read(&file) {
            Ok(input) => input,
            Err(e) => {
                eprintln!("{}: {e}", file.display());
                return ExitCode::FAILURE;
            }
        };
        watchdog::input_starts();
        (target.run)(&input);
        watchdog::input_ends();
        println!("{}: fine", file.display());
    }
    ExitCode::SUCCESS
}
