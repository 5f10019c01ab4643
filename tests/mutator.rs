//! Perls whose structures are overwritten while p5-spy looks at them: it may refuse, miss and tear,
//! but not panic, hang, grow, lose count, or print what a terminal would obey.
//!
//! Some seconds of it here; `tests/mutator/run MINUTES` does it for longer.

mod loudly;
#[path = "mutator/poke.rs"]
mod poke;
mod support;

use loudly::loudly;
use poke::{Places, Poker};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};
use support::{PERL, Running, Target, folder, run, spy, text, wait_for};

/// What the perl does meanwhile.
const WAYS: [&str; 4] = ["waits", "computes", "threads", "runs"];

/// Kilobytes that p5-spy may hold: a sound program costs it a tenth of that.
const MOST_MEMORY: u64 = 300 << 10;

/// How long in all, and from which number the words come.
fn duration() -> Duration {
    let minutes = std::env::var("P5SPY_MUTATE_MINUTES").ok();
    let minutes: Option<f64> = minutes.map(|text| text.parse().expect("minutes"));
    minutes.map_or(Duration::from_secs(8), |m| {
        Duration::from_secs_f64(60.0 * m)
    })
}

fn first_seed() -> u64 {
    let given = std::env::var("P5SPY_MUTATE_SEED").ok();
    given.map_or_else(
        || fastrand::u64(..1 << 32),
        |seed| seed.parse().expect("a number"),
    )
}

/// What happened.
#[derive(Default)]
struct Account {
    words: u64,
    perls: u64,
    ended: u64,
    runs: u64,
    refused: u64,
    samples: [u64; 7],
    peak: u64,
}

#[test]
fn a_perl_that_shoots_at_itself_harms_nobody_else() {
    let mut seed = first_seed();
    let started = Instant::now();
    let mut account = Account::default();
    while started.elapsed() < duration() {
        for way in WAYS {
            one_perl(way, seed, &mut account);
            seed += 1;
        }
    }
    let [due, good, idle, ready, torn, missed, failed] = account.samples;
    loudly!(
        "mutator: {} words in {} perls of which {} ended, {} runs of p5-spy of which {} ended in an error; {due} samples due: {good} good, {idle} idle, {ready} waiting for a CPU, {torn} torn, {missed} missed, {failed} failed; {} MiB at most; {:.0} s",
        account.words,
        account.perls,
        account.ended,
        account.runs,
        account.refused,
        account.peak >> 10,
        started.elapsed().as_secs_f64(),
    );
    assert!(account.words > 1000, "hardly anything was overwritten");
    assert!(
        good + idle + ready > 0,
        "never a stack: the damage is all there is"
    );
}

/// Looks at one perl in several ways.
fn one_perl(way: &str, seed: u64, account: &mut Account) {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/mutator/program.pl");
    let target = Target::of_perl(Path::new(PERL), &[text(&script), way]);
    let pid = target.pid().to_string();
    let folder = folder();
    let capture = folder.path().join("before.capture");
    // Threads take a moment to be there, and one that runs to be caught.
    wait_for("a capture", || {
        let taken = run(&["capture", "--pid", &pid, "-o", text(&capture)]);
        taken.status.success().then_some(())
    });
    let places = Places::of(&capture, target.pid());
    assert!(places.len() > 500, "{way}: only {} words", places.len());
    let poker = Poker::start(target.pid(), places, way != "runs", seed);
    account.perls += 1;
    let raw = folder.path().join("x.p5spy");
    let again = folder.path().join("again.capture");
    let lines: [&[&str]; 6] = [
        &["dump", "-ll", "--values", "--pid", &pid],
        &[
            "record",
            "--idle",
            "--ops",
            "-r",
            "500",
            "-d",
            "0.6",
            "-o",
            text(&raw),
            "--pid",
            &pid,
        ],
        &["dump", "--json", "-ll", "--pid", &pid],
        &[
            "record",
            "-r",
            "900",
            "-d",
            "0.3",
            "--threads",
            "-f",
            "collapsed",
            "-o",
            "-",
            "--pid",
            &pid,
        ],
        &["capture", "-o", text(&again), "--pid", &pid],
        &["dump", "--no-cache", "--pid", &pid],
    ];
    for words in lines {
        watched(words, &format!("{way}, seed {seed}"), account);
    }
    if raw.exists() {
        for format in ["collapsed", "html"] {
            let words = ["report", text(&raw), "--idle", "-f", format, "-o", "-"];
            watched(&words, &format!("{way}, seed {seed}"), account);
        }
    }
    account.words += poker.count();
    drop(poker);
    let state = support::state(target.pid());
    let lives = state.is_some_and(|state| state != 'Z');
    account.ended += u64::from(!lives);
    // Everything was put back each time, and these two never looked.
    let rests = way == "waits" || way == "threads";
    assert!(
        lives || !rests,
        "the perl that {way} has ended (seed {seed})"
    );
}

/// Runs p5-spy, and holds it to everything that is promised.
fn watched(words: &[&str], what: &str, account: &mut Account) {
    let mut command = spy();
    command.args(words);
    let running = Running::start(command);
    let peak = watch_memory(running.pid());
    // It fails where that takes too long.
    let ended = running.finish();
    let context = format!("{what}: p5-spy {}: {ended:?}", words.join(" "));
    let code = ended.status.code();
    assert!(matches!(code, Some(0 | 1)), "{context}");
    assert!(!ended.err.contains("panicked"), "{context}");
    for out in [&ended.out, &ended.err] {
        let harmful = |c: char| c.is_control() && c != '\n';
        assert!(!out.contains(harmful), "{context}");
    }
    let peak = peak.load(Relaxed);
    assert!(peak < MOST_MEMORY, "{peak} kB; {context}");
    account.peak = account.peak.max(peak);
    account.runs += 1;
    account.refused += u64::from(code == Some(1));
    for line in ended.err.lines().filter(|l| l.contains(" samples due in ")) {
        let numbers = account_of(line);
        let [due, parts @ ..] = numbers;
        assert_eq!(due, parts.iter().sum::<u64>(), "{context}");
        if words[0] == "record" {
            for (sum, number) in account.samples.iter_mut().zip(numbers) {
                *sum += number;
            }
        }
    }
}

/// `60 samples due in 0.6 s: 1 good, 2 idle, 3 waiting for a CPU, 4 torn, … (…); …`
fn account_of(line: &str) -> [u64; 7] {
    let before = |word: &str| -> u64 {
        let (front, _) = line
            .split_once(word)
            .unwrap_or_else(|| panic!("no {word}: {line}"));
        front.rsplit([' ', ',']).next().unwrap().parse().unwrap()
    };
    let mut numbers = [
        " samples due",
        " good",
        " idle",
        " waiting for a CPU",
        " torn",
        " missed",
        " failed",
    ]
    .map(before);
    // Said only where there are any.
    const GONE: &str = " of programs that had";
    if line.contains(GONE) {
        numbers[6] += before(GONE);
    }
    numbers
}

/// The most memory that a process ever had, in kB, looked at until it ends.
fn watch_memory(pid: i32) -> Arc<AtomicU64> {
    let peak = Arc::new(AtomicU64::new(0));
    let seen = peak.clone();
    std::thread::spawn(move || {
        while let Ok(status) = std::fs::read_to_string(format!("/proc/{pid}/status")) {
            let line = status.lines().find_map(|l| l.strip_prefix("VmHWM:"));
            let number = line.and_then(|l| l.trim().split(' ').next()?.parse().ok());
            // A zombie has none.
            let Some(number) = number else { break };
            seen.fetch_max(number, Relaxed);
            std::thread::sleep(Duration::from_millis(10));
        }
    });
    peak
}
