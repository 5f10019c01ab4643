//! What does being recorded cost a program? A program that only computes does the same piece of
//! work (about a second) alone, while the release binary records it at 100 and at 1000 samples per
//! second, and while a loop that only wakes up and reads 64 bytes does so as often; they take turns in
//! random order, all in one process.
//!
//! Three measures, each as the median with a 95 % interval:
//! - wall time, which is what a user sees, and which a busy machine drowns in noise; and
//! - the program's own CPU time, for what being interrupted costs beside the interruption itself:
//!   both as ratios of neighbours;
//! - the recorder's CPU time as a part of the program's meanwhile: as the two share a CPU, this is what
//!   the program waits on a machine that does nothing else.
//!
//! The loop shows what of these is the price of waking up on this machine.
//!
//! `cargo bench --bench slowdown`, with
//! - `P5SPY_SLOWDOWN_ROUNDS`: turns of each, 15 unless told,
//! - `P5SPY_BENCH_NICE`: the program's niceness, for a machine that is busy with other things,
//! - `P5SPY_TEST_PERL`: perls, separated by `:`, /usr/bin/perl unless told.
//!
//! Ends with an error when the bar is broken: 1 % at 100 and 3 % at 1000 samples per second. A median
//! beyond it whose interval is not is called undecided.

#[path = "truth/mod.rs"]
mod harness;

use harness::perl::{Running, cpu_of_all, describe, number, perls, run_and_wait};
use std::io::Write as _;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

const PROGRAM: &str = r#"$| = 1; alarm 7200;
sub square { my $x = shift; return $x * $x % 1009 }
sub mixed { my ($n, $sum) = (shift, 0); for my $i (1 .. $n) { $sum += square($i); $sum ^= length "k$i" } return $sum }
print "ready\n";
while (my $line = <STDIN>) { for (1 .. $line) { mixed(1000) } print "done\n" }
"#;

/// What a piece of work took, in seconds.
#[derive(Clone, Copy)]
struct Took {
    wall: f64,
    cpu: f64,
    /// What p5-spy used meanwhile.
    ours: f64,
}

/// Who looks at the program.
#[derive(Clone, Copy, PartialEq)]
enum Who {
    P5spy,
    Floor,
}

/// A recording that runs.
enum Recorder {
    P5spy(std::process::Child),
    Floor {
        stop: Arc<AtomicBool>,
        tid: i32,
        thread: Option<std::thread::JoinHandle<()>>,
    },
}

impl Recorder {
    fn start(who: Who, pid: i32, rate: u32) -> Self {
        match who {
            Who::P5spy => Self::p5spy(pid, rate),
            Who::Floor => Self::floor(pid, rate),
        }
    }

    fn floor(pid: i32, rate: u32) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let told = stop.clone();
        let (tell, tid) = std::sync::mpsc::channel();
        let thread = std::thread::spawn(move || {
            // SAFETY: gettid has no preconditions.
            let tid = unsafe { libc::gettid() };
            tell.send(tid).expect("somebody listens");
            harness::floor::run(pid, f64::from(rate), || !told.load(Ordering::Relaxed));
        });
        let tid = tid.recv().expect("it runs");
        std::thread::sleep(Duration::from_millis(50));
        Recorder::Floor {
            stop,
            tid,
            thread: Some(thread),
        }
    }

    fn p5spy(pid: i32, rate: u32) -> Self {
        let child = Command::new(env!("CARGO_BIN_EXE_p5-spy"))
            .args(["record", "-f", "collapsed", "-o", "/dev/null", "--pid"])
            .arg(pid.to_string())
            .args(["--rate", &rate.to_string()])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("p5-spy starts");
        // It samples on its second thread.
        let tasks = format!("/proc/{}/task", child.id());
        let deadline = Instant::now() + Duration::from_secs(20);
        while std::fs::read_dir(&tasks).map_or(0, Iterator::count) < 2 {
            assert!(Instant::now() < deadline, "p5-spy does not sample");
            std::thread::sleep(Duration::from_millis(5));
        }
        std::thread::sleep(Duration::from_millis(50));
        Recorder::P5spy(child)
    }

    /// CPU seconds of all its threads.
    fn cpu(&self) -> f64 {
        match self {
            Recorder::P5spy(child) => cpu_of_all(child.id()),
            Recorder::Floor { tid, .. } => run_and_wait(*tid).0 as f64 / 1e9,
        }
    }
}

impl Drop for Recorder {
    fn drop(&mut self) {
        match self {
            Recorder::P5spy(child) => {
                // SAFETY: kill has no memory effects.
                unsafe { libc::kill(child.id() as i32, libc::SIGINT) };
                let _ = child.wait();
            }
            Recorder::Floor { stop, thread, .. } => {
                stop.store(true, Ordering::Relaxed);
                thread.take().map(std::thread::JoinHandle::join);
            }
        }
    }
}

fn piece(running: &mut Running, work: u64, recorder: Option<&Recorder>) -> Took {
    let spent = || recorder.map_or(0.0, Recorder::cpu);
    let (before, own) = (run_and_wait(running.pid()).0, spent());
    let from = Instant::now();
    writeln!(running.input, "{work}").expect("it listens");
    assert_eq!(running.line(), "done");
    let wall = from.elapsed().as_secs_f64();
    let cpu = (run_and_wait(running.pid()).0 - before) as f64 / 1e9;
    let ours = spent() - own;
    Took { wall, cpu, ours }
}

/// Median with a 95 % interval from the order of the values.
fn interval(mut values: Vec<f64>) -> (f64, f64, f64) {
    values.sort_by(f64::total_cmp);
    let count = values.len() as f64;
    let reach = 0.98 * count.sqrt();
    let at = |place: f64| {
        let index = place.round().clamp(0.0, count - 1.0) as usize;
        values.get(index).copied().unwrap_or(f64::NAN)
    };
    let middle = (count - 1.0) / 2.0;
    (at(middle), at(middle - reach), at(middle + reach))
}

/// How often the bar is broken.
fn slowdown(perl: &str, rounds: usize) -> usize {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("target.pl");
    std::fs::write(&path, PROGRAM).expect("a file");
    let mut running = Running::start(perl, &path, &[]);
    let calibration = piece(&mut running, 300, None);
    let work = (300.0 * 1.2 / calibration.cpu) as u64;
    let arms = [
        (Who::P5spy, 100),
        (Who::Floor, 100),
        (Who::P5spy, 1000),
        (Who::Floor, 1000),
    ];
    let mut ratios = [const { Vec::<Took>::new() }; 4];
    for _ in 0..rounds {
        let mut order: Vec<Option<usize>> = std::iter::once(None)
            .chain((0..arms.len()).map(Some))
            .collect();
        fastrand::shuffle(&mut order);
        let mut took = [None; 5];
        for which in order {
            let recorder = which
                .map(|w| arms[w])
                .map(|(who, rate)| Recorder::start(who, running.pid(), rate));
            let result = piece(&mut running, work, recorder.as_ref());
            took[which.map_or(0, |w| w + 1)] = Some(result);
        }
        let [Some(alone), others @ ..] = took else {
            unreachable!("each had its turn");
        };
        for (ratios, with) in ratios.iter_mut().zip(others) {
            let with = with.expect("each had its turn");
            ratios.push(Took {
                wall: with.wall / alone.wall,
                cpu: with.cpu / alone.cpu,
                ours: 1.0 + with.ours / with.cpu,
            });
        }
    }
    let mut broken = 0;
    println!("rate/s  measure                     slowdown  95 % interval");
    for ((who, rate), ratios) in arms.into_iter().zip(&ratios) {
        let bar = if rate == 100 { 1.0 } else { 3.0 };
        type Measure = fn(&Took) -> f64;
        let measures: [(&str, &str, Measure); 3] = [
            ("wall time", "  wall time, by the loop", |t| t.wall),
            ("its own CPU time", "  its own, by the loop", |t| t.cpu),
            ("p5-spy's CPU time", "  the loop's CPU time", |t| t.ours),
        ];
        for (name, of_loop, measure) in measures {
            let percent = |ratio: f64| (ratio - 1.0) * 100.0;
            let (median, low, high) = interval(ratios.iter().map(measure).collect());
            let [median, low, high] = [median, low, high].map(percent);
            if who == Who::Floor {
                println!("{rate:6}  {of_loop:26} {median:8.2} %  {low:6.2} … {high:5.2} %");
                continue;
            }
            broken += usize::from(low > bar);
            let verdict = match (low > bar, median > bar) {
                (true, _) => format!("BROKEN: more than {bar} %"),
                (false, true) => format!("undecided: {bar} %"),
                (false, false) => format!("ok: under {bar} %"),
            };
            println!("{rate:6}  {name:26} {median:8.2} %  {low:6.2} … {high:5.2} %  {verdict}");
        }
    }
    broken
}

fn main() {
    let rounds = number("P5SPY_SLOWDOWN_ROUNDS", 15);
    let mut broken = 0;
    for perl in perls() {
        println!("\nperl {} ({perl})", describe(&perl));
        broken += slowdown(&perl, rounds);
    }
    if broken > 0 {
        std::process::exit(1);
    }
}
