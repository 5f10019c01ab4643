//! Shares on a machine with more work than CPUs, as root and as an ordinary user.
//!
//! The program times four of its own parts by its thread's CPU clock: one computes, one makes many
//! short system calls, one sleeps and wakes up, one writes to a pipe and waits for the answer. The
//! clock also charges a thread for the time in which the kernel changes to it, before it is on the
//! CPU; in virtual machines this is half of what a short sleep is charged (`perf stat` shows it:
//! task-clock is that much less than the clock). p5-spy sees the thread waiting then. So the part
//! that sleeps is shown, and what is judged are the shares of the others among themselves.

use super::harness::perl::number;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Instant;

const PARTS: [&str; 4] = ["compute", "calls", "ping", "nap"];
/// Percentage points that an ordinary user's shares may be off.
const MOST_OFF: f64 = 2.0;
/// By this much of it the sum may be off from the program's own.
const MOST_SUM_OFF: f64 = 0.05;

const PROGRAM: &str = r#"use strict;
use Time::HiRes qw(clock_gettime CLOCK_THREAD_CPUTIME_ID usleep);
alarm 7200;
sub now { return clock_gettime(CLOCK_THREAD_CPUTIME_ID) }
pipe(my $there, my $out) and pipe(my $in, my $back) or die;
if (!fork) { close $out; while (sysread $there, my $byte, 1) { syswrite $back, 'x' } exit }
close $there;
sub compute { my $x = 0; $x += $_ for 1 .. 6000; return $x }
sub calls { getppid() for 1 .. 300; return }
sub ping { for (1 .. 5) { syswrite $out, 'x'; sysread $in, my $byte, 1 } return }
sub nap { usleep(300); return }
my %spent;
sub timed { my ($name, $code) = @_; my $from = now(); $code->(); $spent{$name} += now() - $from }
my @parts = ([compute => \&compute], [calls => \&calls], [ping => \&ping], [nap => \&nap]);
my $end = now() + shift;
while (now() < $end) { timed(@$_) for @parts }
print join(' ', (map { $spent{$_->[0]} } @parts), now()), "\n";
"#;

/// Programs that want every CPU.
struct Burners(Vec<Child>);

impl Burners {
    fn start(perl: &str, count: usize) -> Self {
        let burn = |_| {
            let mut command = Command::new(perl);
            command.args(["-e", "alarm 7200; 1 while 1"]);
            command.stdout(Stdio::null()).spawn().expect("a burner")
        };
        Burners((0..count).map(burn).collect())
    }
}

impl Drop for Burners {
    fn drop(&mut self) {
        for burner in &mut self.0 {
            let _ = burner.kill();
            let _ = burner.wait();
        }
    }
}

/// p5-spy as root, or as somebody without any right.
fn spy(is_root: bool) -> Command {
    let spy = env!("CARGO_BIN_EXE_p5-spy");
    if is_root {
        return Command::new(spy);
    }
    let mut command = Command::new("setpriv");
    command.args(["--reuid=65534", "--regid=65534", "--clear-groups"]);
    command.args(["--inh-caps=-all", "--bounding-set=-all", spy]);
    command
}

/// A line of the table; false when the shares are wrong.
fn is_fair(perl: &str, is_root: bool, burners: usize, rate: u32, seconds: f64) -> bool {
    let folder = tempfile::tempdir().expect("a folder");
    let all = std::os::unix::fs::PermissionsExt::from_mode(0o777);
    std::fs::set_permissions(folder.path(), all).expect("a folder for all");
    let (program, output) = (
        folder.path().join("target.pl"),
        folder.path().join("x.folded"),
    );
    std::fs::write(&program, PROGRAM).expect("a file");
    let _burners = Burners::start(perl, burners);
    let mut command = spy(is_root);
    command.args([
        "record",
        "-f",
        "collapsed",
        "--rate",
        &rate.to_string(),
        "-o",
    ]);
    command
        .arg(&output)
        .arg("--")
        .args([perl.as_ref(), program.as_path()]);
    let (begun, stolen_before) = (Instant::now(), stolen());
    let finished = command
        .arg(seconds.to_string())
        .env("HOME", folder.path())
        .output()
        .expect("p5-spy starts");
    let stolen = (stolen() - stolen_before) / begun.elapsed().as_secs_f64();
    let said = String::from_utf8_lossy(&finished.stdout);
    let times: Vec<f64> = said
        .split_whitespace()
        .filter_map(|n| n.parse().ok())
        .collect();
    let (Some(spent), Some(clock)) = (times.get(..4), times.get(4)) else {
        panic!("{said}{}", String::from_utf8_lossy(&finished.stderr));
    };
    let collapsed = std::fs::read_to_string(&output).expect("a recording");
    let seen = PARTS.map(|part| samples_in(&collapsed, part) as f64);
    let all = total(&collapsed) as f64;
    let (spent_awake, seen_awake) = (
        spent[..3].iter().sum::<f64>(),
        seen[..3].iter().sum::<f64>(),
    );
    let mut fair = seen_awake > 0.0;
    let mut line = String::new();
    for part in 0..3 {
        let (truth, share) = (spent[part] / spent_awake, seen[part] / seen_awake);
        let sigma = (truth * (1.0 - truth) / seen_awake.max(1.0)).sqrt();
        let most = if is_root { 0.0 } else { MOST_OFF / 100.0 };
        fair &= (share - truth).abs() <= (3.0 * sigma).max(most);
        line += &format!(
            " {:5.1} {:5.1} ±{:3.1} ",
            100.0 * truth,
            100.0 * share,
            100.0 * sigma
        );
    }
    let whole: f64 = spent.iter().sum();
    // In samples: at 100 Hz chance is more than that share.
    let (wanted, most) = (clock * f64::from(rate), 3.0 * all.max(1.0).sqrt());
    let adds_up = (all - wanted).abs() <= most.max(MOST_SUM_OFF * wanted);
    println!(
        "{:7} {burners:7} {rate:6}  {line} {:5.1} {:5.1}   {clock:5.2} {:5.2} {:6.1}  {}",
        if is_root { "root" } else { "user" },
        100.0 * spent[3] / whole,
        100.0 * seen[3] / seen.iter().sum::<f64>(),
        all / f64::from(rate),
        100.0 * stolen,
        match (fair, adds_up) {
            (true, true) => "ok",
            (true, false) => "BROKEN: the sum",
            (false, true) => "BROKEN: the shares",
            (false, false) => "BROKEN: both",
        },
    );
    fair && adds_up
}

/// CPU seconds that the host of a virtual machine gave to others, since its start (`steal`, proc(5)).
/// The program's clock does not go then, though the program is on its CPU: it is printed for whoever
/// wonders, and excuses nothing.
fn stolen() -> f64 {
    let text = std::fs::read_to_string("/proc/stat").unwrap_or_default();
    let ticks = text.split_whitespace().nth(8).and_then(|n| n.parse().ok());
    ticks.unwrap_or(0.0) / 100.0
}

fn samples_in(collapsed: &str, part: &str) -> u64 {
    super::samples(collapsed, &format!("main::{part}"))
}

fn total(collapsed: &str) -> u64 {
    let count = |line: &str| line.rsplit(' ').next().and_then(|n| n.parse::<u64>().ok());
    collapsed.lines().filter_map(count).sum()
}

/// The whole table; how many of its lines are wrong.
pub fn table(perl: &str) -> usize {
    let seconds = number("P5SPY_LOADED_SECONDS", 5.0);
    let cpus = std::thread::available_parallelism().map_or(1, usize::from);
    // SAFETY: geteuid has no preconditions.
    let is_root = unsafe { libc::geteuid() } == 0;
    println!(
        "\nin percent: by its own clock, sampled, one standard error. CPU seconds: its clock, samples\n\
         who     burners rate/s   compute           calls             ping              nap           CPU seconds  stolen"
    );
    let mut broken = 0;
    for who in if is_root {
        &[true, false][..]
    } else {
        &[true][..]
    } {
        for burners in [0, cpus, 4 * cpus] {
            for rate in [100, 1000] {
                broken += usize::from(!is_fair(perl, *who, burners, rate, seconds));
            }
        }
    }
    if !Path::new("/proc/self/sched").exists() {
        println!("this kernel has no account for ordinary users");
    }
    broken
}
