//! Who is stopped: p5-spy itself (Ctrl-Z), or the program. And signals that whoever started p5-spy
//! has set aside.

use crate::support;

use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};
use support::{PERL, Running, Target, children, folder, kill, run, spy, state, text, wait_for};

const BUSY: &str = r#"alarm 120; $| = 1; sub work { my $x; $x += $_ for 1 .. 1000 }
    print "ready\n"; work() while 1"#;

/// How long something is stopped.
const STOP: Duration = Duration::from_millis(1500);

fn numbers(file: &std::path::Path) -> serde_json::Value {
    serde_json::from_str(&std::fs::read_to_string(file).unwrap()).unwrap()
}

/// Stops a process for a while, and knows that it was.
fn stop_and_go_on(pid: i32) {
    kill(pid, libc::SIGSTOP);
    wait_for("the stop", || (state(pid)? == 'T').then_some(()));
    std::thread::sleep(STOP);
    kill(pid, libc::SIGCONT);
}

#[test]
fn a_time_that_p5_spy_was_stopped_is_a_gap() {
    let (target, place) = (Target::start(BUSY), folder());
    let pid = target.pid().to_string();
    let (picture, stats) = (place.path().join("x.folded"), place.path().join("x.json"));
    let mut command = spy();
    command.args(["record", "-d", "1.5", "--pid", &pid]);
    command.args(["-o", text(&picture), "--stats", text(&stats)]);
    let begun = Instant::now();
    let mut running = Running::start(command);
    running.samples();
    std::thread::sleep(Duration::from_millis(300));
    stop_and_go_on(running.pid());
    let done = running.finish();
    done.expect(0, "a gap, in which nothing was due");
    assert!(!done.err.contains("fell behind"), "{done:?}");
    let numbers = numbers(&stats);
    let number = |name: &str| numbers[name].as_f64().unwrap();
    // Between two looks of the sampler something else may have had the CPU.
    let gap = number("away_ms") / 1000.0;
    let all = begun.elapsed().as_secs_f64();
    assert!(gap >= STOP.as_secs_f64() && gap < all, "{numbers}");
    // The gap is no part of the duration.
    assert!(number("duration_seconds") >= 1.5 + gap, "{numbers}");
    assert!(number("missed") < number("attempted") / 2.0, "{numbers}");
}

#[test]
fn a_stopped_program_is_said_to_be_stopped() {
    let (target, place) = (Target::start(BUSY), folder());
    target.signal(libc::SIGSTOP);
    wait_for("the stop", || (state(target.pid())? == 'T').then_some(()));
    let pid = target.pid().to_string();
    let dumped = run(&["dump", "--pid", &pid]);
    dumped.expect(0, "");
    assert!(
        dumped.out.contains("(perl thread 0): stopped"),
        "{dumped:?}"
    );
    let json = run(&["dump", "--json", "--pid", &pid]);
    let json: serde_json::Value = serde_json::from_str(&json.out).unwrap();
    assert_eq!(json["threads"][0]["state"], "stopped");
    let listed = run(&["ps"]);
    let line = listed.out.lines().find(|line| line.contains(&pid));
    assert!(line.unwrap().contains(" stopped "), "{listed:?}");
    let (picture, stats) = (place.path().join("x.folded"), place.path().join("x.json"));
    let words = ["record", "-d", "2", "--pid", &pid, "-o", text(&picture)];
    let recorded = run(&[&words[..], &["--stats", text(&stats)]].concat());
    recorded.expect(0, "kill -CONT");
    assert!(
        !recorded.err.contains("waiting all the time"),
        "{recorded:?}"
    );
    let stopped = numbers(&stats)["stopped_ms"].as_u64().unwrap();
    assert!((1000..=3000).contains(&stopped), "{stopped}");
    target.signal(libc::SIGCONT);
    let recorded = run(&[&words[..], &["--stats", text(&stats)]].concat());
    recorded.expect(0, "");
    assert_eq!(numbers(&stats)["stopped_ms"], 0);
}

/// Makes a command ignore signals from its start, as nohup and shells do.
fn ignoring(command: &mut Command, signals: &'static [i32]) {
    // SAFETY: the closure only makes system calls that take numbers.
    unsafe {
        command.pre_exec(move || {
            for signal in signals {
                libc::signal(*signal, libc::SIG_IGN);
            }
            Ok(())
        });
    }
}

/// The signals that a process ignores, as the bits of proc(5).
fn ignored(pid: i32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status.lines().find_map(|l| l.strip_prefix("SigIgn:"));
    u64::from_str_radix(line.unwrap().trim(), 16).unwrap()
}

fn bits(signals: &[i32]) -> u64 {
    signals.iter().map(|signal| 1 << (signal - 1)).sum()
}

#[test]
fn a_program_ignores_what_it_would_ignore_without_p5_spy() {
    const SETS: [&[i32]; 3] = [
        &[],
        &[libc::SIGHUP],
        &[
            libc::SIGINT,
            libc::SIGQUIT,
            libc::SIGUSR1,
            libc::SIGPIPE,
            libc::SIGXFSZ,
            libc::SIGTSTP,
            libc::SIGCONT,
        ],
    ];
    // Perl's own doing at its start.
    let script = "$| = 1; print qq(pid $$\\n); sysread STDIN, my $x, 1";
    let of = |mut command: Command, set: &'static [i32]| {
        command.stdin(Stdio::piped());
        ignoring(&mut command, set);
        let running = Running::start(command);
        let pid = running.says("pid ").parse().unwrap();
        ignored(pid)
    };
    for set in SETS {
        let mut alone = Command::new(PERL);
        alone.args(["-e", script]);
        let place = folder();
        let mut recorded = spy();
        let file = place.path().join("x.folded");
        recorded.args(["record", "-o", text(&file), "--", PERL, "-e", script]);
        let (alone, recorded) = (of(alone, set), of(recorded, set));
        assert_eq!(recorded, alone, "{set:?}: {recorded:x} {alone:x}");
        assert_eq!(alone & bits(set), bits(set));
    }
}

#[test]
fn under_nohup_the_end_of_the_terminal_ends_nothing() {
    let place = folder();
    let picture = place.path().join("x.folded");
    let mut command = spy();
    command.args(["record", "-o", text(&picture), "--", PERL, "-e", BUSY]);
    ignoring(&mut command, &[libc::SIGHUP]);
    let mut running = Running::start(command);
    running.says("ready");
    running.samples();
    // It has helpers of its own, too.
    let is_perl = |pid: &i32| {
        let name = std::fs::read_to_string(format!("/proc/{pid}/comm"));
        name.is_ok_and(|name| name.trim() == "perl")
    };
    let mut program = children(running.pid());
    program.retain(is_perl);
    assert_eq!(program.len(), 1);
    for pid in program.iter().chain([&running.pid()]) {
        kill(*pid, libc::SIGHUP);
    }
    std::thread::sleep(Duration::from_millis(500));
    for pid in program.iter().chain([&running.pid()]) {
        assert!(!matches!(state(*pid), None | Some('Z')), "{pid}");
    }
    running.signal(libc::SIGTERM);
    assert_eq!(running.finish().code(), 128 + libc::SIGTERM);
    let stacks = std::fs::read_to_string(&picture).unwrap();
    assert!(stacks.contains("main::work"), "{stacks}");
}
