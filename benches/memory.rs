//! Does a long recording stay small? A program with 10,000 distinct stacks, 20 frames deep, is
//! recorded at 1000 samples per second by the release binary, whose resident memory is looked at
//! every second. What it will be after an hour is extrapolated from the last third.
//!
//! `cargo bench --bench memory`, with
//! - `P5SPY_MEMORY_SECONDS`: how long, 60 unless told; all stacks are seen after about 100,
//! - `P5SPY_BENCH_NICE`: the program's niceness, for a machine that is busy with other things,
//! - `P5SPY_TEST_PERL`: perls, separated by `:`, /usr/bin/perl unless told.
//!
//! Ends with an error when the bar is broken: 64 MB after an hour.

#[path = "truth/mod.rs"]
mod harness;

use harness::perl::{Running, describe, number, perls};
use std::fmt::Write as _;
use std::process::{Command, Stdio};
use std::time::Duration;

const SIDE: usize = 100;
const DEPTH: usize = 18;
const HOUR: f64 = 3600.0;
const BAR: f64 = 64.0;

/// 100 subs, each of which calls each of 100 others, below a chain of calls.
fn program() -> String {
    let mut text = String::from("$| = 1; alarm 7200;\n");
    for n in 0..SIDE {
        let _ = writeln!(text, "sub low{n} {{ my $x = 0; $x += $_ for 1 .. 20; $x }}");
        let _ = writeln!(text, "sub high{n} {{ my $code = shift; $code->() }}");
    }
    let all = |name: &str| {
        let subs: Vec<String> = (0..SIDE).map(|n| format!("\\&{name}{n}")).collect();
        subs.join(", ")
    };
    let _ = writeln!(text, "my @low = ({});", all("low"));
    let _ = writeln!(text, "my @high = ({});", all("high"));
    for level in 0..DEPTH - 1 {
        let _ = writeln!(text, "sub s{level} {{ s{}(); 1 }}", level + 1);
    }
    let _ = writeln!(
        text,
        "sub s{} {{ print qq(ready\\n); while (1) {{ $high[rand {SIDE}]->($low[rand {SIDE}]) }} }}",
        DEPTH - 1
    );
    text.push_str("s0();\n");
    text
}

/// Resident memory in MB.
fn resident(pid: u32) -> f64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).expect("it runs");
    let line = status.lines().find_map(|l| l.strip_prefix("VmRSS:"));
    let kilobytes = line.and_then(|l| l.split_whitespace().next()?.parse::<f64>().ok());
    kilobytes.expect("VmRSS") / 1024.0
}

/// The slope of a line through points one second apart, by least squares.
fn slope(values: &[f64]) -> f64 {
    let count = values.len() as f64;
    let middle = (count - 1.0) / 2.0;
    let mean = values.iter().sum::<f64>() / count;
    let mut over = 0.0;
    let mut under = 0.0;
    for (second, value) in values.iter().enumerate() {
        let distance = second as f64 - middle;
        over += distance * (value - mean);
        under += distance * distance;
    }
    over / under
}

/// True when it stays small.
fn stays_small(perl: &str, seconds: usize) -> bool {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("target.pl");
    let output = folder.path().join("out.folded");
    std::fs::write(&path, program()).expect("a file");
    let running = Running::start(perl, &path, &[]);
    let mut recorder = Command::new(env!("CARGO_BIN_EXE_p5-spy"))
        .args(["record", "--rate", "1000", "-f", "collapsed", "-o"])
        .arg(&output)
        .args(["--pid", &running.pid().to_string()])
        .stderr(Stdio::null())
        .spawn()
        .expect("p5-spy starts");
    let mut sizes = Vec::new();
    for _ in 0..seconds {
        std::thread::sleep(Duration::from_secs(1));
        sizes.push(resident(recorder.id()));
    }
    // SAFETY: kill has no memory effects.
    unsafe { libc::kill(recorder.id() as i32, libc::SIGINT) };
    recorder.wait().expect("it ends");
    let written = std::fs::read_to_string(&output).expect("a recording");
    let deep = |line: &&str| line.split(';').count() == DEPTH + 3;
    let stacks = written.lines().filter(deep).count();
    let count = |line: &str| line.rsplit(' ').next().and_then(|n| n.parse::<u64>().ok());
    let samples: u64 = written.lines().filter_map(count).sum();
    let per_second = slope(&sizes[sizes.len() * 2 / 3..]);
    let (first, last) = (sizes[0], sizes[sizes.len() - 1]);
    let hour = last + per_second.max(0.0) * (HOUR - seconds as f64).max(0.0);
    let small = hour < BAR;
    println!(
        "{samples} samples, {stacks} of the {} deep stacks; resident {first:.1} MB after 1 s, \
         {last:.1} MB after {seconds} s, growing {:.2} KB/s; after an hour {hour:.1} MB  {}",
        SIDE * SIDE,
        per_second * 1024.0,
        if small {
            "ok"
        } else {
            "BROKEN: more than 64 MB"
        },
    );
    small
}

fn main() {
    let seconds = number("P5SPY_MEMORY_SECONDS", 60).max(6);
    let mut broken = 0;
    for perl in perls() {
        println!("\nperl {} ({perl})", describe(&perl));
        broken += usize::from(!stays_small(&perl, seconds));
    }
    if broken > 0 {
        std::process::exit(1);
    }
}
