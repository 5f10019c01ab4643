//! What happens to the target and to a recording when p5-spy itself comes to a bad end.

mod loudly;
mod support;

use loudly::loudly;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;
use support::{PERL, Running, spy, wait_for};

/// Works, and rests a moment now and then.
const WORKS: &str = r#"$| = 1; print "ready\n";
    sub inner { my $sum = 0; $sum += $_ for 1 .. 300; return $sum }
    sub outer { inner() for 1 .. 100; select undef, undef, undef, 0.002 }
    outer() while 1"#;

/// What a debugger, a scheduler or a signal could have changed of a process.
fn condition(pid: i32) -> Vec<String> {
    let read = |name: &str| std::fs::read_to_string(format!("/proc/{pid}/{name}")).unwrap();
    let kept = [
        "TracerPid:",
        "Threads:",
        "SigPnd:",
        "ShdPnd:",
        "SigBlk:",
        "SigIgn:",
        "SigCgt:",
        "Cpus_allowed:",
        "CoreDumping:",
    ];
    let status = read("status");
    let lines = status.lines();
    let mut found: Vec<String> = lines
        .filter(|line| kept.iter().any(|name| line.starts_with(name)))
        .map(str::to_owned)
        .collect();
    assert_eq!(found.len(), kept.len(), "{status}");
    let fields = stat(pid);
    // priority, nice, rt_priority and policy, of proc(5).
    found.extend([15, 16, 37, 38].map(|field: usize| fields[field].clone()));
    let open = std::fs::read_dir(format!("/proc/{pid}/fd")).unwrap();
    found.push(format!("{} descriptors", open.count()));
    found
}

/// The ticks of processor time that it has had.
fn spent(pid: i32) -> u64 {
    let fields = stat(pid);
    fields[11].parse::<u64>().unwrap() + fields[12].parse::<u64>().unwrap()
}

/// The fields of proc(5)'s stat that follow the name, of which the first is the state.
fn stat(pid: i32) -> Vec<String> {
    let text = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
    let after = text.rsplit(')').next().unwrap();
    after.split_whitespace().map(str::to_owned).collect()
}

/// How many samples a recording has, which `report` must be able to read.
fn samples(recording: &Path) -> u64 {
    let output = recording.with_extension("folded");
    let mut command = spy();
    command
        .arg("report")
        .arg(recording)
        .args(["--idle", "-o"])
        .arg(&output);
    let said = Running::start(command).finish();
    if said.err.contains("no samples: ") {
        return 0;
    }
    said.expect(0, "");
    let text = std::fs::read_to_string(&output).unwrap();
    let counts = text
        .lines()
        .filter_map(|l| l.rsplit(' ').next()?.parse::<u64>().ok());
    counts.sum()
}

/// `P5SPY_TEST_KILLS` says how often; 20 unless told.
#[test]
fn p5_spy_is_killed_at_any_moment_and_what_it_wrote_is_read() {
    let kills = std::env::var("P5SPY_TEST_KILLS").map_or(20, |n| n.parse().unwrap());
    let folder = tempfile::tempdir().unwrap();
    let mut target = Command::new(PERL);
    target.args(["-e", WORKS]);
    let target = Running::start(target);
    target.says("ready");
    let before = condition(target.pid());
    let (mut written, mut with_samples) = (0, 0);
    for turn in 0..kills {
        let recording = folder.path().join(format!("{turn}.p5spy"));
        let mut command = spy();
        command
            .args([
                "record",
                "--rate",
                "1000",
                "--pid",
                &target.pid().to_string(),
                "-o",
            ])
            .arg(&recording)
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        let mut recorder = command.spawn().unwrap();
        // Not a wait for something: the moment is what is tried. Blocks are written each second.
        std::thread::sleep(Duration::from_micros(fastrand::u64(0..2_500_000)));
        recorder.kill().unwrap();
        recorder.wait().unwrap();
        if recording.exists() {
            written += 1;
            with_samples += usize::from(samples(&recording) > 0);
        }
    }
    // A moment before the first block, or before the file, is one of several.
    assert!(
        written * 2 > kills && with_samples * 4 > kills,
        "{written} {with_samples} of {kills}"
    );
    assert_eq!(condition(target.pid()), before);
    // It goes on.
    let far = spent(target.pid()) + 10;
    wait_for("the target's next turns", || {
        (spent(target.pid()) >= far).then_some(())
    });
}

#[test]
fn a_full_disk_ends_a_recording_with_a_word_and_what_fitted_is_read() {
    let folder = tempfile::tempdir().unwrap();
    let kept = folder.path().join("kept.p5spy");
    let mut target = Command::new(PERL);
    // New subs all the time, which fill the recording.
    let fills = r#"$| = 1; print "ready\n";
        while (1) { for my $n (1 .. 999) { eval "sub s$n { \$_ * 2 for 1 .. 500 } s$n()" } }"#;
    target.args(["-e", fills]);
    let target = Running::start(target);
    target.says("ready");
    // A file system of four pages that nobody else sees, and that is gone with its namespace.
    let script = r#"mount -t tmpfs -o size=16k none "$1" || exit 99
        "$2" record --rate 1000 --duration 25 --pid "$3" -o "$1/full.p5spy"
        status=$?; cp "$1/full.p5spy" "$4"; exit $status"#;
    let small = folder.path().join("small");
    std::fs::create_dir(&small).unwrap();
    let mut command = Command::new("unshare");
    command
        .args(["--mount", "sh", "-c", script, "sh"])
        .arg(&small)
        .arg(env!("CARGO_BIN_EXE_p5-spy"))
        .arg(target.pid().to_string())
        .arg(&kept)
        .env("XDG_CACHE_HOME", support::cache_home());
    let finished = Running::start(command).finish();
    if finished.code() == 99 || finished.err.starts_with("unshare") {
        loudly!(
            "SKIPPED: a full disk: nothing can be mounted here: {}",
            finished.err
        );
        return;
    }
    finished.expect(1, "No space left on device");
    assert!(samples(&kept) > 0);
}
