//! That everything ends: targets that do not answer, terminals and readers that are gone, files that
//! may not grow. What was recorded is written each time.

use crate::loudly;
use crate::support;

use loudly::loudly;
use std::ffi::CString;
use std::fs::File;
use std::os::fd::AsRawFd;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use support::{PERL, Running, Target, folder, kill, spy, text, wait_for};

/// What the second request to end may take, on a machine that is busy with something else.
const SOON: Duration = Duration::from_secs(4);

const BUSY: &str = "$| = 1; sub work { my $x; $x += $_ for 1 .. 1000 } print qq(ready\\n); \
    while (1) { work() }";

/// A perl whose memory falls silent when it is told to.
struct Silent {
    target: Target,
    folder: tempfile::TempDir,
}

impl Silent {
    fn start() -> Option<Self> {
        let folder = folder();
        let library = folder.path().join("silent.so");
        let source = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/endings/silent.c");
        let made = Command::new("cc")
            .args(["-shared", "-fPIC", "-pthread", "-o", text(&library), source])
            .status();
        // SAFETY: geteuid has no preconditions.
        let root = unsafe { libc::geteuid() } == 0;
        if !root || !made.is_ok_and(|status| status.success()) {
            loudly!("SKIPPED memory that does not answer: needs root, cc and userfaultfd");
            return None;
        }
        let mut command = Command::new(PERL);
        command.args(["-e", BUSY]).env("LD_PRELOAD", &library);
        let target = Target::of_command(command);
        Some(Silent { target, folder })
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// From now on its memory does not answer. False where the system has no means for that.
    fn falls_silent(&mut self) -> bool {
        self.target.write(b"x");
        let silent = wait_for("the target to fall silent", || {
            let maps =
                std::fs::read_to_string(format!("/proc/{}/smaps", self.target.pid())).ok()?;
            let heap = maps.split("[heap]").nth(1)?;
            let rss = heap.lines().find(|line| line.starts_with("Rss:"))?;
            let kib: u64 = rss.split_whitespace().nth(1)?.parse().ok()?;
            (kib < 64).then_some(true)
        });
        std::thread::sleep(Duration::from_millis(100));
        silent
    }
}

/// Waits for some samples.
fn has_sampled(file: &Path) {
    wait_for("the first blocks", || {
        (file.metadata().ok()?.len() > 400).then_some(())
    });
}

/// The samples that are in a recording, by what `report` says.
fn samples_in(recording: &Path) -> u64 {
    let said = support::run(&["report", text(recording), "-o", "-", "-f", "collapsed"]);
    said.expect(0, "");
    assert!(!said.err.contains("cut off"), "{said:?}");
    support::stacks(&said.out).iter().map(|(_, n)| n).sum()
}

#[test]
fn memory_that_does_not_answer_ends_no_recording_badly() {
    for words in [&[][..], &["-d", "3"]] {
        let Some(mut silent) = Silent::start() else {
            return;
        };
        let (raw, picture) = (silent.path("x.p5spy"), silent.path("x.svg"));
        let pid = silent.target.pid().to_string();
        let mut command = spy();
        command.args([
            "record",
            "-o",
            text(&raw),
            "-o",
            text(&picture),
            "--pid",
            &pid,
        ]);
        command.args(words).current_dir(silent.path(""));
        let running = Running::start(command);
        has_sampled(&raw);
        silent.falls_silent();
        let asked = Instant::now();
        if words.is_empty() {
            running.signal(libc::SIGINT);
        }
        let done = running.finish();
        done.expect(0, "does not come back");
        assert!(
            asked.elapsed() < SOON + Duration::from_secs(2),
            "{:?}",
            asked.elapsed()
        );
        assert!(samples_in(&raw) > 0);
        assert!(
            std::fs::read_to_string(&picture)
                .unwrap()
                .contains("main::work")
        );
    }
}

#[test]
fn memory_that_does_not_answer_holds_up_no_attach() {
    let Some(mut silent) = Silent::start() else {
        return;
    };
    silent.falls_silent();
    let pid = silent.target.pid().to_string();
    let out = silent.path("x.svg");
    for words in [
        vec!["record", "--no-cache", "-o", text(&out), "--pid", &pid],
        vec!["dump", "--pid", &pid],
    ] {
        let mut command = spy();
        command.args(&words);
        let mut running = Running::start(command);
        running.is_stuck();
        let asked = Instant::now();
        running.signal(libc::SIGTERM);
        running.signal(libc::SIGTERM);
        let done = running.finish();
        assert!(asked.elapsed() < SOON, "{words:?}: {:?}", asked.elapsed());
        assert!(!done.status.success(), "{done:?}");
    }
}

/// A recording of a busy program in the hands of the test.
fn recording(words: &[&str], set: impl FnOnce(&mut Command)) -> (Target, tempfile::TempDir, Child) {
    let target = Target::start(BUSY);
    let folder = folder();
    let mut command = spy();
    let (raw, pid) = (folder.path().join("x.p5spy"), target.pid().to_string());
    command
        .args(["record", "-o", text(&raw), "--pid", &pid])
        .args(words)
        .current_dir(folder.path())
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    set(&mut command);
    let child = command.spawn().unwrap();
    has_sampled(&raw);
    (target, folder, child)
}

/// Its exit status, which must come soon.
fn status(child: &mut Child) -> std::process::ExitStatus {
    let asked = Instant::now();
    let status = wait_for("the end of p5-spy", || child.try_wait().unwrap());
    assert!(asked.elapsed() < SOON, "{:?}", asked.elapsed());
    status
}

#[test]
fn words_that_nobody_hears_fail_nothing() {
    let full = || File::options().write(true).open("/dev/full").unwrap();
    let closed = || {
        let (_, writer) = std::io::pipe().unwrap();
        writer
    };
    for what in ["full", "closed"] {
        let stream = || -> Stdio {
            match what {
                "full" => full().into(),
                _ => closed().into(),
            }
        };
        let (_target, folder, mut child) = recording(&[], |command| {
            command.stderr(stream()).stdout(stream());
        });
        kill(child.id() as i32, libc::SIGINT);
        assert!(status(&mut child).success(), "{what}");
        assert!(samples_in(&folder.path().join("x.p5spy")) > 0, "{what}");
        // Errors end with their own status, not with a panic.
        let mut command = spy();
        command
            .args(["dump", "--pid", "999999999"])
            .stderr(stream())
            .stdout(stream());
        assert_eq!(command.status().unwrap().code(), Some(1), "{what}");
    }
}

#[test]
fn a_pipe_that_nobody_reads_holds_up_nothing() {
    // Its standard error is full, too.
    let (reader, writer) = std::io::pipe().unwrap();
    // SAFETY: takes numbers.
    let room = unsafe { libc::fcntl(writer.as_raw_fd(), libc::F_GETPIPE_SZ) };
    let all = vec![b'x'; usize::try_from(room).unwrap()];
    std::io::Write::write_all(&mut &writer, &all).unwrap();
    let picture = folder();
    let picture = picture.path().join("x.folded");
    let words = ["--no-debug-info", "-o", text(&picture)];
    let (_target, folder, mut child) = recording(&words, |command| {
        command.stderr(writer);
    });
    let pid = child.id() as i32;
    kill(pid, libc::SIGINT);
    wait_for("the picture", || picture.exists().then_some(()));
    kill(pid, libc::SIGINT);
    status(&mut child);
    drop(reader);
    assert!(samples_in(&folder.path().join("x.p5spy")) > 0);
}

#[test]
fn a_fifo_without_a_reader_can_be_interrupted() {
    let place = folder();
    let fifo = place.path().join("fifo");
    let name = CString::new(text(&fifo)).unwrap();
    // SAFETY: the path is a C string.
    assert_eq!(unsafe { libc::mkfifo(name.as_ptr(), 0o600) }, 0);
    let picture = place.path().join("x.svg");
    // The ordinary file is written though it is named behind.
    let words = ["-f", "flamegraph", "-o", text(&fifo), "-o", text(&picture)];
    let (_target, folder, mut child) = recording(&words, |_| {});
    let pid = child.id() as i32;
    kill(pid, libc::SIGINT);
    wait_for("the picture", || picture.exists().then_some(()));
    kill(pid, libc::SIGINT);
    status(&mut child);
    assert!(samples_in(&folder.path().join("x.p5spy")) > 0);
}

#[test]
fn a_file_that_may_not_grow_is_an_error_and_no_death() {
    let (target, folder) = (Target::start(BUSY), folder());
    let (raw, picture) = (folder.path().join("x.p5spy"), folder.path().join("x.svg"));
    let pid = target.pid().to_string();
    let mut command = spy();
    let words = [
        "record",
        "-d",
        "2",
        "-o",
        text(&raw),
        "-o",
        text(&picture),
        "--pid",
        &pid,
    ];
    // What cannot be written is kept there, as far as it can be.
    command.args(words).current_dir(folder.path());
    // SAFETY: the closure makes one system call on a structure of its own.
    unsafe {
        command.pre_exec(|| {
            let limit = libc::rlimit {
                rlim_cur: 3000,
                rlim_max: 3000,
            };
            libc::setrlimit(libc::RLIMIT_FSIZE, &raw const limit);
            Ok(())
        });
    }
    let done = Running::start(command).finish();
    done.expect(1, "File too large");
    assert!(samples_in(&raw) > 0 || raw.metadata().unwrap().len() <= 3000);
}

#[test]
fn a_frozen_target_is_recorded_and_left() {
    let group = PathBuf::from(format!(
        "/sys/fs/cgroup/freezer/p5-spy-test-{}",
        std::process::id()
    ));
    if std::fs::create_dir(&group).is_err() {
        loudly!("SKIPPED a frozen target: no freezer that we may use");
        return;
    }
    let freeze = |state: &str| std::fs::write(group.join("freezer.state"), state).unwrap();
    let (target, folder) = (Target::start(BUSY), folder());
    let pid = target.pid().to_string();
    std::fs::write(group.join("tasks"), &pid).unwrap();
    freeze("FROZEN");
    let picture = folder.path().join("x.folded");
    let words = [
        "record",
        "-d",
        "1",
        "--idle",
        "-o",
        text(&picture),
        "--pid",
        &pid,
    ];
    let recorded = support::run(&words);
    let dumped = support::run(&["dump", "--pid", &pid]);
    freeze("THAWED");
    drop(target);
    wait_for("the group to be empty", || std::fs::remove_dir(&group).ok());
    recorded.expect(0, "");
    dumped.expect(0, "");
    assert!(dumped.out.contains("main::work"), "{dumped:?}");
}
