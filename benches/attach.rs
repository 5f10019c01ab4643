//! How long `p5-spy dump` takes as a whole process, as a multiple of starting `/bin/true`: by a
//! table, from the cache, and from debug information that is parsed anew; and for comparison
//! `p5-spy --version`, which looks at nothing. The two commands of a pair run in turn, so that
//! whatever else the machine does falls on both; the shortest of each tell most on a busy machine.
//!
//! `cargo bench --bench attach`, with P5SPY_TEST_PERL for another perl than /usr/bin/perl.

use std::io::Read;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

const PAIRS: usize = 60;
const PROGRAM: &str = "$| = 1; sub inner { print '.'; sleep 600 } sub outer { inner() } outer()";

fn time(command: &mut Command) -> Duration {
    let started = Instant::now();
    let done = command
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .expect("it runs");
    assert!(done.success(), "{command:?}");
    started.elapsed()
}

fn median(times: &mut [Duration]) -> Duration {
    times.sort_unstable();
    times.get(times.len() / 2).copied().unwrap_or_default()
}

/// Runs pairs of a command and of `/bin/true`, and prints what they took.
fn compare(name: &str, mut ours: impl FnMut() -> Command) {
    // The first run fills the cache.
    time(&mut ours());
    let (mut long, mut short) = (Vec::new(), Vec::new());
    for _ in 0..PAIRS {
        long.push(time(&mut ours()));
        short.push(time(&mut Command::new("/bin/true")));
    }
    let (middle, of_true) = (median(&mut long), median(&mut short));
    let times = |a: Duration, b: Duration| a.as_secs_f64() / b.as_secs_f64();
    let least = times(long[0], short[0]);
    println!(
        "{name:24} {:7.2} ms, {:5.2} times /bin/true ({:.2} ms); the shortest {:7.2} ms, {least:5.2} times",
        middle.as_secs_f64() * 1e3,
        times(middle, of_true),
        of_true.as_secs_f64() * 1e3,
        long[0].as_secs_f64() * 1e3,
    );
}

struct Target(Child);

impl Target {
    fn start() -> Self {
        let perl = std::env::var_os("P5SPY_TEST_PERL").unwrap_or("/usr/bin/perl".into());
        let mut child = Command::new(perl)
            .args(["-e", PROGRAM])
            .stdout(Stdio::piped())
            .spawn()
            .expect("perl starts");
        let mut ready = [0];
        let out = child.stdout.as_mut().expect("a pipe");
        out.read_exact(&mut ready).expect("perl is at rest");
        Target(child)
    }
}

impl Drop for Target {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn main() {
    let target = Target::start();
    let pid = target.0.id().to_string();
    let cache = tempfile::tempdir().expect("a folder");
    let dump = |options: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_p5-spy"));
        command
            .env("XDG_CACHE_HOME", cache.path())
            .args(["dump", "--pid", &pid])
            .args(options);
        command
    };
    compare("--version", || {
        let mut command = Command::new(env!("CARGO_BIN_EXE_p5-spy"));
        command.arg("--version");
        command
    });
    let table = ["--no-debug-info", "--no-learn", "--no-cache"];
    compare("dump by a table", || dump(&table));
    compare("dump from the cache", || dump(&[]));
    compare("dump by DWARF, no cache", || dump(&["--no-cache"]));
}
