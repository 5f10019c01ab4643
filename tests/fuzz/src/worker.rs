//! Looks at one input after the other, until its time is over.

use crate::mutate::Mutator;
use crate::{corpus, memory, watchdog};
use p5_spy_fuzz::targets::Target;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::process::ExitCode;
use std::time::{Duration, Instant};

/// Marks the command line of a worker.
pub const WORKER: &str = "--worker";

/// What a worker ends with that panicked.
pub const PANICKED: i32 = 79;

/// The input that is looked at, where it outlives the program: its length, and the bytes.
struct State(File);

impl State {
    fn put(&self, input: &[u8]) -> io::Result<()> {
        self.0
            .write_all_at(&(input.len() as u64).to_le_bytes(), 0)?;
        self.0.write_all_at(input, 8)
    }
}

/// The input that a worker was at.
pub fn last_input(state: &Path) -> io::Result<Vec<u8>> {
    let bytes = std::fs::read(state)?;
    let Some((length, rest)) = bytes.split_first_chunk() else {
        return Ok(Vec::new());
    };
    let length = usize::try_from(u64::from_le_bytes(*length)).unwrap_or(usize::MAX);
    Ok(rest.get(..length).unwrap_or(rest).to_vec())
}

/// Fuzzes for as much CPU time: beside other programs it takes longer.
pub fn run(target: &Target, time: Duration, seed: u64, state: &Path) -> ExitCode {
    // Whichever thread it is in.
    let told = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        told(panic);
        std::process::exit(PANICKED);
    }));
    let state = match File::options().write(true).open(state) {
        Ok(file) => State(file),
        Err(e) => {
            eprintln!("{}: {e}", state.display());
            return ExitCode::from(2);
        }
    };
    watchdog::start();
    let seeds = corpus::seeds(target.name);
    let look = |input: &[u8]| {
        if let Err(e) = state.put(input) {
            eprintln!("the input cannot be kept: {e}");
            std::process::exit(2);
        }
        watchdog::input_starts();
        (target.run)(input);
        watchdog::input_ends();
    };
    let mut until = Instant::now() + time;
    seeds.iter().for_each(|input| look(input));
    let mut inputs = seeds.len() as u64;
    let mut mutator = Mutator::new(&seeds, seed);
    let mut input = Vec::new();
    loop {
        let now = Instant::now();
        if now >= until {
            let left = time.saturating_sub(watchdog::cpu_time());
            if left.is_zero() {
                break;
            }
            until = now + left;
        }
        mutator.make(&mut input);
        look(&input);
        inputs += 1;
    }
    let seconds = watchdog::cpu_time().as_secs_f64();
    println!(
        "{}: {inputs} inputs in {seconds:.0} s of CPU ({:.0} a second), {} seeds, {} MiB at most, seed {seed}",
        target.name,
        inputs as f64 / seconds.max(0.001),
        seeds.len(),
        memory::peak() >> 20,
    );
    ExitCode::SUCCESS
}
