//! What must never happen to a process in production: it is not stopped, signalled, moved, slowed
//! down by another priority, or written to. p5-spy runs under strace, and everything that it asks
//! the kernel for is looked at.

use crate::loudly;
use crate::support;

use loudly::loudly;
use std::collections::BTreeSet;
use std::mem::{size_of, zeroed};
use std::process::Command;
use support::trace::whole_calls;
use support::{PERL, Running, Target, cache_home, folder, text};

/// Computes and sleeps in turn.
const PHASES: &str = "$| = 1; alarm 120; print qq(ready\\n);
    sub works { my $x = 0; $x += $_ for 1 .. 20_000; $x } sub rests { select undef, undef, undef, .02 }
    while (1) { works() for 1 .. 20; rests() }";

/// The same in two threads.
const THREADED: &str = "use threads; $| = 1; alarm 120;
    sub works { my $x = 0; $x += $_ for 1 .. 20_000; $x } sub rests { select undef, undef, undef, .02 }
    my $other = threads->create(sub { while (1) { works() for 1 .. 20; rests() } });
    print qq(ready\\n); while (1) { works() for 1 .. 5; rests() }";

/// One system call of a trace.
struct Call<'a> {
    name: &'a str,
    arguments: Vec<&'a str>,
    line: &'a str,
}

impl<'a> Call<'a> {
    /// `1234  openat(AT_FDCWD, "/x", O_RDONLY) = 3`.
    fn parse(line: &'a str) -> Option<(i32, Self)> {
        let (tid, rest) = line.split_once(' ')?;
        let (name, rest) = rest.trim_start().split_once('(')?;
        let call = Call {
            name,
            arguments: rest.split(", ").collect(),
            line,
        };
        Some((tid.parse().ok()?, call))
    }

    /// The number in this place; 0 means the caller itself wherever we look at one.
    fn number(&self, index: usize) -> i32 {
        let word = self.arguments.get(index).unwrap_or(&"");
        let digits = word.trim_end_matches(|c: char| !c.is_ascii_digit());
        let parsed = digits.parse();
        parsed.unwrap_or_else(|_| panic!("no number in place {index}: {}", self.line))
    }
}

/// Refuses every call that could do something to a process that is not our own.
fn check(call: &Call<'_>, ours: &BTreeSet<i32>) {
    let own = |id: i32| id == 0 || ours.contains(&id);
    let line = call.line;
    match call.name {
        "ptrace" | "kill" | "tkill" | "tgkill" | "rt_sigqueueinfo" | "rt_tgsigqueueinfo"
        | "pidfd_send_signal" | "process_vm_writev" | "process_madvise" | "process_mrelease"
        | "migrate_pages" | "move_pages" | "kcmp" => {
            panic!("forbidden: {line}")
        }
        // The kernel takes note of when a thread comes to a CPU and leaves it, and interrupts it no more for that.
        "perf_event_open" => {
            let switches = ["PERF_COUNT_SW_CONTEXT_SWITCHES", "PERF_COUNT_SW_DUMMY"];
            assert!(switches.iter().any(|event| line.contains(event)), "{line}");
        }
        "sched_setaffinity" | "sched_setattr" | "sched_setscheduler" | "sched_setparam"
        | "setpgid" => assert!(own(call.number(0)), "of another process: {line}"),
        "setpriority" | "ioprio_set" => assert!(own(call.number(1)), "{line}"),
        "prlimit64" if !line.contains(", NULL, ") => assert!(own(call.number(0)), "{line}"),
        "open" | "openat" | "openat2" | "creat" if line.contains("\"/proc/") => {
            let writes = ["O_WRONLY", "O_RDWR", "O_CREAT", "O_TRUNC"];
            let writes = call.name == "creat" || writes.iter().any(|w| line.contains(w));
            assert!(!writes, "opened to be written: {line}");
        }
        _ => {}
    }
}

/// How the kernel schedules a thread: affinity, policy, real-time priority, nice value.
fn scheduling(tid: i32) -> (Vec<usize>, i32, i32, i32) {
    // SAFETY: a cpu_set_t is a plain bit array and a sched_param one integer; the calls fill them
    // and ask about a thread only.
    unsafe {
        let mut cpus: libc::cpu_set_t = zeroed();
        let size = size_of::<libc::cpu_set_t>();
        assert_eq!(libc::sched_getaffinity(tid, size, &mut cpus), 0);
        let mut priority: libc::sched_param = zeroed();
        // By number: musl has no such functions.
        let place = &raw mut priority;
        assert_eq!(libc::syscall(libc::SYS_sched_getparam, tid, place), 0);
        (
            (0..libc::CPU_SETSIZE as usize)
                .filter(|cpu| libc::CPU_ISSET(*cpu, &cpus))
                .collect(),
            libc::syscall(libc::SYS_sched_getscheduler, tid) as i32,
            priority.sched_priority,
            libc::getpriority(libc::PRIO_PROCESS, tid as u32),
        )
    }
}

/// Binds a thread of a target to the first CPU that it may use, at a nice value of its own, so
/// that any change would show.
fn settle(tid: i32) {
    let (cpus, ..) = scheduling(tid);
    // SAFETY: as above; the set is initialised and the CPU is one of it.
    unsafe {
        let mut only: libc::cpu_set_t = zeroed();
        libc::CPU_SET(cpus[0], &mut only);
        let size = size_of::<libc::cpu_set_t>();
        assert_eq!(libc::sched_setaffinity(tid, size, &only), 0);
        assert_eq!(libc::setpriority(libc::PRIO_PROCESS, tid as u32, 3), 0);
    }
}

fn tasks(pid: i32) -> Vec<i32> {
    let entries = std::fs::read_dir(format!("/proc/{pid}/task")).unwrap();
    let mut tids: Vec<i32> = entries
        .map(|e| e.unwrap().file_name().to_str().unwrap().parse().unwrap())
        .collect();
    tids.sort_unstable();
    tids
}

fn status(tid: i32, field: &str) -> String {
    let status = std::fs::read_to_string(format!("/proc/{tid}/status")).unwrap();
    let line = status.lines().find_map(|l| l.strip_prefix(field));
    line.unwrap().trim().to_owned()
}

/// Records a script under strace, and looks at the script and at the trace.
fn leaves_alone(script: &str, threads: usize) {
    if Command::new("strace").arg("-V").output().is_err() {
        loudly!("SKIPPED: strace is not installed, so nobody saw what p5-spy does to a process");
        return;
    }
    let target = Target::start(script);
    let pid = target.pid();
    let tids = tasks(pid);
    assert_eq!(tids.len(), threads);
    tids.iter().for_each(|tid| settle(*tid));
    let before: Vec<_> = tids.iter().map(|tid| scheduling(*tid)).collect();

    let folder = folder();
    let trace = folder.path().join("trace");
    let mut command = Command::new("strace");
    command
        .args(["-f", "-o", text(&trace), env!("CARGO_BIN_EXE_p5-spy")])
        .args(["record", "--no-debug-info", "-r", "200", "-d", "1"])
        .args(["-f", "collapsed", "-o", "-", "--pid", &pid.to_string()])
        .env("HOME", "/nonexistent")
        .env("XDG_CACHE_HOME", cache_home());
    let running = Running::start(command);
    let until = std::time::Instant::now() + std::time::Duration::from_millis(800);
    while std::time::Instant::now() < until {
        for (tid, before) in tids.iter().zip(&before) {
            assert_eq!(scheduling(*tid), *before, "thread {tid}, meanwhile");
            assert_eq!(status(*tid, "TracerPid:"), "0");
            assert!(!status(*tid, "State:").starts_with(['T', 't']), "stopped");
        }
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
    let finished = running.finish();
    finished.expect(0, "");
    assert!(finished.out.contains("main::works"), "{finished:?}");

    assert_eq!(tasks(pid), tids, "the target lives on as it was");
    for (tid, before) in tids.iter().zip(before) {
        assert_eq!(scheduling(*tid), before, "thread {tid}, afterwards");
        for pending in ["SigPnd:", "ShdPnd:"] {
            assert_eq!(status(*tid, pending).trim_start_matches('0'), "");
        }
    }

    let trace = whole_calls(&std::fs::read_to_string(&trace).unwrap());
    let calls: Vec<(i32, Call)> = trace.lines().filter_map(Call::parse).collect();
    let ours: BTreeSet<i32> = calls.iter().map(|(tid, _)| *tid).collect();
    assert!(tids.iter().all(|tid| !ours.contains(tid)));
    calls.iter().for_each(|(_, call)| check(call, &ours));
    // It did look, and the trace would have shown the rest.
    let count = |name: &str| calls.iter().filter(|(_, call)| call.name == name).count();
    assert!(count("process_vm_readv") > 20, "{trace}");
    assert!(count("sched_setaffinity") > 0, "{trace}");
    assert!(count("openat") > 0, "{trace}");
}

#[test]
fn a_program_that_works_and_rests() {
    leaves_alone(PHASES, 1);
}

#[test]
fn a_program_with_threads() {
    let asked = Command::new(PERL)
        .args(["-MConfig", "-e", "exit !$Config{useithreads}"])
        .status();
    if !asked.unwrap().success() {
        loudly!("SKIPPED: {PERL} has no threads");
        return;
    }
    leaves_alone(THREADED, 2);
}

#[test]
#[should_panic(expected = "of another process")]
fn the_affinity_of_another_is_noticed() {
    let (tid, call) = Call::parse("7  sched_setaffinity(8, 128, [0]) = 0").unwrap();
    check(&call, &BTreeSet::from([tid]));
}

#[test]
#[should_panic(expected = "forbidden")]
fn a_signal_is_noticed() {
    let (tid, call) = Call::parse("7 tgkill(8, 9, SIGSTOP <unfinished ...>").unwrap();
    check(&call, &BTreeSet::from([tid]));
}

#[test]
#[should_panic(expected = "to be written")]
fn writing_is_noticed() {
    let line = "7  openat(AT_FDCWD, \"/proc/8/mem\", O_RDWR|O_CLOEXEC) = 3";
    let (tid, call) = Call::parse(line).unwrap();
    check(&call, &BTreeSet::from([tid]));
}
