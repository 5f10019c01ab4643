//! What frames say: the text of a dump at every stop of tests/frames/program.pl.
//!
//! The perl is /usr/bin/perl, or the one that the variable `P5SPY_TEST_PERL` names.

use crate::support;

use serde_json::Value;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

/// The program's `stop` is the innermost frame at each.
const STOP: &str = "main::stop (program.pl:8)";

/// What is outside of it; `eval from C` is left out here and looked at by itself, as perl 5.6 has
/// none around signal handlers.
const STOPS: &[(&str, &[&str])] = &[
    (
        "compiling",
        &[
            "main::BEGIN (program.pl:12)",
            "(main) [compiling] (program.pl:12)",
        ],
    ),
    (
        "anonymous",
        &[
            "main::__ANON__[program.pl:10] (program.pl:10)",
            "(main) (program.pl:12)",
        ],
    ),
    (
        "block",
        &["eval {…} (program.pl:13)", "(main) (program.pl:13)"],
    ),
    (
        "nested",
        &[
            "eval {…} ((eval N)[program.pl:14]:2)",
            "eval \"…\" [program.pl:14] ((eval N)[program.pl:14]:2)",
            "(main) (program.pl:14)",
        ],
    ),
    (
        "from an eval",
        &[
            "main::defined_inside ((eval N):1)",
            "(main) (program.pl:16)",
        ],
    ),
    (
        "tie",
        &[
            "Tied::FETCH (program.pl:5)",
            "(tie/magic) (program.pl:18)",
            "(main) (program.pl:18)",
        ],
    ),
    (
        "overload",
        &[
            "main::__ANON__[program.pl:7] (program.pl:7)",
            "(overload) (program.pl:20)",
            "(main) (program.pl:20)",
        ],
    ),
    (
        "sort block",
        &["(sort) (program.pl:22)", "(main) (program.pl:22)"],
    ),
    (
        "sort sub",
        &[
            "main::compare (program.pl:23)",
            "(sort) (program.pl:24)",
            "(main) (program.pl:24)",
        ],
    ),
    (
        "signal",
        &[
            "main::on_signal (program.pl:26)",
            "(signal handler) (program.pl:27)",
            "(main) (program.pl:27)",
        ],
    ),
    (
        "warn hook",
        &[
            "main::__ANON__[program.pl:28] (program.pl:28)",
            "(warn hook) (program.pl:28)",
            "(main) (program.pl:28)",
        ],
    ),
    (
        "die hook",
        &[
            "main::__ANON__[program.pl:29] (program.pl:29)",
            "(die hook) (program.pl:29)",
            "eval {…} (program.pl:29)",
            "(main) (program.pl:29)",
        ],
    ),
    (
        "destroy",
        &[
            "Gone::DESTROY (program.pl:30)",
            "(DESTROY) (program.pl:32)",
            "(main) (program.pl:32)",
        ],
    ),
    (
        "begin",
        &[
            "Loading::BEGIN (lib/Loading.pm:2)",
            "use Loading [compiling] (lib/Loading.pm:2)",
            "eval \"…\" [program.pl:32] [compiling] ((eval N)[program.pl:32]:1)",
            "(main) (program.pl:32)",
        ],
    ),
    (
        "loading",
        &[
            "use Loading (lib/Loading.pm:3)",
            "eval \"…\" [program.pl:32] [compiling] ((eval N)[program.pl:32]:1)",
            "(main) (program.pl:32)",
        ],
    ),
    (
        "import",
        &[
            "Loading::import (lib/Loading.pm:4)",
            "use Loading ((eval N)[program.pl:32]:1)",
            "eval \"…\" [program.pl:32] [compiling] ((eval N)[program.pl:32]:1)",
            "(main) (program.pl:32)",
        ],
    ),
    (
        "file",
        &["do ./lib/do.pl (./lib/do.pl:1)", "(main) (program.pl:33)"],
    ),
    (
        "format",
        &[
            "format main::NOWHERE (program.pl:37)",
            "(main) (program.pl:39)",
        ],
    ),
    (
        "line directive",
        &["main::generated (generated.y:7)", "(main) (generated.y:8)"],
    ),
    (
        "first of its name",
        &["main::same (generated.y:9)", "(main) (generated.y:10)"],
    ),
    (
        "second of its name",
        &["main::same ((eval N):1)", "(main) (generated.y:12)"],
    ),
    (
        "multicall",
        &[
            "main::__ANON__[generated.y:13] (generated.y:13)",
            "(MULTICALL) (generated.y:13)",
            "(main) (generated.y:13)",
        ],
    ),
    (
        "end",
        &["main::END (generated.y:14)", "(main) (generated.y)"],
    ),
];

struct Program {
    child: Child,
    stdin: ChildStdin,
    lines: std::io::Lines<BufReader<ChildStdout>>,
}

impl Drop for Program {
    fn drop(&mut self) {
        // Harmless when it has ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Program {
    fn start() -> Program {
        let perl = std::env::var_os("P5SPY_TEST_PERL").map_or(support::PERL.into(), PathBuf::from);
        let mut child = Command::new(perl)
            .args(["-Ilib", "program.pl"])
            .current_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/frames"))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        Program {
            stdin: child.stdin.take().unwrap(),
            lines: BufReader::new(child.stdout.take().unwrap()).lines(),
            child,
        }
    }

    /// The next stop, once the program rests there.
    fn next(&mut self) -> Option<String> {
        let label = self.lines.next()?.unwrap();
        support::wait_for("the stop", || {
            (support::state(self.child.id() as i32)? == 'S').then_some(())
        });
        Some(label)
    }

    fn go_on(&mut self) {
        self.stdin.write_all(b"\n").unwrap();
    }

    fn dump(&self, words: &str) -> String {
        let pid = self.child.id();
        let line = format!("dump --no-cache --pid {pid} {words}");
        let said = support::run_line(&line);
        said.expect(0, "");
        said.out
    }

    /// The frames of a text dump, the numbers of string evals replaced.
    fn frames(&self, words: &str) -> Vec<String> {
        let dump = self.dump(words);
        let frames = dump.lines().filter_map(|line| line.strip_prefix("    "));
        frames.map(without_numbers).collect()
    }
}

fn without_numbers(text: &str) -> String {
    let mut parts = text.split("(eval ");
    let mut whole = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let rest = part.trim_start_matches(|c: char| c.is_ascii_digit());
        whole += "(eval N";
        whole += rest;
    }
    whole
}

#[test]
fn every_frame_says_what_it_is() {
    let mut program = Program::start();
    let mut seen = Vec::new();
    while let Some(stop) = program.next() {
        let expected = STOPS.iter().find(|(label, _)| *label == stop).unwrap().1;
        let (own, mut frames): (Vec<String>, Vec<String>) = program
            .frames("")
            .into_iter()
            .partition(|f| f.starts_with("eval from C "));
        assert_eq!(frames[0], STOP, "{stop}");
        // List::Util of 5.8 makes its contexts by hand.
        if stop == "multicall" && frames.len() == 3 {
            frames.insert(2, expected[1].to_owned());
        }
        assert_eq!(frames[1..], *expected, "{stop}");
        // Of what perl makes of `use` and of BEGIN blocks one frame is shown.
        let expected = usize::from(stop == "destroy");
        if ["begin", "loading", "import", "compiling", "destroy"].contains(&&*stop) {
            assert_eq!(own.len(), expected, "{stop}");
        }
        seen.push(stop);
        program.go_on();
    }
    for (label, _) in STOPS.iter().filter(|(label, _)| *label != "multicall") {
        assert!(seen.iter().any(|s| s == label), "{label}");
    }
}

/// Which frames are added is for the user to say; to programs each tells what it is.
#[test]
fn levels_and_kinds() {
    let mut program = Program::start();
    while let Some(stop) = program.next() {
        if stop == "begin" || stop == "overload" {
            let all = program.frames("--synthetic all").join("\n");
            let usual = program.frames("--synthetic default").join("\n");
            let none = program.frames("--synthetic none").join("\n");
            assert!(!none.contains("(overload)"), "{none}");
            assert_eq!(usual.contains("(overload)"), stop == "overload", "{usual}");
            assert!(!usual.contains("(require)"), "{usual}");
            let parts = ["eval from C", "require Loading.pm", "use Loading"];
            let all_of = |text: &str| parts.iter().filter(|p| text.contains(**p)).count();
            if stop == "begin" {
                assert_eq!((all_of(&all), all_of(&usual)), (3, 1), "{all}");
            }
            assert_eq!(all.contains("(overload)"), stop == "overload", "{all}");
        }
        if stop == "overload" {
            let json: Value = serde_json::from_str(&program.dump("--json")).unwrap();
            let frames = json["threads"][0]["frames"].as_array().unwrap();
            let kinds: Vec<&str> = frames.iter().map(|f| f["kind"].as_str().unwrap()).collect();
            assert_eq!(kinds, ["sub", "sub", "synthetic", "main"]);
            let handler = &frames[1];
            assert_eq!(handler["name"], "main::__ANON__");
            assert_eq!(handler["label"], "main::__ANON__[program.pl:7]");
            assert_eq!(handler["start_line"], 7);
            assert_eq!(handler["start_file"], Value::Null);
        }
        program.go_on();
    }
}
