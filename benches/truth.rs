//! Are the stacks true? Programs whose legal stacks are a closed set (`benches/truth/programs`; the
//! rules are comments in them, explained in `benches/truth/rules.rs`) run as fast as they can and
//! are sampled. Every accepted stack is judged, and the distribution over stacks is held against
//! the truth: the same program, stopped at random moments (by this harness; p5-spy stops nothing)
//! and read while it stands still.
//!
//! `cargo bench --bench truth`, with
//! - `P5SPY_TRUTH_SAMPLES`: samples per program, 20000 unless told (the bar is about 1,000,000 in all),
//! - `P5SPY_TRUTH_STOPS`: looks at the stopped program, a quarter of that unless told,
//! - `P5SPY_TRUTH_RATE`: samples per second, 4000 unless told,
//! - `P5SPY_TRUTH_PROGRAMS`: only these, separated by commas,
//! - `P5SPY_BENCH_NICE`: the program's niceness, for a machine that is busy with other things,
//! - `P5SPY_TEST_PERL`: perls, separated by `:`, /usr/bin/perl unless told.
//!
//! Ends with an error when the bar is broken: an impossible stack, 0.1 % wrong innermost lines
//! (programs that die apart), 0.2 % torn, or a distance that chance does not explain.

#[path = "truth/mod.rs"]
mod harness;

use harness::perl::{describe, number, perls};
use harness::trial::{Counted, Effort, Outcome, run};
use harness::{contact, programs, rules};

fn per_thousand(part: u64, whole: u64) -> f64 {
    1000.0 * part as f64 / whole.max(1) as f64
}

fn row(name: &str, outcome: &Outcome) {
    let sampled = &outcome.sampled;
    let cost = &sampled.cost;
    let each = |total: f64| total / cost.samples.max(1) as f64;
    println!(
        "{name:10} {:8} {:6.2} {:6.2} {:6} {:6} {:10} {:7.2} {:6} {:6} {:6} {:7.4} {:7.4} {:7.4} {:8.1} {:6.2}  {}",
        sampled.good,
        per_thousand(sampled.torn, sampled.attempted),
        per_thousand(sampled.missed, sampled.attempted + sampled.missed),
        sampled.failed,
        sampled.approximate,
        sampled.impossible,
        per_thousand(sampled.wrong_lines, sampled.good),
        outcome.stopped.good,
        outcome.stopped.impossible,
        outcome.stopped.wrong_lines,
        outcome.distance,
        outcome.noise.mean,
        outcome.noise.limit,
        each(cost.cpu.as_secs_f64() * 1e6),
        each(cost.reads as f64),
        match outcome.broken() {
            broken if broken.is_empty() => "ok".to_owned(),
            broken => format!("BROKEN: {}", broken.join(", ")),
        },
    );
    for (way, counted) in [("running", sampled), ("stopped", &outcome.stopped)] {
        reasons(way, counted);
    }
}

fn reasons(way: &str, counted: &Counted) {
    let mut reasons: Vec<_> = counted.reasons.iter().collect();
    reasons.sort_by_key(|(why, count)| (!why.starts_with("impossible"), u64::MAX - **count));
    for (reason, count) in reasons.iter().take(6) {
        println!("    {way}: {count} times {reason}");
    }
    if counted.failed > 0 {
        println!("    {way}: {} could not be read", counted.failed);
    }
}

fn main() {
    rules::check_the_judge();
    let samples = number("P5SPY_TRUTH_SAMPLES", 20_000);
    let effort = Effort {
        samples,
        stops: number("P5SPY_TRUTH_STOPS", samples / 4),
        rate: number("P5SPY_TRUTH_RATE", 4000.0),
    };
    let named = std::env::var("P5SPY_TRUTH_PROGRAMS").ok();
    let folder = tempfile::tempdir().expect("a folder");
    let programs = programs::programs(folder.path(), named.as_deref());
    let sources = contact::sources();
    let (mut broken, mut all, mut impossible) = (0, 0, 0);
    for perl in perls() {
        let described = describe(&perl);
        println!("\nperl {described} ({perl})");
        println!(
            "{:10} {:>8} {:>6} {:>6} {:>6} {:>6} {:>10} {:>7} {:>6} {:>6} {:>6} {:>7} {:>7} {:>7} {:>8} {:>6}",
            "program",
            "samples",
            "torn‰",
            "miss‰",
            "failed",
            "approx",
            "impossible",
            "lines‰",
            "truth",
            "imposs",
            "lines",
            "dist",
            "noise",
            "limit",
            "µs",
            "reads",
        );
        for program in &programs {
            if program.rules.threads > 0 && !described.contains("threaded") {
                println!("{:10} skipped: this perl has no threads", program.name);
                continue;
            }
            let Some(outcome) = run(&perl, program, &sources, effort) else {
                println!("{:10} skipped: not with this perl", program.name);
                continue;
            };
            row(&program.name, &outcome);
            broken += usize::from(!outcome.broken().is_empty());
            all += outcome.sampled.good;
            impossible += outcome.sampled.impossible;
        }
    }
    println!(
        "\n{impossible} impossible stacks in {all} accepted samples; the bar is broken {broken} times"
    );
    if broken > 0 {
        std::process::exit(1);
    }
}
