//! Are the shares right? Three programs measure themselves by their CPU time, and
//! `p5-spy record -f collapsed` records them meanwhile:
//! - `phases`: two subs with 70 and 30 percent, in pieces of random length;
//! - `inlined`: the same work written out and in a sub that is called for each step;
//! - `period`: 3 ms of the one and 7 ms of the other, at 100 samples per second: a sampler whose
//!   own period is the program's would see only one of them.
//!
//! `cargo bench --bench bias`, with
//! - `P5SPY_BIAS_SECONDS`: CPU seconds of each, 20 unless told,
//! - `P5SPY_BENCH_NICE`: the niceness of p5-spy and the program,
//! - `P5SPY_TEST_PERL`: perls, separated by `:`, /usr/bin/perl unless told.
//!
//! Then a table of shares on a machine with more work than CPUs (`bias/loaded.rs`;
//! `P5SPY_LOADED_SECONDS` of CPU time for each line, 5 unless told).
//!
//! Ends with an error when a share is more than four standard errors (of the binomial distribution)
//! from the program's own measure.

#[path = "truth/mod.rs"]
mod harness;
#[path = "bias/loaded.rs"]
mod loaded;

use harness::perl::{ask, describe, hurry, number, perls};
use std::collections::BTreeMap;
use std::process::{Command, Stdio};

struct Program {
    name: &'static str,
    rate: u32,
    /// Defines two subs, `one` and `two`, and one turn of each.
    body: &'static str,
}

const PROGRAMS: [Program; 3] = [
    Program {
        name: "phases",
        rate: 1000,
        body: r"
sub one { my $x = 0; $x += $_ for 1 .. $_[0]; $x }
sub two { my $x = 0; $x += $_ for 1 .. $_[0]; $x }
sub turn { timed(0, sub { one(7000 * (0.5 + rand)) }); timed(1, sub { two(3000 * (0.5 + rand)) }) }
",
    },
    Program {
        name: "inlined",
        rate: 1000,
        body: r"
sub step { my $x = shift; $x = $x * 3 % 1009; return $x + 1 }
sub one { my $x = 1; for (1 .. $_[0]) { my $y = $x; $y = $y * 3 % 1009; $x = $y + 1 } $x }
sub two { my $x = 1; for (1 .. $_[0]) { $x = step($x) } $x }
sub turn { timed(0, sub { one(3000 * (0.5 + rand)) }); timed(1, sub { two(3000 * (0.5 + rand)) }) }
",
    },
    Program {
        name: "period",
        rate: 100,
        body: r"
sub one { my $x = 0; until (now() >= $_[0]) { $x += $_ for 1 .. 500 } }
sub two { my $x = 0; until (now() >= $_[0]) { $x += $_ for 1 .. 500 } }
sub turn { my $from = now(); timed(0, sub { one($from + 0.003) }); timed(1, sub { two($from + 0.010) }) }
",
    },
];

const FRAME: &str = r#"use strict;
use Time::HiRes qw(clock_gettime CLOCK_PROCESS_CPUTIME_ID);
alarm 7200;
my @spent = (0, 0);
sub now { return clock_gettime(CLOCK_PROCESS_CPUTIME_ID) }
sub timed { my ($which, $code) = @_; my $from = now(); $code->(); $spent[$which] += now() - $from }
my $end = now() + shift;
turn() while now() < $end;
open STAT, '/proc/self/schedstat' or die; my $waited = (split ' ', <STAT>)[1] / 1e9;
print "@spent $waited\n";
"#;

/// Samples with this sub somewhere on the stack.
fn samples(collapsed: &str, sub: &str) -> u64 {
    let has = |line: &&str| {
        let frames = line.rsplit_once(' ').map_or("", |(frames, _)| frames);
        frames.split(';').any(|f| f.split(' ').next() == Some(sub))
    };
    let count = |line: &str| line.rsplit(' ').next().and_then(|n| n.parse::<u64>().ok());
    collapsed.lines().filter(has).filter_map(count).sum()
}

/// True when the shares are right.
fn is_fair(perl: &str, program: &Program, seconds: f64) -> bool {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("target.pl");
    let output = folder.path().join("out.folded");
    std::fs::write(&path, format!("{}{FRAME}", program.body)).expect("a file");
    let mut command = Command::new(env!("CARGO_BIN_EXE_p5-spy"));
    hurry(&mut command);
    let finished = command
        .args(["record", "-f", "collapsed", "--rate"])
        .arg(program.rate.to_string())
        .arg("-o")
        .arg(&output)
        .arg("--")
        .arg(perl)
        .arg(&path)
        .arg(seconds.to_string())
        .stderr(Stdio::piped())
        .output()
        .expect("p5-spy starts");
    let said = String::from_utf8_lossy(&finished.stdout);
    let numbers: Vec<f64> = said
        .split_whitespace()
        .filter_map(|n| n.parse().ok())
        .collect();
    let [one, two, waited] = numbers[..] else {
        panic!("{said}{}", String::from_utf8_lossy(&finished.stderr));
    };
    let collapsed = std::fs::read_to_string(&output).expect("a recording");
    let counts: BTreeMap<&str, u64> = ["main::one", "main::two"]
        .map(|sub| (sub, samples(&collapsed, sub)))
        .into();
    let all = counts.values().sum::<u64>() as f64;
    let truth = one / (one + two);
    let seen = counts["main::one"] as f64 / all;
    let sigma = (truth * (1.0 - truth) / all).sqrt();
    let off = (seen - truth) / sigma;
    let waited = waited / (one + two + waited);
    let fair = all > 0.0 && off.abs() <= 4.0;
    println!(
        "{:10} {:6} {all:8} {:8.2} % {:8.2} % ± {:4.2} {off:8.1} {:12.1} %  {}",
        program.name,
        program.rate,
        truth * 100.0,
        seen * 100.0,
        sigma * 100.0,
        100.0 * waited,
        if fair { "ok" } else { "BROKEN: beyond 4 sigma" },
    );
    fair
}

fn main() {
    let seconds = number("P5SPY_BIAS_SECONDS", 20.0);
    let mut broken = 0;
    for perl in perls() {
        println!("\nperl {} ({perl})", describe(&perl));
        let clock = "use Time::HiRes qw(clock_gettime CLOCK_PROCESS_CPUTIME_ID); print clock_gettime(CLOCK_PROCESS_CPUTIME_ID) > 0";
        if ask(&perl, clock) != "1" {
            println!("skipped: this perl's Time::HiRes cannot tell its CPU time");
            continue;
        }
        println!("program    rate/s  samples    truth     sampled          sigmas  waited for CPU");
        for program in &PROGRAMS {
            broken += usize::from(!is_fair(&perl, program, seconds));
        }
        broken += loaded::table(&perl);
    }
    if broken > 0 {
        std::process::exit(1);
    }
}
