//! How long `p5-spy dump` takes as a whole process, as a multiple of starting `/bin/true`: by a
//! table, from the cache, from debug information that is parsed anew, and of a perl without symbols;
//! and for comparison `p5-spy --version`, which looks at nothing. The two commands of a pair run in turn, so that
//! whatever else the machine does falls on both; the shortest of each tell most on a busy machine.
//!
//! `cargo bench --bench attach`, with P5SPY_TEST_PERL for another perl than /usr/bin/perl.

#[path = "../tests/support/hidden.rs"]
mod hidden;

use std::ffi::OsStr;
use std::io::Read;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

const PAIRS: usize = 60;
const RESTS: &str = "$| = 1; sub inner { print '.'; sleep 600 } sub outer { inner() } outer()";
const RUNS: &str =
    "$| = 1; print '.'; sub inner { my $n = shift; inner($n - 1) if $n } inner(9) while 1";

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
    fn start(perl: &OsStr, program: &str) -> Self {
        let mut child = Command::new(perl)
            .args(["-e", program])
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

/// A copy of perl without symbols; `None` for one that cannot be copied alone.
fn without_symbols(perl: &OsStr, folder: &std::path::Path) -> Option<PathBuf> {
    let copy = folder.join("perl");
    std::fs::copy(perl, &copy).ok()?;
    let has_names = std::fs::read(&copy).is_ok_and(|bytes| {
        use object::{Object, ObjectSection};
        let file = object::File::parse(&*bytes).ok();
        let names = file.and_then(|f| {
            f.section_by_name(".dynstr")?
                .data()
                .ok()
                .map(<[u8]>::to_vec)
        });
        names.is_some_and(|names| memchr::memmem::find(&names, b"PL_op_name").is_some())
    });
    if !has_names {
        return None;
    }
    hidden::hide_symbols(&copy);
    Some(copy)
}

fn main() {
    let perl = std::env::var_os("P5SPY_TEST_PERL").unwrap_or("/usr/bin/perl".into());
    let folder = tempfile::tempdir().expect("a folder");
    let dump = |target: &Target, options: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_p5-spy"));
        command
            .env("XDG_CACHE_HOME", folder.path())
            .args(["dump", "--pid", &target.0.id().to_string()])
            .args(options);
        command
    };
    compare("--version", || {
        let mut command = Command::new(env!("CARGO_BIN_EXE_p5-spy"));
        command.arg("--version");
        command
    });
    let table = ["--no-debug-info", "--no-learn", "--no-cache"];
    let target = Target::start(&perl, RESTS);
    compare("dump by a table", || dump(&target, &table));
    compare("dump from the cache", || dump(&target, &[]));
    compare("dump by DWARF, no cache", || dump(&target, &["--no-cache"]));
    let Some(hidden) = without_symbols(&perl, folder.path()) else {
        println!(
            "without symbols          not measured: this perl has none, or has them in a library"
        );
        return;
    };
    for (name, program) in [
        ("no symbols, at rest", RESTS),
        ("no symbols, running", RUNS),
    ] {
        let target = Target::start(hidden.as_os_str(), program);
        compare(name, || dump(&target, &table));
    }
}
