//! Programs that p5-spy starts: streams, exit status, signals, and that nothing is left behind.

use crate::support;

use std::io::Write;
use std::os::unix::process::ExitStatusExt;
use std::process::Stdio;
use std::time::{Duration, Instant};
use support::{Finished, Running, file, folder, is_gone, spy, text};

/// A recording of a program, which runs.
struct Recorded {
    spy: Running,
    folder: tempfile::TempDir,
}

impl Recorded {
    /// Starts `p5-spy record OPTIONS -- PROGRAM` with a pipe for standard input.
    fn start(options: &[&str], program: &[&str]) -> Self {
        let folder = folder();
        let mut command = spy();
        let output = folder.path().join("out.txt");
        // Debug information takes a debug build of p5-spy most of a second, which is no matter here.
        command.args(["record", "--no-debug-info", "-r", "200", "--idle"]);
        command.args(["-o", text(&output)]);
        command.args(options).arg("--").args(program);
        command.stdin(Stdio::piped());
        let spy = Running::start(command);
        Recorded { spy, folder }
    }

    /// A perl that runs this script, which prints "pid NUMBER"; once it is sampled.
    fn perl(script: &str) -> (Self, i32) {
        let script = format!("alarm 120; $| = 1; print qq(pid $$\\n); {script}");
        let mut recorded = Self::start(&[], &[support::PERL, "-e", &script]);
        let pid = recorded.spy.says("pid ").parse().unwrap();
        recorded.spy.samples();
        (recorded, pid)
    }

    /// The end, and what the file has; `None` where there is none.
    fn finish(self) -> (Finished, Option<String>) {
        let finished = self.spy.finish();
        let output = self.folder.path().join("out.txt");
        let content = std::fs::read_to_string(output).ok();
        let names = support::listing(self.folder.path());
        assert!(names.iter().all(|n| n == "out.txt"), "{names:?}");
        (finished, content)
    }
}

/// How long a recording lasts; this is no wait for something.
fn record_for(milliseconds: u64) {
    std::thread::sleep(Duration::from_millis(milliseconds));
}

#[test]
fn streams_are_the_programs_own() {
    let script = "alarm 120; $| = 1; while (<STDIN>) { print qq(out $_); print STDERR qq(err $_) }";
    let mut recorded = Recorded::start(&[], &[support::PERL, "-e", script]);
    let mut input = recorded.spy.stdin();
    input.write_all(b"first\n").unwrap();
    assert_eq!(recorded.spy.says("out "), "first");
    recorded.spy.samples();
    record_for(200);
    input.write_all(b"second\n").unwrap();
    assert_eq!(recorded.spy.says("out second"), "");
    drop(input);
    let (finished, content) = recorded.finish();
    finished
        .expect(0, "err first\n")
        .expect(0, "err second\n")
        .expect(0, "samples due in");
    // What p5-spy itself says goes elsewhere.
    assert_eq!(finished.out, "out first\nout second\n");
    assert!(content.unwrap().contains("(main) (-e) "));
}

#[test]
fn the_exit_status_is_the_programs_own() {
    for (end, status) in [
        ("exit 0", 0),
        ("exit 7", 7),
        ("exit 255", 255),
        ("kill 9, $$; sleep 60", 137),
        ("kill 15, $$; sleep 60", 143),
    ] {
        let (mut recorded, _) = Recorded::perl(&format!("<STDIN>; {end}"));
        recorded.spy.stdin().write_all(b"\n").unwrap();
        let (finished, content) = recorded.finish();
        finished.expect(status, "samples due in");
        assert!(content.is_some(), "{end}");
    }
}

#[test]
fn signals_are_passed_on() {
    for (signal, handler, status) in [
        (libc::SIGINT, "", 130),
        (libc::SIGTERM, "", 143),
        (libc::SIGHUP, "", 129),
        (
            libc::SIGINT,
            "$SIG{INT} = sub { print qq(heard\\n); exit 5 };",
            5,
        ),
        (
            libc::SIGTERM,
            "$SIG{TERM} = sub { print qq(heard\\n); exit 6 };",
            6,
        ),
    ] {
        let script = format!("{handler} print qq(up\\n); sysread STDIN, my $x, 1; exit 9");
        let (recorded, pid) = Recorded::perl(&script);
        recorded.spy.says("up");
        recorded.spy.signal(signal);
        let (finished, content) = recorded.finish();
        assert_eq!(finished.code(), status, "{finished:?}");
        assert_eq!(finished.out.contains("heard"), !handler.is_empty());
        assert!(
            content.is_some(),
            "signal {signal}, {handler}: {finished:?}"
        );
        is_gone(pid);
    }
}

#[test]
fn nothing_outlives_p5_spy() {
    for signal in [libc::SIGKILL, libc::SIGTERM, libc::SIGHUP] {
        let (recorded, pid) = Recorded::perl("1 while 1");
        recorded.spy.signal(signal);
        is_gone(pid);
        let ended = recorded.spy.finish();
        let killed = (ended.status.signal(), ended.status.code());
        match signal {
            libc::SIGKILL => assert_eq!(killed, (Some(signal), None)),
            _ => assert_eq!(killed, (None, Some(128 + signal))),
        }
    }
}

/// Killed before it has attached, p5-spy leaves nothing either.
#[test]
fn nothing_outlives_p5_spy_while_it_looks_for_a_perl() {
    for signal in [libc::SIGKILL, libc::SIGTERM, libc::SIGINT] {
        let script = "echo pid $$; while :; do read x || exec sleep 60; done";
        let recorded = Recorded::start(&[], &["sh", "-c", script]);
        let pid = recorded.spy.says("pid ").parse().unwrap();
        recorded.spy.signal(signal);
        is_gone(pid);
        let ended = recorded.spy.finish();
        if signal != libc::SIGKILL {
            assert_eq!(ended.code(), 128 + signal, "{ended:?}");
        }
    }
}

#[test]
fn the_duration_ends_the_program_and_is_no_failure() {
    for (handler, patience) in [("", 5), ("$SIG{TERM} = 'IGNORE';", 12)] {
        let script = format!("alarm 120; $| = 1; {handler} print qq(pid $$\\n); 1 while 1");
        let perl = [support::PERL, "-e", &script];
        let started = Instant::now();
        let recorded = Recorded::start(&["--duration", "0.4"], &perl);
        let pid = recorded.spy.says("pid ").parse().unwrap();
        let (finished, content) = recorded.finish();
        finished.expect(0, "the time is over");
        assert!(started.elapsed() < Duration::from_secs(patience));
        assert!(content.unwrap().contains("(main)"));
        is_gone(pid);
    }
}

#[test]
fn what_cannot_be_started() {
    let folder = folder();
    let plain = file(folder.path(), "plain.pl", "print 1;\n");
    for (program, needle) in [
        ("/nonexistent/perl", "there is no such program"),
        ("no-such-program-anywhere", "is it in your PATH?"),
        (text(&plain), "to run a script: p5-spy -- perl script.pl"),
        (text(folder.path()), "cannot start"),
    ] {
        let (finished, content) = Recorded::start(&[], &[program]).finish();
        finished
            .expect(1, &format!("p5-spy: cannot start {program}: "))
            .expect(1, needle);
        assert_eq!((finished.out.as_str(), content), ("", None));
    }
}

#[test]
fn what_ends_before_its_perl_is_up() {
    for (program, status) in [
        (&["true"][..], 0),
        (&["false"], 1),
        (&["sh", "-c", "exit 4"], 4),
        (&["sh", "-c", "kill -9 $$"], 137),
    ] {
        let (finished, content) = Recorded::start(&[], program).finish();
        finished.expect(status, "nothing was sampled");
        assert_eq!(content, None, "{program:?}");
    }
    // Whether these are caught or not, the status is their own.
    for _ in 0..20 {
        let (finished, _) = Recorded::start(&[], &[support::PERL, "-e", "1"]).finish();
        assert_eq!(finished.code(), 0, "{finished:?}");
    }
    for (end, status) in [("1", 0), ("exit 3", 3), ("kill 9, $$", 137)] {
        let line = format!("{} -e '{end}'", support::PERL);
        let (finished, _) = Recorded::start(&["-s"], &["sh", "-c", &line]).finish();
        assert_eq!(finished.code(), status, "{end}: {finished:?}");
    }
    let (finished, _) = Recorded::start(&[], &[support::PERL, "-e", "exit 3"]).finish();
    assert_eq!(finished.code(), 3, "{finished:?}");
    let (finished, _) = Recorded::start(&[], &[support::PERL, "-e", "die qq(no\\n)"]).finish();
    finished.expect(255, "no\n");
}

#[test]
fn perl_may_appear_later() {
    let script = "sub work { 1 for 1 .. 1000 } work() while !-e $ARGV[0]";
    let folder = folder();
    for (n, program) in [
        vec!["sh", "-c", "exec \"$@\"", "sh"],
        vec!["env"],
        vec![
            "sh",
            "-c",
            "i=0; while [ $i -lt 20000 ]; do i=$((i+1)); done; exec \"$@\"",
            "sh",
        ],
    ]
    .into_iter()
    .enumerate()
    {
        let enough = folder.path().join(n.to_string());
        let words = [&program[..], &[support::PERL, "-e", script, text(&enough)]].concat();
        let mut recorded = Recorded::start(&[], &words);
        recorded.spy.samples();
        record_for(300);
        std::fs::write(&enough, "").unwrap();
        let (finished, content) = recorded.finish();
        finished.expect(0, "samples due in");
        assert!(content.unwrap().contains("main::work"), "{words:?}");
    }
}

/// It has to be told within the ten seconds that a program gets.
#[test]
fn what_stays_and_is_no_perl() {
    let started = Instant::now();
    let (finished, content) = Recorded::start(&[], &["sleep", "61.7311"]).finish();
    finished
        .expect(1, "no perl to sample within 10 seconds")
        .expect(1, "is not perl");
    assert!(started.elapsed() < Duration::from_secs(15));
    assert_eq!(content, None);
    assert_eq!(support::processes_with("61.7311"), [0; 0]);
}

/// The same with a shell: what it started has to end as well.
#[test]
fn a_shell_that_stays_leaves_nothing_behind() {
    let script = "sleep 61.7322; true";
    let (finished, _) = Recorded::start(&[], &["sh", "-c", script]).finish();
    finished.expect(1, "no perl to sample within 10 seconds");
    let left = support::processes_with("61.7322");
    for pid in &left {
        support::kill(*pid, libc::SIGKILL);
    }
    assert_eq!(left, [0; 0]);
}

#[test]
fn a_perl_that_becomes_another_is_still_recorded() {
    let second = "sub second { 1 for 1 .. 1000 } print qq(second up\\n); second() while !-e q(END)";
    let folder = folder();
    let (change, end) = (folder.path().join("change"), folder.path().join("end"));
    let second = second.replace("END", text(&end));
    let first = format!(
        "sub first {{ 1 for 1 .. 1000 }} first() while !-e q({}); exec $^X, '-e', q{{$| = 1; {second}}}",
        text(&change)
    );
    let (mut recorded, pid) = Recorded::perl(&first);
    record_for(400);
    std::fs::write(&change, "").unwrap();
    recorded.spy.says("second up");
    record_for(800);
    recorded.spy.samples();
    std::fs::write(&end, "").unwrap();
    let (finished, content) = recorded.finish();
    finished.expect(0, "samples due in");
    let content = content.unwrap();
    let count = |name: &str| -> u64 {
        let stacks = support::stacks(&content).into_iter();
        let of = stacks.filter(|(frames, _)| frames.iter().any(|f| f.starts_with(name)));
        of.map(|(_, count)| count).sum()
    };
    // At 200 a second; half of them may be lost to the change and to a busy machine.
    assert!(count("main::first ") >= 20, "{content}");
    assert!(count("main::second ") >= 40, "{content}");
    is_gone(pid);
}

/// The recording of the first program is worth something even if the second is no perl.
#[test]
fn a_perl_that_becomes_something_else_ends_the_recording() {
    let folder = folder();
    let change = folder.path().join("change");
    let script = format!(
        "sub first {{ 1 for 1 .. 1000 }} first() while !-e q({}); exec 'sh', '-c', 'sleep 0.3; exit 8'",
        text(&change)
    );
    let (recorded, _) = Recorded::perl(&script);
    record_for(300);
    std::fs::write(&change, "").unwrap();
    let (finished, content) = recorded.finish();
    assert_eq!(finished.code(), 8, "{finished:?}");
    assert!(content.unwrap().contains("main::first "));
}
