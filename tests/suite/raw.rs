//! Raw recordings: what is read back is what was written, however a file was cut off or damaged,
//! and pictures made later are those that are made at once.

use crate::support;

use p5_spy::frames::{Frame, FrameKind};
use p5_spy::ids::{Pid, Tid};
use p5_spy::profile::{
    About, Filter, Profile, Room, Sample, SampleLog, Seen, Sink, Source, Summary, ThreadAbout,
};
use p5_spy::recording::{Block, RawError, Recorder, Writer, load};
use proptest::prelude::*;
use std::path::Path;
use std::time::Duration;
use support::{Finished, PERL, Running, Target, file, folder, run, spy, stacks, text, wait_for};

/// A recording of two threads: `samples` say which stack of which thread, and if it was running.
fn recorded(samples: &[(usize, u32, bool)]) -> (Vec<u8>, Vec<usize>) {
    let mut seen = Seen::default();
    let mut ends = Vec::new();
    let about = About {
        title: "a program".into(),
        rate: 100.0,
        ..About::default()
    };
    let mut recorder = Recorder::new(Vec::new(), about).unwrap();
    ends.push(recorder.store().len());
    for (chunk, samples) in samples.chunks(7).enumerate() {
        let mut log = SampleLog::default();
        for (tick, (name, thread, running)) in samples.iter().enumerate() {
            while seen.threads.len() <= *thread as usize {
                let os_tid = 100 + i32::try_from(seen.threads.len()).unwrap();
                seen.threads.insert(ThreadAbout {
                    pid: Pid::from(100),
                    title: "perl x.pl".into(),
                    os_tid: Tid::from(os_tid),
                    perl_tid: None,
                    interpreter: None,
                });
            }
            let mut stack = None;
            let kinds = [FrameKind::Main, FrameKind::Sub, FrameKind::Op];
            for (depth, kind) in kinds.into_iter().enumerate().take(name % 3 + 1) {
                let name = format!("f{}_{depth}", name / 3);
                let frame = Frame::new(kind, name.into(), "x.pl".into(), 1);
                let frame = seen.frames.intern(frame);
                stack = Some(seen.stacks.intern(stack, frame));
            }
            let at = Duration::from_millis((chunk * 7 + tick) as u64 * 10);
            let sample = Sample {
                stack: stack.unwrap(),
                thread: *thread,
                running: *running,
                at,
                count: 1,
            };
            log.add(&seen, sample);
        }
        let chunk = recorder.chunk(&seen, &log.drain(), Summary::default());
        recorder.add(chunk).unwrap();
        ends.push(recorder.store().len());
    }
    let source = Source {
        file: "x.pl".into(),
        text: Ok("print 1;\n".into()),
    };
    recorder.source(source).unwrap();
    let summary = Summary {
        attempted: samples.len() as u64,
        ..Summary::default()
    };
    (recorder.finish(summary).unwrap(), ends)
}

fn read(bytes: &[u8], filter: &Filter) -> Result<Profile, RawError> {
    load(
        bytes,
        filter,
        true,
        &Room::of_file(bytes.len() as u64, None),
    )
}

/// Samples in order of time: stack as text, thread, state.
fn samples(profile: &Profile) -> Vec<(String, u32, bool)> {
    let mut all = Vec::new();
    for run in &profile.runs {
        let names = profile.stacks.frames(run.stack);
        let names: Vec<&str> = names.map(|f| &*profile.frames[f.index()].name).collect();
        for _ in 0..run.count {
            all.push((names.join("<"), run.thread, run.running));
        }
    }
    all
}

proptest! {
    #[test]
    fn what_is_read_is_what_was_written(
        written in prop::collection::vec((0_usize..12, 0_u32..3, any::<bool>()), 0..60),
    ) {
        let (bytes, _) = recorded(&written);
        let profile = read(&bytes, &Filter::everything()).unwrap();
        prop_assert!(!profile.is_cut);
        prop_assert_eq!(profile.summary.attempted, written.len() as u64);
        prop_assert_eq!(profile.total(), written.len() as u64);
        // Runs of waiting stand where they began: compare thread by thread.
        for thread in 0..3 {
            let of = |(_, t, _): &&(String, u32, bool)| *t == thread;
            let read: Vec<_> = samples(&profile).iter().filter(of).cloned().collect();
            let expected: Vec<_> = written
                .iter()
                .filter(|(_, t, _)| *t == thread)
                .map(|(name, t, running)| {
                    let parts = (0..name % 3 + 1).rev().map(|d| format!("f{}_{d}", name / 3));
                    (parts.collect::<Vec<_>>().join("<"), *t, *running)
                })
                .collect();
            prop_assert_eq!(read, expected);
        }
    }

    #[test]
    fn a_cut_recording_has_its_whole_blocks(
        written in prop::collection::vec((0_usize..12, 0_u32..3, any::<bool>()), 1..60),
        cut in any::<prop::sample::Index>(),
    ) {
        let (bytes, ends) = recorded(&written);
        let cut = cut.index(bytes.len());
        let whole = ends.iter().filter(|end| **end <= cut).count();
        match read(&bytes[..cut], &Filter::everything()) {
            Ok(profile) => {
                prop_assert!(profile.is_cut);
                let expected = written.len().min((whole - 1) * 7) as u64;
                prop_assert_eq!(profile.total(), expected);
            }
            Err(_) => prop_assert_eq!(whole, 0, "it has its beginning"),
        }
    }

    #[test]
    fn damage_never_panics(
        written in prop::collection::vec((0_usize..12, 0_u32..3, any::<bool>()), 1..30),
        at in any::<prop::sample::Index>(),
        flip in 1_u8..,
    ) {
        let (mut bytes, _) = recorded(&written);
        let at = at.index(bytes.len());
        bytes[at] ^= flip;
        if let Ok(profile) = read(&bytes, &Filter::everything()) {
            prop_assert!(profile.total() <= written.len() as u64);
            prop_assert!(profile.is_cut, "the sum of a damaged block is wrong");
        }
    }
}

#[test]
fn parts_that_do_not_fit_are_refused() {
    let chunk = |change: fn(&mut p5_spy::recording::Chunk)| {
        let mut chunk = p5_spy::recording::Chunk::default();
        change(&mut chunk);
        let mut writer = Writer::new(Vec::new()).unwrap();
        writer.write(&Block::About(About::default())).unwrap();
        writer.write(&Block::Samples(chunk)).unwrap();
        writer.into_inner()
    };
    for bytes in [
        chunk(|c| c.stacks.push((0, 5))),
        chunk(|c| c.stacks.push((7, 0))),
        chunk(|c| {
            c.stack.push(0);
            c.thread.push(0);
            c.count.push(1);
            c.running.push(1);
            c.after_us.push(0);
        }),
    ] {
        let refused = read(&bytes, &Filter::everything()).unwrap_err();
        assert!(refused.to_string().contains("do not fit"), "{refused}");
    }
    let refused = |bytes: &[u8]| read(bytes, &Filter::everything()).unwrap_err().to_string();
    assert!(refused(b"<svg>").contains("no raw recording"));
    let (mut later, _) = recorded(&[(1, 0, true)]);
    later[8] = 2;
    assert!(refused(&later).contains("has version 2"));
}

/// Files of version 1 must stay readable: this one was written when it was new.
#[test]
fn a_file_of_version_1_is_read() {
    let bytes = std::fs::read("tests/recordings/version1.p5spy").unwrap();
    let profile = read(&bytes, &Filter::everything()).unwrap();
    assert!(!profile.is_cut);
    insta::assert_debug_snapshot!((
        &profile.about,
        &profile.summary,
        samples(&profile),
        &profile.sources,
        &profile.threads
    ));
}

#[test]
#[ignore = "writes the file of the test above; only for a new version"]
fn write_the_file_of_this_version() {
    let (bytes, _) = recorded(&[
        (1, 0, true),
        (2, 0, true),
        (2, 1, false),
        (5, 0, true),
        (2, 1, false),
    ]);
    std::fs::write("tests/recordings/version1.p5spy", bytes).unwrap();
}

/// Works, waits in `select`, and works elsewhere, again and again.
const PROGRAM: &str = "
$| = 1;
sub early { my $x = 0; $x += $_ for 1 .. 2000; $x }
sub late { my $x = 0; $x += $_ * $_ for 1 .. 2000; $x }
sub rest { select undef, undef, undef, 0.2 }
sub work { my ($code, $until) = @_; $code->() while times() < $until }
work(\\&early, 0.6);
rest() for 1 .. 3;
work(\\&late, 1.2);
";

/// Two subs that take turns, so that whatever else a machine does meets both. They call the system
/// as rarely: where another program is to have the CPU, it gets it then.
const TURNS: &str = "
sub early { my $x = 0; $x += $_ for 1 .. 2000; $x }
sub late { my $x = 0; $x += $_ * $_ for 1 .. 2000; $x }
for (1 .. 15) { early() for 1 .. 600; late() for 1 .. LATE }
";

/// Works in one sub.
const BUSY: &str = "sub busy { 1 for 1 .. 1000 } $| = 1; print qq(ready\\n); busy() while 1;";

fn report(words: &[&str]) -> Finished {
    run(&[&["report"], words].concat())
}

#[test]
fn later_pictures_are_those_made_at_once() {
    let folder = folder();
    let script = file(folder.path(), "phases.pl", PROGRAM);
    let at = |name: &str| folder.path().join(name);
    let (raw, direct, by_line) = (at("a.p5spy"), at("a.svg"), at("a.folded"));
    let mut command = spy();
    command.args(["record", "-r", "500", "--no-debug-info"]);
    for output in [&raw, &direct, &by_line] {
        command.args(["-o", text(output)]);
    }
    command.args(["--", PERL, text(&script)]);
    Running::start(command)
        .finish()
        .expect(0, "samples due in")
        .expect(0, "a.p5spy");

    let later = at("b.svg");
    report(&[text(&raw), "-o", text(&later)]).expect(0, "samples due in");
    let content = |file: &Path| std::fs::read_to_string(file).unwrap();
    assert_eq!(content(&later), content(&direct));

    let collapsed = |more: &[&str]| {
        let words = [&[text(&raw), "-o", "-", "-f", "collapsed"], more].concat();
        let finished = report(&words);
        finished.expect(0, "samples due in");
        finished.out
    };
    let total = |text: &str| stacks(text).iter().map(|(_, count)| count).sum::<u64>();
    let all = collapsed(&[]);
    assert_eq!(all, content(&by_line));
    assert!(
        all.contains("main::early") && all.contains("main::late"),
        "{all}"
    );
    // On a busy machine it waits for a CPU there.
    let in_rest = |text: &str| {
        let rest = stacks(text)
            .into_iter()
            .filter(|(frames, _)| frames.iter().any(|frame| frame.starts_with("main::rest")));
        rest.map(|(_, count)| count).sum::<u64>()
    };
    assert!(in_rest(&all) * 20 < total(&all), "{all}");

    let waiting = collapsed(&["--idle"]);
    assert!(in_rest(&waiting) > 100, "{waiting}");
    assert!(total(&waiting) > total(&all) + 100, "{waiting}");
    let ops = collapsed(&["--idle", "--ops"]);
    assert!(ops.contains(";sselect;"), "{ops}");
    assert_eq!(total(&ops), total(&waiting));

    let early = collapsed(&["--sub", "early$"]);
    assert!(
        early.contains("main::early") && !early.contains("main::late"),
        "{early}"
    );
    let rest = collapsed(&["--sub", "late$"]);
    assert!(total(&early) + total(&rest) <= total(&all));

    // However slow the machine is, it begins with one and ends with the other.
    let whole = read(&std::fs::read(&raw).unwrap(), &Filter::default()).unwrap();
    let seconds = whole.summary.duration_seconds;
    let begin = collapsed(&["--to", "0.4"]);
    assert!(
        begin.contains("main::early") && !begin.contains("main::late"),
        "{begin}"
    );
    let end = collapsed(&["--from", &format!("{:.3}", seconds - 0.4)]);
    assert!(
        !end.contains("main::early") && end.contains("main::late"),
        "{end}"
    );
    assert_eq!(
        total(&collapsed(&["--from", "0.5"])) + total(&collapsed(&["--to", "0.5"])),
        total(&all)
    );

    let by_package = collapsed(&["--by", "package"]);
    assert_eq!(by_package.lines().count(), 1);
    assert!(by_package.starts_with("main "), "{by_package}");

    report(&[text(&raw), "-o", "-", "-f", "collapsed", "--pid", "1"])
        .expect(1, "filters are too narrow");
    assert_eq!(
        whole.sources.get(text(&script)),
        Some(&Ok(PROGRAM.to_owned()))
    );
}

#[test]
fn a_killed_recording_can_be_read() {
    let folder = folder();
    let target = Target::start(BUSY);
    let raw = folder.path().join("cut.p5spy");
    let mut command = spy();
    command.args([
        "record",
        "--pid",
        &target.pid().to_string(),
        "-o",
        text(&raw),
        "--no-debug-info",
    ]);
    let recorder = Running::start(command);
    wait_for("the first blocks", || {
        let bytes = std::fs::read(&raw).unwrap_or_default();
        let profile = read(&bytes, &Filter::default()).ok()?;
        (profile.total() > 0).then_some(())
    });
    drop(recorder);
    let picture = folder.path().join("cut.folded");
    report(&[text(&raw), "-o", text(&picture)]).expect(0, "was cut off");
    assert!(
        std::fs::read_to_string(picture)
            .unwrap()
            .contains("main::busy")
    );
}

#[test]
fn a_recording_can_begin_later() {
    let folder = folder();
    let target = Target::start(BUSY);
    let raw = folder.path().join("late.p5spy");
    let pid = target.pid().to_string();
    let words = ["record", "--pid", &pid, "-o", text(&raw), "-d", "0.5"];
    let more = ["--start-after", "0.7", "--no-debug-info"];
    run(&[&words[..], &more].concat()).expect(0, "samples due in");
    // Whether it got a CPU or waited for one.
    let profile = read(&std::fs::read(&raw).unwrap(), &Filter::everything()).unwrap();
    let first = profile.runs.first().unwrap().at;
    assert!(first >= Duration::from_millis(690), "{first:?}");
    let seconds = profile.summary.duration_seconds;
    assert!(profile.total() > 10 && seconds > 1.1, "{seconds}");
}

#[test]
fn signals_write_begin_and_pause() {
    let folder = folder();
    let target = Target::start(BUSY);
    let output = folder.path().join("now.folded");
    let mut command = spy();
    command.args([
        "record",
        "--pid",
        &target.pid().to_string(),
        "-o",
        text(&output),
    ]);
    command.args(["--no-debug-info", "--trigger-signal", "USR2"]);
    let mut recorder = Running::start(command);
    recorder.samples();
    let written = || {
        let _ = std::fs::remove_file(&output);
        recorder.signal(libc::SIGUSR1);
        let text = wait_for("the picture", || std::fs::read_to_string(&output).ok());
        stacks(&text).iter().map(|(_, count)| count).sum::<u64>()
    };
    assert_eq!(written(), 0, "nothing before the signal");
    recorder.signal(libc::SIGUSR2);
    wait_for("samples", || (written() > 20).then_some(()));
    recorder.signal(libc::SIGUSR2);
    // What was under way is over when the next picture is written.
    std::thread::sleep(Duration::from_millis(200));
    let paused = written();
    std::thread::sleep(Duration::from_millis(300));
    assert_eq!(written(), paused);
    recorder.signal(libc::SIGINT);
    recorder.finish().expect(0, "samples due in");
}

#[test]
fn two_recordings_are_compared() {
    let folder = folder();
    let record = |name: &str, late: &str| {
        let script = file(folder.path(), "phases.pl", &TURNS.replace("LATE", late));
        let raw = folder.path().join(name);
        let mut command = spy();
        command.args([
            "record",
            "-r",
            "500",
            "-o",
            text(&raw),
            "--",
            PERL,
            text(&script),
        ]);
        Running::start(command).finish().expect(0, "samples due in");
        raw
    };
    let (before, after) = (record("before.p5spy", "400"), record("after.p5spy", "1200"));
    let picture = folder.path().join("diff.svg");
    let finished = report(&["--diff", text(&before), text(&after), "-o", text(&picture)]);
    finished.expect(0, "Before: ").expect(0, "After: ");
    let line = |name: &str| {
        let line = finished.out.lines().find(|l| l.contains(name));
        line.unwrap_or_else(|| panic!("{name}: {}", finished.out))
            .to_owned()
    };
    let (gained, lost) = (line("main::late"), line("main::early"));
    // From a half to three quarters or so.
    let change = |line: &str| -> f64 {
        let words: Vec<&str> = line.split_whitespace().collect();
        let at = words.iter().position(|word| *word == "±").unwrap();
        words[at - 1].parse().unwrap()
    };
    assert!((12.0..40.0).contains(&change(&gained)), "{gained}");
    assert!((12.0..40.0).contains(&-change(&lost)), "{lost}");
    assert!(
        !gained.contains('?') && !lost.contains('?'),
        "{gained} {lost}"
    );
    let svg = std::fs::read_to_string(picture).unwrap();
    assert!(svg.contains("main::late"));
    for (words, needle) in [
        (&["--diff", text(&before)][..], "needs two recordings"),
        (
            &[text(&before), text(&after), "-o", "x.svg"],
            "one recording at a time",
        ),
        (&[text(&before)], "-o report.html"),
        (&[text(&before), "-o", "x.p5spy"], "cp"),
        (&["/no/such.p5spy", "-o", "x.svg"], "No such file"),
        (
            &["Cargo.toml", "-o", "-", "-f", "collapsed"],
            "no raw recording",
        ),
        (
            &["--diff", text(&before), text(&after), "-o", "x.pb.gz"],
            "FILE.svg",
        ),
        (&[text(&before), "-o", "x.svg", "--sub", "("], "regex"),
    ] {
        let finished = report(words);
        assert_ne!(finished.code(), 0);
        assert!(finished.err.contains(needle), "{needle}: {}", finished.err);
    }
}
