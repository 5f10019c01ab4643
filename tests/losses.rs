//! No process is lost: each way in which programs start, become and leave others, among programs that
//! want every CPU. A few runs of each; `P5SPY_TEST_RUNS=100 cargo test --test losses` is the proof
//! (`tests/slow`).

mod support;

use serde_json::Value;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;
use std::time::Duration;
use support::{Finished, PERL, Running, Target, file, folder, is_gone, spy, wait_for};

/// Computes for a tenth of a second in a sub of its own; the time is the program's own CPU time.
const CHILD: &str = "sub spin { my $e = (times)[0] + 0.1; 1 while (times)[0] < $e }
    sub work { spin() } work(); 1;";

/// A tenth of a second of CPU time takes long where many want a CPU.
const LONG: Duration = Duration::from_secs(600);

/// How often each is tried.
fn runs() -> usize {
    let runs = std::env::var("P5SPY_TEST_RUNS").ok();
    runs.map_or(2, |runs| runs.parse().unwrap())
}

/// Every CPU has something else to do, for as long as these tests run.
fn burn() {
    static BURNERS: OnceLock<Vec<std::process::Child>> = OnceLock::new();
    BURNERS.get_or_init(|| {
        let cpus = std::thread::available_parallelism().map_or(1, usize::from);
        let burner = |_| {
            let mut burner = Command::new(PERL);
            burner.args(["-e", "1 while getppid == $ARGV[0]"]);
            burner.arg(std::process::id().to_string());
            burner.stdin(Stdio::null()).spawn().unwrap()
        };
        (0..cpus).map(burner).collect()
    });
}

/// A folder with `child.pl` and what else is needed.
struct Place(tempfile::TempDir);

impl Place {
    fn new(files: &[(&str, &str)]) -> Self {
        burn();
        let place = Place(folder());
        for (name, content) in files.iter().chain(&[("child.pl", CHILD)]) {
            file(place.path(), name, content);
        }
        place
    }

    fn path(&self) -> &Path {
        self.0.path()
    }

    fn in_it(&self, name: &str) -> PathBuf {
        self.path().join(name)
    }

    fn command(&self, words: &[&str]) -> Command {
        let mut command = spy();
        command.current_dir(self.path());
        command.args(["record", "--no-debug-info", "-r", "400", "-o", "x.folded"]);
        command.args(["--stats", "x.json"]).args(words);
        command
    }

    /// Records; nothing of it may be unreadable.
    fn recorded(&self, words: &[&str]) -> Recorded {
        self.read(Running::start(self.command(words)).finish_within(LONG))
    }

    fn read(&self, finished: Finished) -> Recorded {
        let read = |name: &str| std::fs::read_to_string(self.in_it(name)).unwrap_or_default();
        let stats: Value = serde_json::from_str(&read("x.json")).unwrap_or_default();
        let recorded = Recorded {
            finished,
            stacks: support::stacks(&read("x.folded")),
            stats,
        };
        assert_eq!(
            recorded.stats["errors"],
            serde_json::json!({}),
            "{recorded:?}"
        );
        recorded
    }
}

#[derive(Debug)]
struct Recorded {
    finished: Finished,
    stacks: Vec<(Vec<String>, u64)>,
    stats: Value,
}

impl Recorded {
    /// With `--threads`: how many processes were met in this sub.
    fn processes(&self, sub: &str) -> usize {
        let mut met = BTreeSet::new();
        for (frames, _) in &self.stacks {
            if frames.iter().any(|f| f.starts_with(&format!("{sub} "))) {
                met.insert(&frames[0]);
            }
        }
        met.len()
    }

    #[track_caller]
    fn expect(&self, sub: &str, processes: usize) -> &Self {
        assert_eq!(self.finished.code(), 0, "{self:?}");
        assert_eq!(self.processes(sub), processes, "{sub} in {self:?}");
        self
    }
}

#[test]
fn eight_times_env_perl() {
    let line = "for i in 1 2 3 4 5 6 7 8; do env perl child.pl; done";
    let place = Place::new(&[("envspawn.sh", line)]);
    for _ in 0..runs() {
        let recorded = place.recorded(&["-s", "-t", "--", "sh", "envspawn.sh"]);
        recorded.expect("main::work", 8);
    }
}

#[test]
fn tests_that_a_harness_runs() {
    let test = format!("print qq(1..1\\nok 1\\n); {CHILD}");
    let names = ["a.t", "b.t", "c.t", "d.t"];
    let place = Place::new(&names.map(|name| (name, test.as_str())));
    for _ in 0..runs() {
        let words = ["-s", "-t", "--", PERL, "/usr/bin/prove", "-j2"];
        let recorded = place.recorded(&[&words[..], &names].concat());
        recorded.expect("main::work", 4);
    }
}

#[test]
fn perls_that_a_perl_starts() {
    let script = r#"system($^X, "child.pl") for 1 .. 4; system("$^X child.pl; true");
        fork or exec $^X, "child.pl"; wait"#;
    let place = Place::new(&[]);
    for _ in 0..runs() {
        let recorded = place.recorded(&["-s", "-t", "--", PERL, "-e", script]);
        recorded.expect("main::work", 6);
    }
}

#[test]
fn a_perl_that_becomes_another_and_another() {
    let script = r#"sub early { my $e = (times)[0] + 0.1; 1 while (times)[0] < $e } early();
        exec 'env', $^X, 'child.pl'"#;
    let place = Place::new(&[("first.pl", script)]);
    for _ in 0..runs() {
        for followed in [&["-s"][..], &[]] {
            let words = [followed, &["-t", "--", PERL, "first.pl"]].concat();
            let recorded = place.recorded(&words);
            recorded.expect("main::early", 1).expect("main::work", 1);
        }
    }
}

#[test]
fn an_exec_while_we_attach() {
    let again = format!("BEGIN {{ $ENV{{AGAIN}}++ or exec $^X, $0 }} {CHILD}");
    let place = Place::new(&[("again.pl", &again)]);
    for _ in 0..runs() {
        let recorded = place.recorded(&["-t", "--", PERL, "again.pl"]);
        recorded.expect("main::work", 1);
    }
}

#[test]
fn what_is_over_too_soon_is_said() {
    let place = Place::new(&[]);
    for _ in 0..runs() {
        let finished = Running::start(place.command(&["-s", "--", PERL, "-e", "1"]));
        let finished = finished.finish_within(LONG);
        let (said, stats) = (&finished.err, place.in_it("x.json"));
        let stats: Value = std::fs::read_to_string(stats)
            .map_or(Value::Null, |text| serde_json::from_str(&text).unwrap());
        let explained = said.contains("No sample was due") || said.contains("nothing was sampled");
        assert!(stats["attempted"] != 0 || explained, "{finished:?}");
    }
}

/// Forks twice, becomes the head of a session, and goes on for a while after that.
const DAEMON: &str = r#"use POSIX (); fork and exit; POSIX::setsid(); fork and exit;
    open STDIN, '<', '/dev/null'; open STDOUT, '>', '/dev/null'; open STDERR, '>', '/dev/null';
    select undef, undef, undef, 0.4; require './child.pl';
    open my $pid, '>', 'pid.tmp'; print $pid $$; close $pid; rename 'pid.tmp', 'pid';
    if (@ARGV) { $SIG{TERM} = 'IGNORE' if $ARGV[0]; work() while 1 }"#;

#[test]
fn a_daemon_is_followed_to_its_end() {
    let place = Place::new(&[("daemon.pl", DAEMON)]);
    for _ in 0..runs() {
        let recorded = place.recorded(&["-s", "-t", "--", PERL, "daemon.pl"]);
        recorded.expect("main::work", 1);
        std::fs::remove_file(place.in_it("pid")).unwrap();
    }
}

#[test]
fn a_daemon_ends_with_us() {
    let place = Place::new(&[("daemon.pl", DAEMON)]);
    // That it insists costs three seconds each time.
    for turn in 0..runs() {
        let insists = if turn == 1 { "1" } else { "0" };
        for followed in [&["-s"][..], &[]] {
            let words = ["-d", "600", "--", PERL, "-e"];
            let script = format!("system $^X, 'daemon.pl', {insists}; sleep 600");
            let words = [followed, &words, &[&script]].concat();
            let mut running = Running::start(place.command(&words));
            let pid = wait_for("the daemon", || {
                std::fs::read_to_string(place.in_it("pid")).ok()
            });
            running.samples();
            running.signal(libc::SIGTERM);
            running.finish_within(LONG);
            let pid: i32 = pid.parse().unwrap();
            assert!(support::state(pid).is_none(), "{pid} is still there");
            std::fs::remove_file(place.in_it("pid")).unwrap();
        }
    }
}

#[test]
fn what_a_program_leaves_behind_goes_on_without_us() {
    let place = Place::new(&[]);
    let script = "if (!fork) { exec 'sleep', '600' } require './child.pl'; ";
    let recorded = place.recorded(&["-s", "-t", "--", PERL, "-e", script]);
    recorded.expect("main::work", 1);
    let left = support::processes_with("600");
    let here = |pid: &i32| {
        std::fs::read_link(format!("/proc/{pid}/cwd")).is_ok_and(|cwd| cwd == place.path())
    };
    let left: Vec<i32> = left.into_iter().filter(here).collect();
    assert_eq!(left.len(), 1, "{recorded:?}");
    support::kill(left[0], libc::SIGKILL);
    is_gone(left[0]);
}

#[test]
fn a_shell_that_will_start_perls_is_a_target() {
    let place = Place::new(&[]);
    for _ in 0..runs() {
        let mut shell = Command::new("sh");
        let line = "echo ready; read x; perl child.pl; env perl child.pl";
        shell.current_dir(place.path()).args(["-c", line]);
        let mut shell = Target::of_command(shell);
        let pid = shell.pid().to_string();
        let mut running = Running::start(place.command(&["-s", "-t", "--pid", &pid]));
        running.samples();
        shell.write(b"\n");
        // Nobody waits for it before it is over.
        support::is_gone(shell.pid());
        place
            .read(running.finish_within(LONG))
            .expect("main::work", 2);
    }
}

#[test]
fn a_shell_is_dumped_with_the_perls_below() {
    burn();
    let script = "sub waits { print qq(ready\\n); <STDIN> } $| = 1; waits()";
    let mut shell = Command::new("sh");
    shell.args(["-c", &format!("perl -e '{script}'; exit 3")]);
    let shell = Target::of_command(shell);
    let pid = shell.pid().to_string();
    let dumped = support::run(&["dump", "-s", "--pid", &pid]);
    dumped.expect(0, "");
    assert!(dumped.out.contains("main::waits"), "{dumped:?}");
    let dumped = support::run(&["dump", "-s", "--json", "--pid", &pid]);
    let list: Value = serde_json::from_str(&dumped.out).unwrap();
    assert_eq!(list.as_array().unwrap().len(), 1, "{dumped:?}");
    support::run(&["dump", "--pid", &pid]).expect(1, "is not perl");
    let lonely = Running::start({
        let mut sleep = Command::new("sleep");
        sleep.arg("600");
        sleep
    });
    let pid = lonely.pid().to_string();
    support::run(&["dump", "-s", "--pid", &pid]).expect(1, "no perl that can be read runs in");
    let recorded = support::run(&[
        "record",
        "-s",
        "-d",
        "0.2",
        "-f",
        "collapsed",
        "-o",
        "/dev/null",
        "--pid",
        &pid,
    ]);
    recorded.expect(
        1,
        &format!("no perl was found in process {pid}, nor below it"),
    );
}

#[test]
fn those_below_a_match_need_not_match() {
    burn();
    let script = r#"$| = 1; my @all = map { fork // die or do {
            $0 = "something else"; 1 while getppid == $ARGV[1]; exit } } 1 .. 3;
        print "ready\n"; sleep 600"#;
    let mark = "losses-of-those-below";
    let script = script.replace("$ARGV[1]", "$parent");
    let script = format!("my $parent = $$; {script}");
    let target = Target::with_words(&["-e", &script, mark]);
    let dumped = support::run(&["dump", "--json", "--name", mark]);
    let list: Value = serde_json::from_str(&dumped.out).unwrap();
    assert_eq!(list.as_array().unwrap().len(), 4, "{dumped:?}");
    drop(target);
}

const WORKERS: usize = 300;

/// How many processes are met in a recording by somebody who may open few files.
fn met_with_few_files(place: &Path, pid: i32) -> (usize, Finished) {
    let mut command = Command::new("sh");
    command.args(["-c", r#"ulimit -n 64; exec "$@""#, "sh"]);
    command.args(other_user());
    let (stacks, stats) = (place.join("x.folded"), place.join("x.json"));
    command.arg(env!("CARGO_BIN_EXE_p5-spy"));
    command.args(["record", "--no-config", "--no-cache", "--no-debug-info"]);
    command.args(["-s", "-t", "--idle", "-d", "3", "-r", "50"]);
    command.args(["--pid", &pid.to_string(), "-o"]);
    command.args([stacks.as_os_str(), "--stats".as_ref(), stats.as_os_str()]);
    command.env("HOME", "/nonexistent");
    let finished = Running::start(command).finish_within(LONG);
    finished.expect(0, "");
    let mut met = BTreeSet::new();
    for (frames, _) in support::stacks(&std::fs::read_to_string(stacks).unwrap()) {
        met.insert(frames[0].clone());
    }
    (met.len(), finished)
}

#[test]
fn few_files_are_no_reason_to_lose_a_thread() {
    burn();
    let place = folder();
    let all = std::os::unix::fs::PermissionsExt::from_mode(0o777);
    std::fs::set_permissions(place.path(), all).unwrap();
    let script = r#"$| = 1; my $parent = $$; print "ready\n"; my $go = <STDIN>;
        for (1 .. $ARGV[0]) { fork // die or do { sub wait_on { select undef, undef, undef, 0.1 }
            wait_on() while getppid == $parent; exit } }
        sleep 3600"#;
    let mut target = Command::new("sh");
    target.args(["-c", r#"exec "$@""#, "sh"]).args(other_user());
    target.args([PERL, "-e", script, &WORKERS.to_string()]);
    let mut target = Target::of_command(target);
    target.write(b"\n");
    wait_for("the workers", || {
        (support::children(target.pid()).len() == WORKERS).then_some(())
    });
    for _ in 0..runs() {
        let (met, finished) = met_with_few_files(place.path(), target.pid());
        assert_eq!(met, WORKERS + 1, "{finished:?}");
    }
}

/// The words by which root runs a command as who is neither root nor anybody: root may raise every limit.
fn other_user() -> &'static [&'static str] {
    // SAFETY: geteuid has no preconditions.
    let is_root = unsafe { libc::geteuid() } == 0;
    if is_root { &OTHER_USER } else { &[] }
}

const OTHER_USER: [&str; 6] = [
    "setpriv",
    "--reuid=65534",
    "--regid=65534",
    "--clear-groups",
    "--inh-caps=-all",
    "--bounding-set=-all",
];
