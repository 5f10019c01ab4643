//! What does a sample cost? CPU time of the sampling thread per sample, by depth of the stack, next
//! to the floor: a thread that sleeps to the same random schedule on the target's CPU and makes one
//! vectored read of 64 bytes. The two take turns of a second each, so that whatever else the machine
//! does falls on both. Three kinds of targets: `subs`, as many different subs; `recursion`, one sub;
//! both work at the bottom; and `moving`, which goes all the way down and up again all the time.
//! Then the highest rate that is held at depth 50, and what it costs the target.
//!
//! `cargo bench --bench cost`, with
//! - `P5SPY_COST_ROUNDS`: turns of each, 5 unless told,
//! - `P5SPY_COST_DEPTHS`: depths, separated by `:`, 10:50:200:1000 unless told,
//! - `P5SPY_BENCH_NICE`: the program's niceness, for a machine that is busy with other things,
//! - `P5SPY_TEST_PERL`: perls, separated by `:`, /usr/bin/perl unless told.
//!
//! Ends with an error when the bar is broken: at most 2 times the floor at depth 50 and 3 times at
//! depth 1000 (`subs` and `recursion`), and more than 10,000 samples per second at depth 50.

#[path = "truth/mod.rs"]
mod harness;

use harness::contact::{Wanted, sample, sources};
use harness::floor;
use harness::perl::{Running, describe, number, perls, run_and_wait};
use p5_spy::layout::Sources;
use std::fmt::Write as _;
use std::io::Write as _;
use std::path::Path;
use std::time::{Duration, Instant};

const TURN: Duration = Duration::from_secs(1);

/// What a target does.
#[derive(Clone, Copy, PartialEq)]
enum Kind {
    Subs,
    Recursion,
    Moving,
}

/// A program with so many frames, the main program and the working sub not counted. It does one
/// piece of work per line of input, and works on without end after "forever".
fn program(kind: Kind, depth: usize) -> String {
    let mut text = String::from(
        "$| = 1; alarm 7200;\nsub unit { my $x = shift; return $x + 1 }\n\
         sub work { my $n = shift; my $x = 0; while ($n-- > 0) { $x = unit($x); $x = unit($x) } $x }\n\
         sub serve { print qq(ready\\n); while (my $line = <STDIN>) { chomp $line;\
         work($line eq 'forever' ? 1e15 : $line); print qq(done\\n) } }\n",
    );
    match kind {
        Kind::Subs | Kind::Moving => {
            for level in 0..depth {
                let _ = writeln!(text, "sub s{level} {{ my $r = s{}(@_); $r }}", level + 1);
            }
            let bottom = if kind == Kind::Moving { "1" } else { "serve()" };
            let _ = writeln!(text, "sub s{depth} {{ {bottom} }}");
            text.push_str(match kind {
                Kind::Moving => "print qq(ready\\n); while (1) { s0(1) }\n",
                _ => "s0(1);\n",
            });
        }
        Kind::Recursion => {
            text.push_str("sub s { my $n = shift; my $r = $n ? s($n - 1) : serve(); $r }\n");
            // `s` alone would be a substitution.
            text = text
                .replace("sub s {", "sub down {")
                .replace("? s(", "? down(");
            let _ = writeln!(text, "down({depth});");
        }
    }
    text
}

fn start(perl: &str, folder: &Path, kind: Kind, depth: usize) -> (Running, std::path::PathBuf) {
    let path = folder.join("target.pl");
    std::fs::write(&path, program(kind, depth)).expect("a file");
    (Running::start(perl, &path, &[]), path)
}

/// CPU time per wake-up of a loop that does next to nothing.
fn floor(pid: i32, rate: f64) -> f64 {
    let until = Instant::now() + TURN;
    let work = move || floor::run(pid, rate, || Instant::now() < until);
    let (cpu, count) = std::thread::spawn(work).join().expect("the floor");
    cpu.as_secs_f64() * 1e6 / f64::from(count)
}

fn turn(pid: i32, sources: &Sources, path: &Path, rate: f64) -> (f64, f64) {
    let wanted = Wanted {
        rate,
        samples: usize::MAX,
        at_most: TURN,
        warm: (rate / 5.0) as usize,
    };
    let mut all = sample(&[pid], sources, path, wanted);
    let cost = all.pop().expect("one sampler").steady;
    let samples = cost.samples.max(1) as f64;
    (
        cost.cpu.as_secs_f64() * 1e6 / samples,
        cost.reads as f64 / samples,
    )
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}

/// The factor that is allowed.
fn bar(kind: Kind, depth: usize) -> Option<f64> {
    match (kind, depth) {
        (Kind::Moving, _) => None,
        (_, 50) => Some(2.0),
        (_, 1000) => Some(3.0),
        _ => None,
    }
}

fn depths() -> Vec<usize> {
    let told = std::env::var("P5SPY_COST_DEPTHS").unwrap_or("10:50:200:1000".into());
    let depths = told.split(':').map(|d| d.parse().expect("a depth"));
    depths.collect()
}

/// How often the bar is broken.
fn costs(perl: &str, folder: &Path, sources: &Sources, rounds: usize) -> usize {
    let mut broken = 0;
    println!("target     depth  rate/s   floor µs  sampler µs  reads  sampler/floor");
    for (kind, name) in [
        (Kind::Subs, "subs"),
        (Kind::Recursion, "recursion"),
        (Kind::Moving, "moving"),
    ] {
        for depth in depths() {
            let (mut running, path) = start(perl, folder, kind, depth);
            if kind != Kind::Moving {
                running.input.write_all(b"forever\n").expect("it listens");
            }
            for rate in [100.0, 1000.0] {
                let (mut floors, mut ours, mut ratios) = (vec![], vec![], vec![]);
                let mut reads = 0.0;
                for _ in 0..rounds {
                    let floor = floor(running.pid(), rate);
                    let (cost, read) = turn(running.pid(), sources, &path, rate);
                    floors.push(floor);
                    ours.push(cost);
                    ratios.push(cost / floor);
                    reads = read;
                }
                let ratio = median(ratios);
                let verdict = match bar(kind, depth) {
                    Some(most) if ratio > most => {
                        broken += 1;
                        format!("BROKEN: more than {most}")
                    }
                    Some(most) => format!("ok: at most {most}"),
                    None => String::new(),
                };
                println!(
                    "{name:10} {depth:5} {rate:7} {:10.1} {:11.1} {reads:6.2} {ratio:14.2}  {verdict}",
                    median(floors),
                    median(ours),
                );
            }
        }
    }
    broken
}

/// How long a piece of work takes, in seconds of wall-clock and of the target's CPU time.
fn piece(running: &mut Running, work: &str) -> (f64, f64) {
    let (cpu, _) = run_and_wait(running.pid());
    let from = Instant::now();
    running
        .input
        .write_all(work.as_bytes())
        .expect("it listens");
    assert_eq!(running.line(), "done");
    let wall = from.elapsed().as_secs_f64();
    (wall, (run_and_wait(running.pid()).0 - cpu) as f64 / 1e9)
}

/// True when more than 10,000 a second are held.
fn highest_rate(perl: &str, folder: &Path, sources: &Sources) -> bool {
    const PIECES: usize = 3;
    let (mut running, path) = start(perl, folder, Kind::Subs, 50);
    let (wall, _) = piece(&mut running, "20000\n");
    // A second or so.
    let work = format!("{}\n", (20_000.0 / wall) as u64);
    println!("\ndepth 50   rate/s  taken/s  missed  target's wall time  target's CPU time");
    let mut highest = 0.0;
    for rate in [
        1000.0, 2000.0, 5000.0, 10_500.0, 15_000.0, 20_000.0, 30_000.0,
    ] {
        let (mut walls, mut cpus) = (vec![], vec![]);
        let (mut taken, mut missed, mut seconds) = (0, 0, 0.0);
        for _ in 0..PIECES {
            let alone = piece(&mut running, &work);
            let pid = running.pid();
            let wanted = Wanted {
                rate,
                samples: usize::MAX,
                at_most: Duration::from_secs_f64(alone.0 + 0.3),
                warm: 0,
            };
            let (all, with) = std::thread::scope(|scope| {
                let path = &path;
                let sampling = scope.spawn(move || sample(&[pid], sources, path, wanted));
                // It samples an idle target before and after: attached it must be in any case.
                std::thread::sleep(Duration::from_millis(100));
                let from = Instant::now();
                let with = piece(&mut running, &work);
                seconds += from.elapsed().as_secs_f64().min(alone.0 + 0.2);
                (sampling.join().expect("the sampler"), with)
            });
            walls.push(with.0 / alone.0);
            cpus.push(with.1 / alone.1);
            for samples in all {
                taken += samples.attempted;
                missed += samples.missed;
            }
        }
        let lost = missed as f64 / (taken + missed).max(1) as f64;
        if lost < 0.01 {
            highest = rate;
        }
        println!(
            "        {rate:9} {:8.0} {:6.2}% {:18.3}x {:17.3}x",
            taken as f64 / seconds,
            lost * 100.0,
            median(walls),
            median(cpus),
        );
    }
    let holds = highest > 10_000.0;
    let verdict = if holds { "ok" } else { "BROKEN" };
    println!("held with less than 1 % missed: {highest}/s  {verdict}: more than 10,000");
    holds
}

fn main() {
    let rounds = number("P5SPY_COST_ROUNDS", 5);
    let folder = tempfile::tempdir().expect("a folder");
    let sources = sources();
    let mut broken = 0;
    for perl in perls() {
        println!("\nperl {} ({perl})", describe(&perl));
        broken += costs(&perl, folder.path(), &sources, rounds);
        broken += usize::from(!highest_rate(&perl, folder.path(), &sources));
    }
    if broken > 0 {
        println!("the bar is broken {broken} times");
        std::process::exit(1);
    }
}
