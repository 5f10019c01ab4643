//! What the system does around p5-spy: places that cannot be written, quotas, little memory, signals
//! all the time. A recording is kept or refused at once, and what is said is true.

use crate::loudly;
use crate::support;

use loudly::loudly;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};
use support::{Finished, Running, Target, folder, run, text};

/// New subs all the time, which fill a recording.
const FILLS: &str = r#"$| = 1; print "ready\n";
    while (1) { for my $n (1 .. 999) { eval "sub s$n { \$_ * 2 for 1 .. 500 } s$n()" } }"#;

const BUSY: &str =
    r#"$| = 1; sub work { my $x; $x += $_ for 1 .. 1000 } print "ready\n"; work() while 1"#;

/// The samples of a recording, which `report` must be able to read.
fn samples(recording: &Path) -> u64 {
    let said = run(&[
        "report",
        "--idle",
        text(recording),
        "-f",
        "collapsed",
        "-o",
        "-",
    ]);
    if said.err.contains("no samples: ") {
        return 0;
    }
    said.expect(0, "");
    support::stacks(&said.out).iter().map(|(_, n)| n).sum()
}

/// Runs p5-spy under strace, which lets system calls fail as `how` says.
fn failing(how: &str, words: &[&str]) -> Option<Finished> {
    let tracer = Command::new("strace").arg("-V").output();
    if tracer.is_err() {
        loudly!("SKIPPED system calls that fail: no strace");
        return None;
    }
    let place = folder();
    let mut command = Command::new("strace");
    command.args(["-f", "-qq", "-e", &format!("inject={how}"), "-o"]);
    command.arg(place.path().join("trace"));
    command.arg(env!("CARGO_BIN_EXE_p5-spy")).args(words);
    support::surround(&mut command);
    Some(Running::start(command).finish())
}

/// Every second call of those that a signal can interrupt.
const STORM: &str = "read,pread64,write,openat,poll,ppoll,recvmsg,sendmsg,recvfrom,sendto,\
                     clock_nanosleep,getrandom,wait4:error=EINTR:when=1+2";

#[test]
fn signals_all_the_time_interrupt_nothing() {
    let target = Target::start(BUSY);
    let pid = target.pid().to_string();
    let place = folder();
    let (raw, picture) = (place.path().join("x.p5spy"), place.path().join("x.html"));
    let Some(dumped) = failing(STORM, &["dump", "--no-cache", "-l", "--pid", &pid]) else {
        return;
    };
    dumped.expect(0, "");
    assert!(dumped.out.contains("main::work"), "{dumped:?}");
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
    failing(STORM, &words).unwrap().expect(0, "Wrote ");
    assert!(samples(&raw) > 20, "{}", samples(&raw));
    failing(STORM, &["report", text(&raw), "-o", text(&picture)])
        .unwrap()
        .expect(0, "Wrote ");
    let listed = failing(STORM, &["ps"]).unwrap();
    assert!(listed.out.contains(&pid), "{listed:?}");
}

#[test]
fn a_quota_or_a_broken_disk_ends_a_recording_with_a_word() {
    let target = Target::start(FILLS);
    let pid = target.pid().to_string();
    for (error, word) in [
        ("EDQUOT", "quota"),
        ("EIO", "Input/output error"),
        ("ENOSPC", "No space left"),
    ] {
        let place = folder();
        let raw = place.path().join("x.p5spy");
        // The head, and a block or two.
        let how = format!("write:error={error}:when=4+");
        let words = [
            "record",
            "--no-debug-info",
            "-d",
            "25",
            "-o",
            text(&raw),
            "--pid",
            &pid,
        ];
        let begun = Instant::now();
        let Some(said) = failing(&how, &words) else {
            return;
        };
        assert_eq!(said.code(), 1, "{said:?}");
        assert!(begun.elapsed() < Duration::from_secs(20), "{error}");
        // What p5-spy says is written, too.
        assert!(said.err.is_empty() || said.err.contains(word), "{said:?}");
        samples(&raw);
    }
}

#[test]
fn what_cannot_be_written_is_said_before_anything_is_recorded() {
    let target = Target::start(BUSY);
    let place = folder();
    // Nobody else sees this file system, and it is gone with its namespace.
    let script = r#"mount -t tmpfs -o ro none "$1" || exit 99; shift; exec "$@""#;
    for name in ["x.p5spy", "x.svg", "x.html"] {
        let mut command = Command::new("unshare");
        command.args(["--mount", "sh", "-c", script, "sh", text(place.path())]);
        command.arg(env!("CARGO_BIN_EXE_p5-spy"));
        command.args([
            "record",
            "-d",
            "25",
            "--pid",
            &target.pid().to_string(),
            "-o",
        ]);
        command.arg(place.path().join(name));
        // The cache cannot be written either.
        command.env("XDG_CACHE_HOME", place.path());
        let begun = Instant::now();
        let said = Running::start(command).finish();
        if said.code() == 99 || said.err.starts_with("unshare") {
            loudly!("SKIPPED a folder that is read only: nothing can be mounted here");
            return;
        }
        said.expect(1, "Read-only file system");
        assert!(begun.elapsed() < Duration::from_secs(15), "{name}");
    }
}

/// A group of processes that together may take so much memory.
struct Little(std::path::PathBuf);

impl Little {
    fn new(bytes: u64) -> Option<Self> {
        let group = format!(
            "/sys/fs/cgroup/memory/p5-spy-{bytes}-{}",
            std::process::id()
        );
        let group = Little(group.into());
        let made = std::fs::create_dir(&group.0).and_then(|()| {
            std::fs::write(group.0.join("memory.limit_in_bytes"), bytes.to_string())
        });
        if made.is_err() {
            loudly!("SKIPPED little memory: no group of processes that we may limit");
            return None;
        }
        Some(group)
    }
}

impl Drop for Little {
    fn drop(&mut self) {
        let deadline = Instant::now() + support::PATIENCE;
        while std::fs::remove_dir(&self.0).is_err() && Instant::now() < deadline {
            std::thread::sleep(Duration::from_millis(3));
        }
    }
}

#[test]
fn little_memory_harms_neither_the_target_nor_what_was_written() {
    let mut target = Target::start(
        r#"$| = 1; $SIG{QUIT} = sub { print "alive\n" }; print "ready\n";
            sub work { my $x; $x += $_ for 1 .. 1000 } work() while 1"#,
    );
    let pid = target.pid().to_string();
    for megabytes in [1, 2, 4, 8, 16, 64] {
        let Some(group) = Little::new(megabytes << 20) else {
            return;
        };
        let place = folder();
        let raw = place.path().join("x.p5spy");
        let line = r#"echo $$ > "$1/tasks"; shift; exec "$@""#;
        let mut command = Command::new("sh");
        command.args([
            "-c",
            line,
            "sh",
            text(&group.0),
            env!("CARGO_BIN_EXE_p5-spy"),
        ]);
        command.args(["record", "-d", "2", "-o", text(&raw), "--pid", &pid]);
        let said = Running::start(command).finish();
        let lived = said.status.success();
        if raw.exists() {
            let seen = samples(&raw);
            assert!(
                seen > 20 || !lived,
                "{megabytes} MB: {seen} samples, {said:?}"
            );
        }
        assert!(lived || megabytes < 16, "{megabytes} MB: {said:?}");
    }
    target.signal(libc::SIGQUIT);
    assert_eq!(target.line(), "alive");
}

/// Everything that the kernel can put onto a disk is there when p5-spy reads it.
#[test]
fn memory_that_is_on_disk_is_read() {
    let target = Target::start(BUSY);
    let maps = std::fs::read_to_string(format!("/proc/{}/maps", target.pid())).unwrap();
    // SAFETY: both calls take numbers and memory that lives until they return.
    let put_out = || unsafe {
        let handle = libc::syscall(libc::SYS_pidfd_open, target.pid(), 0);
        let mut done = 0;
        for line in maps.lines().filter(|line| !line.contains("[vsyscall]")) {
            let (from, rest) = line.split_once('-').unwrap();
            let to = rest.split(' ').next().unwrap();
            let address = |text| usize::from_str_radix(text, 16).unwrap();
            let part = libc::iovec {
                iov_base: address(from) as *mut libc::c_void,
                iov_len: address(to) - address(from),
            };
            let advised = libc::syscall(
                libc::SYS_process_madvise,
                handle,
                &raw const part,
                1,
                libc::MADV_PAGEOUT,
                0,
            );
            done += usize::from(advised > 0);
        }
        libc::close(handle as libc::c_int);
        done
    };
    // Stopped, it does not fetch anything back.
    target.signal(libc::SIGSTOP);
    if put_out() == 0 {
        loudly!("SKIPPED memory on disk: the kernel puts nothing out on demand");
        return;
    }
    for _ in 0..5 {
        let said = run(&["dump", "--no-cache", "--pid", &target.pid().to_string()]);
        said.expect(0, "");
        assert!(said.out.contains("(main)"), "{said:?}");
        put_out();
    }
}
