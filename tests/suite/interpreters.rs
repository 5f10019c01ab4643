//! Threads that run several interpreters, one after the other: whatever runs is shown, and nothing
//! of one interpreter in the stack of another.

use crate::loudly;
use crate::make;
use crate::support;

use loudly::loudly;
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Mutex;
use support::{Running, Target, file, folder, run, spy, stacks, text, wait_for};

/// The program of this name in tests/interpreters; `None` where it cannot be made.
fn made(name: &'static str) -> Option<PathBuf> {
    static MADE: Mutex<BTreeMap<&str, Option<PathBuf>>> = Mutex::new(BTreeMap::new());
    let mut all = MADE.lock().unwrap();
    let made = all.entry(name).or_insert_with(|| {
        let program = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
        let sources = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/interpreters");
        let source = sources.join(format!("{name}.c"));
        make::make(support::PERL, &source, &program).then_some(program)
    });
    let made = made.clone();
    if made.is_none() {
        loudly!("SKIPPED several interpreters in a process: needs cc and libperl-dev");
    }
    made
}

/// The pool as most programs are built: with variables of perl's library that the program has copies of.
fn made_with_copies(folder: &Path) -> Option<PathBuf> {
    let program = folder.join("copies");
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/interpreters/pool.c");
    let words = ["-DOWN_COPIES", "-fPIE", "-pie"];
    let made = make::make_by(support::PERL, &source, &program, &words);
    if !made {
        loudly!("SKIPPED a program with copies of perl's variables: needs cc and libperl-dev");
    }
    made.then_some(program)
}

/// A script with subs `tick` and `work`, and one of its own.
fn script(place: &Path, name: &str) -> PathBuf {
    let script = format!(
        "sub work_{name} {{ my $x; $x += $_ for 1 .. 100_000 }}\n\
         sub work {{ work_{name}() }} sub tick {{ work() }} 1;"
    );
    file(place, &format!("{name}.pl"), &script)
}

/// A pool with two scripts.
fn started(place: &Path, threads: &str) -> Option<Target> {
    let program = made("pool")?;
    let mut command = Command::new(program);
    command.arg(threads);
    command.args(["a", "b"].map(|name| script(place, name)));
    Some(Target::of_command(command))
}

/// How many samples each script has. None of their stacks has anything of the other.
fn shares(collapsed: &str) -> BTreeMap<char, u64> {
    let mut shares = BTreeMap::new();
    for (frames, count) in stacks(collapsed) {
        let of = |name: char| {
            let own = [format!("{name}.pl"), format!("work_{name}")];
            let has = |frame: &String| own.iter().any(|own| frame.contains(own.as_str()));
            frames.iter().any(has)
        };
        assert!(!(of('a') && of('b')), "{frames:?}");
        for name in ['a', 'b'].into_iter().filter(|name| of(*name)) {
            *shares.entry(name).or_insert(0) += count;
        }
    }
    shares
}

fn are_even(shares: &BTreeMap<char, u64>) {
    let of = |name| shares.get(&name).copied().unwrap_or(0);
    let (a, b) = (of('a'), of('b'));
    assert!(a + b >= 100, "{shares:?}");
    let part = a as f64 / (a + b) as f64;
    assert!((0.3..0.7).contains(&part), "{shares:?}");
}

fn record(pid: i32, words: &[&str], to: &Path) {
    let pid = pid.to_string();
    let always = ["record", "--no-config", "--pid", &pid, "-o", text(to)];
    run(&[&always[..], words].concat()).expect(0, "");
}

#[test]
fn a_thread_that_changes_its_interpreter_shows_the_one_that_runs() {
    let place = folder();
    let Some(target) = started(place.path(), "0") else {
        return;
    };
    let to = place.path().join("x.folded");
    record(target.pid(), &["-d", "3", "-r", "400"], &to);
    are_even(&shares(&std::fs::read_to_string(to).unwrap()));
}

#[test]
fn a_program_has_its_own_copies_of_perls_variables() {
    let place = folder();
    let Some(program) = made_with_copies(place.path()) else {
        return;
    };
    let mut command = Command::new(program);
    command.arg("0");
    command.args(["a", "b"].map(|name| script(place.path(), name)));
    let target = Target::of_command(command);
    let to = place.path().join("x.folded");
    record(target.pid(), &["-d", "3", "-r", "400"], &to);
    are_even(&shares(&std::fs::read_to_string(to).unwrap()));
    let listed: Value = serde_json::from_str(&run(&["ps", "--json"]).out).unwrap();
    let all = listed["processes"].as_array().unwrap();
    assert!(all.iter().any(|p| p["pid"] == target.pid()), "{listed}");
}

#[test]
fn equal_names_of_two_interpreters_can_be_told_apart() {
    let place = folder();
    let Some(target) = started(place.path(), "0") else {
        return;
    };
    let (raw, to) = (place.path().join("x.p5spy"), place.path().join("x.folded"));
    record(target.pid(), &["-d", "3", "-r", "400"], &raw);
    run(&["report", text(&raw), "-t", "-o", text(&to)]).expect(0, "");
    let collapsed = std::fs::read_to_string(to).unwrap();
    are_even(&shares(&collapsed));
    for (frames, _) in stacks(&collapsed) {
        let is_second = frames.iter().any(|f| f.contains("b.pl"));
        let of = frames.first().unwrap();
        assert_eq!(of.ends_with(", interpreter 2"), is_second, "{frames:?}");
    }
}

#[test]
fn threads_share_interpreters_and_some_have_none_at_first() {
    let place = folder();
    let Some(mut target) = started(place.path(), "3") else {
        return;
    };
    assert_eq!(target.line(), "waiting");
    let to = place.path().join("x.folded");
    let pid = target.pid().to_string();
    let mut command = support::spy();
    command.args([
        "record",
        "--no-config",
        "--pid",
        &pid,
        "-d",
        "5",
        "-r",
        "400",
        "-t",
        "-o",
        text(&to),
    ]);
    let mut recording = Running::start(command);
    // From here on it knows the threads that there are.
    recording.samples();
    target.write(b"go\n");
    recording.finish().expect(0, "");
    let collapsed = std::fs::read_to_string(to).unwrap();
    are_even(&shares(&collapsed));
    let workers: std::collections::BTreeSet<String> = stacks(&collapsed)
        .into_iter()
        .filter_map(|(frames, _)| frames.first()?.split(',').next().map(str::to_owned))
        .collect();
    assert!(workers.len() >= 3, "{workers:?}");
}

#[test]
fn an_interpreter_that_no_thread_runs_is_listed_as_such() {
    let place = folder();
    let Some(mut target) = started(place.path(), "1") else {
        return;
    };
    assert_eq!(target.line(), "waiting");
    let pid = target.pid().to_string();
    let dump = run(&["dump", "--no-config", "--json", "--pid", &pid]);
    let dump: Value = serde_json::from_str(&dump.out).unwrap();
    let others = dump["interpreters"].as_array().unwrap();
    assert_eq!(others.len(), 1, "{dump:#}");
    assert!(
        others[0]["frames"][0]["file"]
            .as_str()
            .unwrap()
            .ends_with("a.pl")
    );
    let text = run(&["dump", "--no-config", "--pid", &pid]);
    text.expect(0, "");
    assert!(
        text.out.contains("which no thread runs now\n    (main) ("),
        "{}",
        text.out
    );
}

/// perl_clone lets the thread's key point at what it makes, and `join` at what it takes down.
#[test]
fn whoever_makes_or_joins_a_thread_is_shown_meanwhile() {
    let script = "use threads; my %data = map { $_ => [1 .. 5] } 1 .. 20_000;
        sub start { threads->create(sub { 1 })->join } print \"ready\\n\"; start() while 1;";
    let target = Target::start(script);
    let place = folder();
    let to = place.path().join("x.folded");
    record(target.pid(), &["-d", "4", "-r", "200"], &to);
    let (mut made, mut all) = (0, 0);
    for (frames, count) in stacks(&std::fs::read_to_string(to).unwrap()) {
        all += count;
        let calls = ["threads::create", "threads::join", "main::start"];
        let is_call = |f: &String| calls.iter().any(|call| f.starts_with(call));
        made += count * u64::from(frames.iter().any(is_call));
    }
    // Whoever else wants a CPU leaves it fewer.
    assert!(all >= 20 && made * 10 >= all * 9, "{made} of {all}");
}

/// tests/interpreters/reload.c.
struct Server(Target);

impl Server {
    fn start() -> Option<Self> {
        Some(Server(Target::of_command(Command::new(made("reload")?))))
    }

    fn pid(&self) -> String {
        self.0.pid().to_string()
    }

    /// Does something, and answers.
    fn does(&mut self, what: &str) -> String {
        self.0.write(format!("{what}\n").as_bytes());
        self.0.line()
    }

    fn reads(&mut self, script: &Path) {
        self.does(&format!("new {}", text(script)));
    }

    fn dumped(&self, words: &[&str]) -> Value {
        let pid = self.pid();
        let always = ["dump", "--no-config", "--json", "--pid", &pid];
        let dump = run(&[&always[..], words].concat());
        dump.expect(0, "");
        serde_json::from_str(&dump.out).unwrap()
    }

    /// What `ps` says stands in the way.
    fn obstacle(&self) -> Value {
        let list = run(&["ps", "--json"]);
        let list: Value = serde_json::from_str(&list.out).unwrap();
        let rows = list["processes"].as_array().unwrap();
        let own = rows.iter().find(|row| row["pid"] == self.0.pid());
        own.unwrap_or_else(|| panic!("{list:#}"))["obstacle"].clone()
    }
}

/// The file in which an interpreter is outermost.
fn file_of(one: &Value) -> &str {
    let frames = one["frames"].as_array().unwrap();
    frames.last().unwrap()["file"].as_str().unwrap()
}

#[test]
fn a_server_that_gave_up_its_first_interpreter_has_another() {
    let place = folder();
    let Some(mut server) = Server::start() else {
        return;
    };
    server.reads(&script(place.path(), "a"));
    server.reads(&script(place.path(), "b"));
    let dump = server.dumped(&[]);
    assert_eq!(dump["threads"], serde_json::json!([]), "{dump:#}");
    let others = dump["interpreters"].as_array().unwrap();
    assert_eq!(others.len(), 1, "{dump:#}");
    assert!(file_of(&others[0]).ends_with("b.pl"), "{dump:#}");
    assert_eq!(server.obstacle(), Value::Null);
    let said = run(&["dump", "--no-config", "--pid", &server.pid()]);
    said.expect(0, "");
    assert!(
        said.out
            .contains("An interpreter, which no thread runs now")
    );
    let worker: i32 = server.does("fork").parse().unwrap();
    let dumps = server.dumped(&["-s"]);
    let of_worker = dumps
        .as_array()
        .unwrap()
        .iter()
        .find(|d| d["pid"] == worker);
    let threads = of_worker.unwrap()["threads"].as_array().unwrap();
    assert!(file_of(&threads[0]).ends_with("b.pl"), "{dumps:#}");
}

#[test]
fn a_server_that_gave_up_its_interpreter_has_none() {
    let place = folder();
    let Some(mut server) = Server::start() else {
        return;
    };
    server.reads(&script(place.path(), "a"));
    server.does("none");
    // For a while it might be one that starts.
    wait_for("the truth", || {
        let dump = run(&["dump", "--no-config", "--pid", &server.pid()]);
        let is_said = dump.err.contains("has no interpreter now");
        assert!(
            is_said || dump.err.contains("is still starting"),
            "{dump:?}"
        );
        assert_ne!(dump.code(), 0);
        is_said.then_some(())
    });
    assert_eq!(server.obstacle(), "no interpreter now");
    server.reads(&script(place.path(), "b"));
    let dump = server.dumped(&[]);
    assert!(file_of(&dump["threads"][0]).ends_with("b.pl"), "{dump:#}");
}

#[test]
fn a_recording_outlives_the_first_interpreter() {
    let place = folder();
    let Some(mut server) = Server::start() else {
        return;
    };
    let (a, b) = (script(place.path(), "a"), script(place.path(), "b"));
    server.reads(&a);
    let to = place.path().join("x.folded");
    let stats = place.path().join("x.json");
    let mut command = spy();
    command.args(["record", "--no-config", "-s", "-t", "-r", "400"]);
    command.args([
        "--pid",
        &server.pid(),
        "-o",
        text(&to),
        "--stats",
        text(&stats),
    ]);
    let mut recording = Running::start(command);
    recording.samples();
    server.reads(&b);
    let worker = server.does("fork");
    recording.samples();
    // Nobody ran it before, and the recording is told of nothing.
    server.does("run");
    let mut collapsed = String::new();
    wait_for("samples of both", || {
        recording.signal(libc::SIGUSR1);
        std::thread::sleep(std::time::Duration::from_millis(100));
        collapsed = std::fs::read_to_string(&to).unwrap_or_default();
        let met = |pid: &str| {
            let is_met = |(frames, _): &(Vec<String>, u64)| {
                frames[0].contains(pid) && frames.iter().any(|f| f.contains("work_b"))
            };
            stacks(&collapsed).iter().any(is_met)
        };
        (met(&worker) && met(&server.pid())).then_some(())
    });
    recording.signal(libc::SIGINT);
    recording.finish().expect(0, "");
    let stats: Value = serde_json::from_str(&std::fs::read_to_string(stats).unwrap()).unwrap();
    assert_eq!(stats["errors"], serde_json::json!({}), "{stats:#}");
}
