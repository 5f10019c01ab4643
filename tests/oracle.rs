//! The live oracle: what p5-spy reads from outside must be what perl's own `caller` says inside.
//!
//! Each program of tests/programs/ comes to points it knows, prints its frames there (Oracle.pm)
//! and waits on a pipe; meanwhile `p5-spy dump` looks at it. Every program is looked at twice, with
//! debug information and with the built-in layout table alone; and so is a core file of it (gcore).
//!
//! The perl is /usr/bin/perl, or the one that the variable `P5SPY_TEST_PERL` names. A program says
//! in comments what it needs (`# needs perl 5.26`, `# needs threads`, `# needs module List::Util`)
//! and how often it stops (`# stops: 3`).

mod loudly;
mod support;

use loudly::loudly;
use serde_json::Value;
use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::OnceLock;
use std::time::Duration;

/// One frame, as both sides describe it.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Frame {
    name: String,
    file: String,
    line: u64,
    kind: String,
    detail: String,
}

/// One thread at a stop. The tid is `None` where the program has no threads.
#[derive(Debug, Clone)]
struct Thread {
    tid: Option<u64>,
    frames: Vec<Frame>,
}

/// What the perl under test is.
#[derive(Debug)]
struct Perl {
    path: PathBuf,
    /// As `$]` has it, times a million: 5036000.
    version: u64,
    threads: bool,
}

impl Perl {
    fn get() -> &'static Perl {
        static PERL: OnceLock<Perl> = OnceLock::new();
        PERL.get_or_init(|| {
            let path = std::env::var_os("P5SPY_TEST_PERL")
                .map_or_else(|| "/usr/bin/perl".into(), PathBuf::from);
            let script = "use Config; printf '%d %s', $] * 1e6 + 0.5, $Config{useithreads} ? 1 : 0";
            let output = Command::new(&path).args(["-e", script]).output();
            let output = output.unwrap_or_else(|e| panic!("cannot start {}: {e}", path.display()));
            let text = String::from_utf8(output.stdout).unwrap();
            let (version, threads) = text
                .split_once(' ')
                .expect("a version and whether there are threads");
            Perl {
                path,
                version: version.parse().unwrap(),
                threads: threads == "1",
            }
        })
    }

    fn has_module(&self, module: &str) -> bool {
        let status = Command::new(&self.path)
            .arg(format!("-M{module}"))
            .args(["-e", "1"])
            .stderr(Stdio::null())
            .status();
        status.is_ok_and(|s| s.success())
    }
}

/// What a program's comments say.
#[derive(Debug, Default)]
struct Header {
    version: u64,
    threads: bool,
    modules: Vec<String>,
    stops: usize,
}

impl Header {
    fn read(path: &Path) -> Header {
        let mut header = Header::default();
        for line in fs::read_to_string(path).unwrap().lines() {
            let Some(comment) = line.strip_prefix("# ") else {
                continue;
            };
            if let Some(version) = comment.strip_prefix("needs perl 5.") {
                let (series, subversion) = version.split_once('.').unwrap_or((version, "0"));
                let number = |text: &str| text.parse::<u64>().unwrap();
                header.version = 5_000_000 + number(series) * 1000 + number(subversion);
            } else if let Some(module) = comment.strip_prefix("needs module ") {
                header.modules.push(module.to_owned());
            } else if let Some(stops) = comment.strip_prefix("stops: ") {
                header.stops = stops.parse().unwrap();
            } else if comment == "needs threads" {
                header.threads = true;
            }
        }
        assert!(
            header.stops > 0,
            "{} does not say how often it stops",
            path.display()
        );
        header
    }

    /// Why the program is not for this perl.
    fn is_for_others(&self, perl: &Perl) -> Option<String> {
        if perl.version < self.version {
            let (series, subversion) = (self.version / 1000 % 1000, self.version % 1000);
            return Some(format!("it needs perl 5.{series}.{subversion}"));
        }
        (self.threads && !perl.threads).then(|| "this perl has no threads".into())
    }

    /// What this perl lacks.
    fn missing(&self, perl: &Perl) -> Option<String> {
        let module = self
            .modules
            .iter()
            .find(|module| !perl.has_module(module))?;
        Some(format!("this perl has no {module}"))
    }
}

/// Where p5-spy gets the layout from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Layout {
    DebugInfo,
    Table,
    Learned,
}

impl Layout {
    fn options(self) -> Vec<&'static str> {
        static EMPTY: OnceLock<tempfile::TempDir> = OnceLock::new();
        let empty = EMPTY.get_or_init(|| tempfile::tempdir().unwrap()).path();
        match self {
            Layout::DebugInfo => vec!["--no-learn", "--no-cache"],
            Layout::Table => vec!["--no-learn", "--no-cache", "--no-debug-info"],
            // An emulated p5-spy cannot confine a perl that it runs for a process: it learns from
            // one that is named.
            Layout::Learned if support::other_spy().is_some() => {
                vec![
                    "--no-debug-info",
                    "--no-learn",
                    "--no-cache",
                    "--layouts",
                    learned_folder(),
                ]
            }
            // Learned once, and from then on in the cache of this run.
            Layout::Learned => vec!["--no-debug-info", "--layouts", empty.to_str().unwrap()],
        }
    }
}

/// A folder with what `layout-learn` says of the perl.
fn learned_folder() -> &'static str {
    static FOLDER: OnceLock<tempfile::TempDir> = OnceLock::new();
    let folder = FOLDER.get_or_init(|| {
        let folder = tempfile::tempdir().unwrap();
        let mut command = support::spy();
        command.arg("layout-learn").arg(&Perl::get().path);
        let done = command
            .arg("-o")
            .arg(folder.path().join("perl.toml"))
            .status();
        assert!(done.unwrap().success());
        folder
    });
    folder.path().to_str().unwrap()
}

/// A program that runs; it ends with this value, whatever happens.
struct Running {
    child: Child,
    stdin: Option<ChildStdin>,
    lines: std::io::Split<BufReader<std::process::ChildStdout>>,
}

impl Drop for Running {
    fn drop(&mut self) {
        drop(self.stdin.take());
        // Harmless when it has ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The label of a stop and what `caller` said there.
type Stop = (String, Vec<Thread>);

impl Running {
    fn start(perl: &Perl, program: &str) -> Running {
        let mut child = Command::new(&perl.path)
            .args(["-Ilib", &format!("{program}.pl")])
            .current_dir(programs())
            .env("PERL_HASH_SEED", "0")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let stdin = child.stdin.take();
        let lines = BufReader::new(child.stdout.take().unwrap()).split(b'\n');
        Running {
            child,
            stdin,
            lines,
        }
    }

    /// Reads on to the next stop and waits until the program rests there; `None` at its end.
    fn next_stop(&mut self) -> Option<Stop> {
        let mut threads: Vec<Thread> = Vec::new();
        for line in self.lines.by_ref() {
            let line = String::from_utf8_lossy(&line.unwrap()).into_owned();
            let fields: Vec<&str> = line.split('\t').collect();
            match fields.as_slice() {
                ["stop", label] => {
                    self.wait_until_all_wait();
                    return Some(((*label).to_owned(), threads));
                }
                ["thread", tid] => threads.push(Thread {
                    tid: tid.parse().ok(),
                    frames: Vec::new(),
                }),
                ["frame", name, file, at, kind, detail] => {
                    let thread = threads.last_mut().expect("a thread before its frames");
                    // Some perls make control characters of wide names; they are shown escaped.
                    let shown = |text: &&str| p5_spy::text::from_utf8(text.as_bytes());
                    let [name, file, kind, detail] = [name, file, kind, detail].map(shown);
                    thread.frames.push(Frame {
                        name,
                        file,
                        line: at.parse().unwrap(),
                        kind,
                        detail,
                    });
                }
                _ => panic!("not a line of the oracle: {line}"),
            }
        }
        None
    }

    /// A program prints, and then waits: between the two it still runs. The pipe cannot tell when it
    /// has come to rest, the kernel can; where it is not asked, some time will do.
    #[cfg(not(target_os = "linux"))]
    fn wait_until_all_wait(&self) {
        std::thread::sleep(Duration::from_millis(500));
    }

    #[cfg(target_os = "linux")]
    fn wait_until_all_wait(&self) {
        const PATIENCE: Duration = Duration::from_secs(60);
        let started = std::time::Instant::now();
        let tasks = format!("/proc/{}/task", self.child.id());
        let waits = |task: &Path| {
            let stat = fs::read_to_string(task.join("stat")).unwrap_or_default();
            // A thread that ended meanwhile has no file left.
            stat.is_empty()
                || stat
                    .rsplit_once(") ")
                    .is_some_and(|(_, rest)| rest.starts_with('S'))
        };
        while !fs::read_dir(&tasks)
            .unwrap()
            .all(|task| waits(&task.unwrap().path()))
        {
            assert!(
                started.elapsed() < PATIENCE,
                "the program does not come to rest"
            );
            std::thread::yield_now();
        }
    }

    fn go_on(&mut self) {
        self.stdin.as_mut().unwrap().write_all(b"\n").unwrap();
    }

    fn end(mut self) {
        drop(self.stdin.take());
        let status = self.child.wait().unwrap();
        assert!(status.success(), "the program ended with {status}");
    }
}

fn programs() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/programs")
}

/// `p5-spy dump --json`; the message when it fails.
fn dump(pid: u32, layout: Layout) -> Result<Value, String> {
    let mut command = support::spy();
    command.args([
        "dump",
        "--json",
        "--synthetic",
        "all",
        "--pid",
        &pid.to_string(),
    ]);
    command.args(layout.options());
    if let (Layout::DebugInfo, Some(folder)) = (layout, std::env::var_os("P5SPY_TEST_DEBUG_DIR")) {
        command.arg("--debug-dir").arg(folder);
    }
    let output = command.output().unwrap();
    if !output.status.success() {
        let out = String::from_utf8_lossy(&output.stdout);
        return Err(format!("{}{out}", String::from_utf8_lossy(&output.stderr)));
    }
    Ok(serde_json::from_slice(&output.stdout).unwrap())
}

/// Writes a core file of a process; `None` where there is no gcore, or an emulator would be in it.
fn core_file(pid: u32, folder: &Path) -> Option<PathBuf> {
    let program = fs::read_link(format!("/proc/{pid}/exe")).ok()?;
    let is_emulated = program.to_string_lossy().contains("qemu");
    if is_emulated || support::other_spy().is_some() {
        return None;
    }
    let done = Command::new("gcore")
        .arg("-o")
        .arg(folder.join("core"))
        .arg(pid.to_string())
        .output();
    let done = done.ok()?;
    let file = folder.join(format!("core.{pid}"));
    assert!(file.exists(), "{}", String::from_utf8_lossy(&done.stderr));
    Some(file)
}

fn without_core(program: &str) {
    static SAID: std::sync::Once = std::sync::Once::new();
    if support::other_spy().is_none() && Command::new("gcore").output().is_err() {
        SAID.call_once(|| loudly!("SKIPPED core files of {program} and others: there is no gcore"));
    }
}

/// What differs in a core file of the stop, by each layout.
fn core_differences(core: &Path, stop: &Stop, version: u64) -> String {
    let (label, threads) = stop;
    let mut text = String::new();
    for layout in [Layout::DebugInfo, Layout::Table, Layout::Learned] {
        // Learning takes a process; what was learned of one is in the cache.
        let options: Vec<&str> = match layout {
            Layout::Learned => vec!["--layouts", learned_folder(), "--no-cache"],
            _ => layout.options(),
        };
        let mut command = support::spy();
        command.args(["dump", "--json", "--synthetic", "all", "--core"]);
        command.arg(core).args(options);
        if let (Layout::DebugInfo, Some(folder)) =
            (layout, std::env::var_os("P5SPY_TEST_DEBUG_DIR"))
        {
            command.arg("--debug-dir").arg(folder);
        }
        let output = command.output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        if !output.status.success() {
            // A live process was refused for the same reason, and that was said.
            if !said.contains("no layout") && !said.contains("without symbols") {
                let _ = writeln!(text, "  its core file, {layout:?}: {said}");
            }
            continue;
        }
        let json: Value = serde_json::from_slice(&output.stdout).unwrap();
        let different = compare(label, threads, &json, "dumped", version);
        if !different.is_empty() {
            let _ = write!(text, "  its core file, {layout:?}:\n{different}");
        }
    }
    text
}

/// The kinds of the frames that `caller` does not give.
const BEYOND_CALLER: [&str; 4] = ["xsub", "op", "syscall", "synthetic"];

fn spied(thread: &Value) -> Vec<Frame> {
    let text = |frame: &Value, key: &str| frame[key].as_str().unwrap_or_default().to_owned();
    let frames = thread["frames"].as_array().expect("frames");
    let frame = |frame: &Value| Frame {
        name: text(frame, "name"),
        file: text(frame, "file"),
        line: frame["line"].as_u64().expect("a line"),
        kind: text(frame, "kind"),
        detail: text(frame, "detail"),
    };
    let given =
        |frame: &&Value| !BEYOND_CALLER.contains(&frame["kind"].as_str().unwrap_or_default());
    frames.iter().filter(given).map(frame).collect()
}

/// What differs, with the frames on both sides of it; empty when nothing does.
fn difference(caller: &[Frame], spied: &[Frame]) -> String {
    let show = |frame: Option<&Frame>| {
        frame.map_or_else(
            || "nothing".to_owned(),
            |f| format!("{} ({}:{}) {} {}", f.name, f.file, f.line, f.kind, f.detail),
        )
    };
    let mut text = String::new();
    for index in 0..caller.len().max(spied.len()) {
        let (expected, got) = (caller.get(index), spied.get(index));
        if expected != got {
            let _ = writeln!(
                text,
                "    frame {index}: caller {}\n    {:>width$} p5-spy {}",
                show(expected),
                "",
                show(got),
                width = format!("frame {index}:").len()
            );
        }
    }
    text
}

/// What `caller` says, where an old perl's own says less than p5-spy, as newer ones have it: before
/// 5.20 it does not look for the line within the statement of a call (p5-spy does, on all
/// versions), and before 5.16 it has no name for a sub whose package is gone.
fn as_newer_perls_say(caller: &[Frame], spied: &[Frame], version: u64) -> Vec<Frame> {
    let mut frames = caller.to_vec();
    for (index, (frame, other)) in frames.iter_mut().zip(spied).enumerate() {
        if version < 5_020_000 && index > 0 {
            frame.line = other.line;
        }
        if version < 5_016_000
            && ["", "::run"].contains(&&*frame.name)
            && other.name.starts_with("__ANON__::")
        {
            frame.name.clone_from(&other.name);
        }
    }
    frames
}

/// What differs at one stop.
fn compare(label: &str, threads: &[Thread], json: &Value, state: &str, version: u64) -> String {
    let mut text = String::new();
    let spied_threads = json["threads"].as_array().expect("threads");
    if spied_threads.len() != threads.len() {
        let _ = writeln!(
            text,
            "    {} threads, p5-spy has {}",
            threads.len(),
            spied_threads.len()
        );
    }
    for thread in threads {
        let found = match thread.tid {
            None => spied_threads.first(),
            Some(tid) => spied_threads
                .iter()
                .find(|t| t["perl_tid"].as_u64() == Some(tid)),
        };
        let Some(found) = found else {
            let _ = writeln!(text, "    no thread {:?}", thread.tid);
            continue;
        };
        if found["state"] != state {
            let _ = writeln!(text, "    the state is {}", found["state"]);
        }
        let frames = as_newer_perls_say(&thread.frames, &spied(found), version);
        let different = difference(&frames, &spied(found));
        if !different.is_empty() {
            let of = thread
                .tid
                .map_or_else(String::new, |tid| format!("    thread {tid}:\n"));
            let _ = write!(text, "{of}{different}");
        }
    }
    if text.is_empty() {
        text
    } else {
        format!("  at the stop \"{label}\":\n{text}")
    }
}

/// Runs a program and returns what differs. `Err` says why it could not be compared.
fn differences(perl: &Perl, program: &str, stops: usize, layout: Layout) -> Result<String, String> {
    let mut running = Running::start(perl, program);
    let mut text = String::new();
    let mut count = 0;
    let place = support::folder();
    while let Some((label, threads)) = running.next_stop() {
        count += 1;
        if layout == Layout::Table {
            match core_file(running.child.id(), place.path()) {
                Some(core) => {
                    let stop = (label.clone(), threads.clone());
                    text += &core_differences(&core, &stop, perl.version);
                    fs::remove_file(core).unwrap();
                }
                None => without_core(program),
            }
        }
        match dump(running.child.id(), layout) {
            Ok(json) => {
                let source = json["perl"]["layout"]["source"]
                    .as_str()
                    .unwrap_or_default();
                if layout == Layout::DebugInfo && !source.starts_with("DWARF") {
                    return Err(format!(
                        "no debug information was found, the layout is {source}"
                    ));
                }
                text += &compare(&label, &threads, &json, "idle", perl.version);
            }
            Err(e)
                if layout != Layout::Learned
                    && (e.contains("no layout") || e.contains("without symbols")) =>
            {
                return Err(format!("at the stop \"{label}\": {e}"));
            }
            Err(e) => {
                let _ = writeln!(text, "  at the stop \"{label}\" p5-spy failed: {e}");
            }
        }
        running.go_on();
    }
    running.end();
    if count != stops {
        let _ = writeln!(text, "  {count} stops, not {stops}");
    }
    Ok(text)
}

fn check(program: &str) {
    let perl = Perl::get();
    let header = Header::read(&programs().join(format!("{program}.pl")));
    if let Some(other) = header.is_for_others(perl) {
        loudly!("LEFT OUT {program} with {}: {other}", perl.path.display());
        return;
    }
    if let Some(missing) = header.missing(perl) {
        loudly!("SKIPPED {program} with {}: {missing}", perl.path.display());
        return;
    }
    let mut failures = String::new();
    for layout in [Layout::DebugInfo, Layout::Table, Layout::Learned] {
        match differences(perl, program, header.stops, layout) {
            Ok(text) if text.is_empty() => {}
            Ok(text) => {
                let _ = writeln!(failures, "layout from {layout:?}:\n{text}");
            }
            Err(why) => loudly!(
                "SKIPPED {program} with {}, layout from {layout:?}: {why}",
                perl.path.display()
            ),
        }
    }
    assert!(
        failures.is_empty(),
        "{program} with {}\n{failures}",
        perl.path.display()
    );
}

macro_rules! programs {
    ($($name:ident)*) => {
        $(#[test] fn $name() { check(stringify!($name)); })*
        const PROGRAMS: &[&str] = &[$(stringify!($name)),*];
    };
}

programs! {
    aliased_subs anon_in_glob autoload_and_can begin_in_eval blocks_and_loops branches
    branches_in_subs callbacks class closures contexts debugger defer_finally destroy end_block eval_block
    eval_nest eval_package eval_string format global_destruction goto_sub leaf leaf_class leaf_modern leaf_regex lexical_subs line_directive
    list_util list_util_overload lvalue_prototype map_grep methods modern_syntax multiline mutual_recursion named_subs
    overload recursion regex_code renamed_subs require_file signal signatures sort_subs subst_eval thread_create
    threads tie try_catch undefined_subs use_begin utf8_names warn_die_hooks
}

#[test]
fn every_program_is_run() {
    let files = fs::read_dir(programs())
        .unwrap()
        .map(|entry| entry.unwrap().path());
    let perl = files.filter(|path| path.extension().is_some_and(|e| e == "pl"));
    let names: BTreeSet<String> = perl
        .map(|path| path.file_stem().unwrap().to_string_lossy().into_owned())
        .collect();
    assert_eq!(
        names,
        PROGRAMS
            .iter()
            .map(|name| (*name).to_owned())
            .collect::<BTreeSet<_>>()
    );
}
