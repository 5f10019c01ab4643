//! What it costs to record a family of workers: CPU time of p5-spy as a whole process in percent of
//! one CPU, and apart from that what it takes to attach to them in the first two seconds. Busy workers do nothing but
//! compute, waiting ones nothing at all; `--idle` records the stacks of these too.
//!
//! `cargo bench --bench workers`, with
//! - `P5SPY_BENCH_SECONDS`: how long each is recorded, 20 unless told,
//! - `P5SPY_BENCH_NICE`: the workers' niceness, for a machine that is busy with other things,
//! - `P5SPY_TEST_PERL`: another perl than /usr/bin/perl.
//!
//! Ends with an error when the bar is broken: at 100 Hz 50 busy workers under 10 % of a CPU, 200
//! waiting ones under 1 %. Whether anything runs at all is one cheap question: on a machine that does
//! other things at the same time, waiting workers have to be asked one by one, and cost more.

#[path = "truth/mod.rs"]
mod harness;

use harness::perl::cpu_of_all;
use std::io::{BufRead, BufReader};
use std::process::{Child, Command, ExitCode, Stdio};
use std::time::Duration;

const PROGRAM: &str = r#"
    use POSIX ();
    my ($workers, $kind, $nice) = @ARGV;
    POSIX::nice($nice);
    alarm 7200; $| = 1;
    sub leaf { my $x = 0; $x += $_ for 1 .. 50; $x }
    sub work { my $depth = shift; $depth ? work($depth - 1) + 1 : leaf() }
    sub serve { while (1) { $kind eq 'busy' ? work(10) : sleep 1000 } }
    my @all;
    $SIG{TERM} = sub { kill KILL => @all; exit };
    for (1 .. $workers) {
        my $pid = fork;
        if (!$pid) { $SIG{TERM} = 'DEFAULT'; alarm 7200; serve() }
        push @all, $pid;
    }
    print "ready\n";
    sleep 1000 while 1;
"#;

struct Family(Child);

impl Family {
    fn start(workers: usize, kind: &str) -> Self {
        let perl = std::env::var_os("P5SPY_TEST_PERL").unwrap_or("/usr/bin/perl".into());
        let nice = std::env::var("P5SPY_BENCH_NICE").unwrap_or("0".into());
        let mut child = Command::new(perl)
            .args(["-e", PROGRAM, &workers.to_string(), kind, &nice])
            .stdout(Stdio::piped())
            .spawn()
            .expect("perl starts");
        let out = child.stdout.take().expect("a pipe");
        let mut line = String::new();
        BufReader::new(out).read_line(&mut line).expect("a line");
        assert_eq!(line, "ready\n");
        Family(child)
    }
}

impl Drop for Family {
    fn drop(&mut self) {
        // SAFETY: the child has not been waited for, so its id is still its own.
        unsafe { libc::kill(self.0.id() as i32, libc::SIGTERM) };
        let _ = self.0.wait();
    }
}

/// User and system time of a child that has ended, in seconds.
fn cpu_of(child: &Child) -> f64 {
    // SAFETY: all zeros are a valid rusage.
    let mut usage: libc::rusage = unsafe { std::mem::zeroed() };
    let mut status = 0;
    // SAFETY: both are valid places for the results, and the child is ours.
    let ended = unsafe { libc::wait4(child.id() as i32, &mut status, 0, &mut usage) };
    assert_eq!((ended, status), (child.id() as i32, 0));
    let seconds = |t: libc::timeval| t.tv_sec as f64 + t.tv_usec as f64 * 1e-6;
    seconds(usage.ru_utime) + seconds(usage.ru_stime)
}

/// What a recording took.
struct Took {
    /// CPU seconds of the time in which it attached.
    start: f64,
    /// The share of a CPU after that.
    share: f64,
}

/// Records them.
// `cpu_of` waits for it.
#[allow(clippy::zombie_processes)]
fn record(workers: usize, kind: &str, options: &[&str]) -> Took {
    const START: u64 = 2;
    let seconds = std::env::var("P5SPY_BENCH_SECONDS").unwrap_or("20".into());
    let family = Family::start(workers, kind);
    let folder = tempfile::tempdir().expect("a folder");
    let spy = Command::new(env!("CARGO_BIN_EXE_p5-spy"))
        .args(["record", "-s", "-r", "100", "-d", &seconds, "--pid"])
        .arg(family.0.id().to_string())
        .arg("-o")
        .arg(folder.path().join("out.folded"))
        .args(options)
        .stderr(Stdio::null())
        .spawn()
        .expect("p5-spy starts");
    std::thread::sleep(Duration::from_secs(START));
    let start = cpu_of_all(spy.id());
    let rest = seconds.parse::<f64>().expect("a number") - START as f64;
    Took {
        start,
        share: (cpu_of(&spy) - start) / rest,
    }
}

fn main() -> ExitCode {
    let mut broken = false;
    let cases: [(usize, &str, &[&str], Option<f64>); 3] = [
        (200, "waiting", &[], Some(0.01)),
        (200, "waiting", &["--idle"], None),
        (50, "busy", &[], Some(0.10)),
    ];
    for (workers, kind, options, bar) in cases {
        let Took { start, share } = record(workers, kind, options);
        let verdict = match bar {
            Some(bar) if share > bar => {
                broken = true;
                format!(", above the bar of {:.0} %", bar * 100.0)
            }
            _ => String::new(),
        };
        println!(
            "{workers} {kind} {:8} {:6.2} % of a CPU after {:3.0} ms to attach{verdict}",
            options.join(" "),
            share * 100.0,
            start * 1000.0,
        );
    }
    ExitCode::from(u8::from(broken))
}
