//! What the integration tests share: running p5-spy and perl with a bound on every wait.
#![allow(dead_code)] // Every test program uses its own part of this.

pub mod hidden;
pub mod trace;
pub mod xml;

use std::io::{BufRead, BufReader, Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex, OnceLock};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// Longer than anything takes on a machine that is busy with something else.
pub const PATIENCE: Duration = Duration::from_secs(30);

/// The system's perl.
pub const PERL: &str = "/usr/bin/perl";

/// Which perl that is.
pub struct ThisPerl {
    /// Such as `5.36.0`.
    pub version: String,
    /// It has threads.
    pub is_threaded: bool,
    /// Such as `x86_64-linux-gnu-thread-multi`.
    pub archname: String,
    /// The file that perl is in: [`PERL`], or the library that it loads (`-Duseshrplib`, as Fedora and Alpine have it).
    pub file: PathBuf,
}

/// Asks it.
pub fn this_perl() -> &'static ThisPerl {
    static PERL_HERE: OnceLock<ThisPerl> = OnceLock::new();
    PERL_HERE.get_or_init(|| {
        let asks = "use Config; my $file = '/usr/bin/perl';
            if (open my $maps, '<', '/proc/self/maps') { m{(/\\S*/libperl\\S*)} and $file = $1 while <$maps> }
            printf '%vd %s %s %s', $^V, $Config{useithreads} || 'no', $Config{archname}, $file";
        let said = Command::new(PERL).args(["-e", asks]).output().unwrap();
        let said = String::from_utf8(said.stdout).unwrap();
        let words: Vec<&str> = said.split(' ').collect();
        ThisPerl {
            version: words[0].to_owned(),
            is_threaded: words[1] == "define",
            archname: words[2].to_owned(),
            file: words[3].into(),
        }
    })
}

impl ThisPerl {
    /// `perl 5.36.0 threaded`, as p5-spy has it in its messages.
    pub fn kind(&self) -> &'static str {
        match self.is_threaded {
            true => "threaded",
            false => "unthreaded",
        }
    }

    /// The built-in table that is made for it; none for a version that is too new.
    pub fn table(&self) -> Option<String> {
        let series = self.version.rsplit_once('.').unwrap().0;
        let suffix = if self.is_threaded { "" } else { "-unthreaded" };
        let name = format!("{series}{suffix}.toml");
        let is_common = self.archname.starts_with("x86_64");
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("layouts");
        (is_common && folder.join(&name).exists()).then_some(name)
    }

    /// Its program is all of it. Says so where it is not.
    pub fn is_one_file(&self) -> bool {
        let is_it = self.file == Path::new(PERL);
        if !is_it {
            let mut err = std::io::stderr();
            let _ = writeln!(err, "LEFT OUT: perl is in {}", self.file.display());
        }
        is_it
    }

    /// It is the one of which some tests have the table at hand: Debian 12's. Says so where it is not.
    pub fn is_debian_12(&self) -> bool {
        let is_it =
            self.version == "5.36.0" && self.is_threaded && self.archname.starts_with("x86_64");
        if !is_it {
            let mut err = std::io::stderr();
            let _ = writeln!(
                err,
                "LEFT OUT: the table is for 5.36.0, not for {}",
                self.version
            );
        }
        is_it
    }
}

/// The words by which another p5-spy is started than the one that was built with the tests:
/// `P5SPY_TEST_SPY`, for one that an emulator runs.
pub fn other_spy() -> Option<Vec<String>> {
    let words = std::env::var("P5SPY_TEST_SPY").ok()?;
    let words = Some(words).filter(|words| !words.is_empty())?;
    Some(words.split(' ').map(str::to_owned).collect())
}

/// The program under test, without the settings of whoever runs the tests.
pub fn spy() -> Command {
    let words = other_spy().unwrap_or_else(|| vec![env!("CARGO_BIN_EXE_p5-spy").to_owned()]);
    let mut command = Command::new(&words[0]);
    surround(command.args(&words[1..]));
    command
}

/// Gives a command, which may start p5-spy through another program, what p5-spy has around it in tests.
pub fn surround(command: &mut Command) {
    command
        .env("HOME", "/nonexistent")
        .env("COLUMNS", "100")
        .env("XDG_CACHE_HOME", cache_home())
        .env_remove("XDG_CONFIG_HOME")
        .env_remove("NO_COLOR")
        .env_remove("P5SPY_OPTS")
        .stdin(Stdio::null());
}

/// A cache of this run's own, empty at its start.
pub fn cache_home() -> &'static Path {
    static FOLDER: OnceLock<tempfile::TempDir> = OnceLock::new();
    FOLDER.get_or_init(|| tempfile::tempdir().unwrap()).path()
}

/// Runs p5-spy with these words to its end.
pub fn run(words: &[&str]) -> Finished {
    let mut command = spy();
    command.args(words);
    Running::start(command).finish()
}

/// Runs a line that needs no quoting.
pub fn run_line(line: &str) -> Finished {
    run(&line.split_whitespace().collect::<Vec<_>>())
}

/// Runs p5-spy to its end, with 4 GiB of address space at most. The second value is the most memory that
/// it or a child of its took, in bytes: what this test has is not counted, which a fork of it would be.
#[cfg(target_os = "linux")]
pub fn measured(words: &[&str]) -> (Finished, u64, Duration) {
    // Of the largest of the processes that were waited for (getrusage(2)), in KiB.
    const LINE: &str = r#"my ($out, $call) = splice @ARGV, 0, 2; my $status = system { $ARGV[0] } @ARGV;
        my $usage = "\0" x 144; syscall($call, -1, $usage);
        open my $file, '>', $out or die; print $file unpack 'x32 q', $usage;
        exit($status & 127 ? 128 + ($status & 127) : $status >> 8)"#;
    const LIMITED: &str = r#"ulimit -v 4194304; exec "$@""#;
    let usage = folder();
    let usage = usage.path().join("usage");
    let plain = spy();
    let mut command = Command::new("/bin/sh");
    command
        .args(["-c", LIMITED, "sh", PERL, "-e", LINE, text(&usage)])
        .arg(libc::SYS_getrusage.to_string())
        .arg(plain.get_program())
        .args(words)
        .stdin(Stdio::null());
    surround(&mut command);
    let started = Instant::now();
    let done = Running::start(command).finish();
    let taken = started.elapsed();
    let peak: u64 = std::fs::read_to_string(&usage).unwrap().parse().unwrap();
    (done, peak << 10, taken)
}

/// Polls until something is there.
pub fn wait_for<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + PATIENCE;
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(Instant::now() < deadline, "waited in vain for {what}");
        std::thread::sleep(Duration::from_millis(3));
    }
}

/// A program that has ended.
#[derive(Debug)]
pub struct Finished {
    pub status: ExitStatus,
    pub out: String,
    pub err: String,
}

impl Finished {
    /// The exit code; a death by signal fails the test.
    pub fn code(&self) -> i32 {
        match self.status.code() {
            Some(code) => code,
            None => panic!("ended by a signal: {self:?}"),
        }
    }

    /// Insists on an exit code and on something in the messages.
    #[track_caller]
    pub fn expect(&self, code: i32, needle: &str) -> &Self {
        assert_eq!(self.code(), code, "{self:?}");
        assert!(
            self.err.contains(needle),
            "{needle:?} is not in: {}",
            self.err
        );
        self
    }

    /// Insists that standard output has no line that looks like a frame.
    #[track_caller]
    pub fn no_stack(&self) -> &Self {
        let frames = self.out.lines().filter(|l| {
            l.contains("main::") || l.contains("(main)") || (l.contains("(/") && l.contains(".pl"))
        });
        assert_eq!(frames.count(), 0, "{self:?}");
        self
    }
}

/// What a stream said so far, and the thread that listens.
struct Heard {
    bytes: Arc<Mutex<Vec<u8>>>,
    listener: JoinHandle<()>,
}

impl Heard {
    fn listen(mut source: impl Read + Send + 'static) -> Self {
        let bytes = Arc::new(Mutex::new(Vec::new()));
        let into = bytes.clone();
        let listener = std::thread::spawn(move || {
            let mut piece = [0; 4096];
            while let Ok(got @ 1..) = source.read(&mut piece) {
                into.lock().unwrap().extend_from_slice(&piece[..got]);
            }
        });
        Heard { bytes, listener }
    }

    fn text(&self) -> String {
        String::from_utf8_lossy(&self.bytes.lock().unwrap()).into_owned()
    }

    /// Everything, unless a program that was left behind keeps the stream open.
    fn all(&self) -> String {
        let deadline = Instant::now() + Duration::from_secs(2);
        while !self.listener.is_finished() && Instant::now() < deadline {
            std::thread::sleep(Duration::from_millis(2));
        }
        self.text()
    }
}

/// A program that runs; dropping it kills it.
pub struct Running {
    child: Child,
    out: Heard,
    err: Heard,
}

impl Running {
    /// Starts it with both outputs caught.
    pub fn start(mut command: Command) -> Self {
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let out = Heard::listen(child.stdout.take().unwrap());
        let err = Heard::listen(child.stderr.take().unwrap());
        Running { child, out, err }
    }

    pub fn pid(&self) -> i32 {
        self.child.id() as i32
    }

    /// Its standard input, if that was made a pipe.
    pub fn stdin(&mut self) -> ChildStdin {
        self.child.stdin.take().unwrap()
    }

    pub fn signal(&self, signal: i32) {
        kill(self.pid(), signal);
    }

    /// Waits until standard output has a whole line that starts this way, and gives the rest of it.
    pub fn says(&self, start: &str) -> String {
        wait_for(start, || {
            let text = self.out.text();
            let whole = text.get(..text.rfind('\n')? + 1)?;
            let rest = whole.lines().find_map(|line| line.strip_prefix(start))?;
            Some(rest.to_owned())
        })
    }

    /// Waits until one of its threads is in a read of other memory and stays there.
    #[cfg(target_os = "linux")]
    pub fn is_stuck(&mut self) {
        let tasks = format!("/proc/{}/task", self.pid());
        let reading = || {
            let tasks = std::fs::read_dir(&tasks).ok()?;
            let mut calls = tasks
                .filter_map(|task| std::fs::read_to_string(task.ok()?.path().join("syscall")).ok());
            let number = format!("{} ", libc::SYS_process_vm_readv);
            calls.any(|call| call.starts_with(&number)).then_some(())
        };
        wait_for("a read that does not come back", || {
            reading()?;
            std::thread::sleep(Duration::from_millis(300));
            reading()
        });
    }

    /// Waits until p5-spy samples: it does so on a thread of its own.
    pub fn samples(&mut self) {
        let tasks = format!("/proc/{}/task", self.pid());
        let err = &self.err;
        let child = &mut self.child;
        wait_for("the sampling thread", || {
            if let Some(status) = child.try_wait().unwrap() {
                panic!("p5-spy ended ({status}): {}", err.text());
            }
            let threads = std::fs::read_dir(&tasks).ok()?.flatten();
            let names = threads.map(|thread| std::fs::read_to_string(thread.path().join("comm")));
            let mut names = names.filter_map(Result::ok);
            names.any(|name| name.trim() == "sampler").then_some(())
        });
    }

    /// Waits for its end.
    pub fn finish(self) -> Finished {
        self.finish_within(PATIENCE)
    }

    /// Waits for its end as long as that may take.
    pub fn finish_within(mut self, patience: Duration) -> Finished {
        let child = &mut self.child;
        let deadline = Instant::now() + patience;
        let status = loop {
            if let Some(status) = child.try_wait().unwrap() {
                break status;
            }
            if Instant::now() >= deadline {
                let (out, err) = (self.out.text(), self.err.text());
                panic!("still running after {patience:?}\n{out}\n{err}");
            }
            std::thread::sleep(Duration::from_millis(3));
        };
        Finished {
            status,
            out: self.out.all(),
            err: self.err.all(),
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // Already reaped by `finish` in most tests: then neither does anything.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A perl to look at, by its process id; dropping it kills it.
pub struct Target {
    child: Child,
    out: BufReader<ChildStdout>,
}

impl Target {
    /// Starts a script, which must print a line "ready" when it is where the test wants it.
    pub fn start(script: &str) -> Self {
        Self::with_words(&["-e", script])
    }

    /// The same with perl's whole command line.
    pub fn with_words(words: &[&str]) -> Self {
        Self::of_perl(Path::new(PERL), words)
    }

    /// The same with another perl.
    pub fn of_perl(perl: &Path, words: &[&str]) -> Self {
        let mut command = Command::new(perl);
        command.args(words);
        Self::of_command(command)
    }

    /// The same with whatever else there is to say about its start.
    pub fn of_command(mut command: Command) -> Self {
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let out = BufReader::new(child.stdout.take().unwrap());
        let mut target = Target { child, out };
        assert_eq!(target.line(), "ready");
        target
    }

    pub fn pid(&self) -> i32 {
        self.child.id() as i32
    }

    /// Writes to its standard input.
    pub fn write(&mut self, bytes: &[u8]) {
        let input = self.child.stdin.as_mut().unwrap();
        input.write_all(bytes).and_then(|()| input.flush()).unwrap();
    }

    /// The next line that it prints.
    pub fn line(&mut self) -> String {
        let mut line = String::new();
        self.out.read_line(&mut line).unwrap();
        line.trim_end().to_owned()
    }

    pub fn signal(&self, signal: i32) {
        kill(self.pid(), signal);
    }

    /// Waits until it sleeps in the kernel.
    pub fn blocks(&self) {
        wait_for("the target to wait", || {
            (state(self.pid())? == 'S').then_some(())
        });
    }
}

impl Drop for Target {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Sends a signal.
pub fn kill(pid: i32, signal: i32) {
    // SAFETY: kill has no memory effects in this process.
    unsafe { libc::kill(pid, signal) };
}

/// The kernel's letter for what a process does; `None` when there is no such process.
pub fn state(pid: i32) -> Option<char> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    stat.rsplit_once(") ")?.1.chars().next()
}

/// The processes that a process started.
pub fn children(pid: i32) -> Vec<i32> {
    let parent = |pid: i32| -> Option<i32> {
        let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        stat.rsplit_once(") ")?.1.split(' ').nth(1)?.parse().ok()
    };
    let mut all = processes();
    all.retain(|one| parent(*one) == Some(pid));
    all
}

fn processes() -> Vec<i32> {
    let entries = std::fs::read_dir("/proc").unwrap();
    entries
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
        .collect()
}

/// Waits until a process that is not our child has ended; nobody may reap it in a container, so a
/// zombie counts as gone.
pub fn is_gone(pid: i32) {
    wait_for("the end of a process", || {
        matches!(state(pid), None | Some('Z' | 'X')).then_some(())
    });
}

/// Processes whose command line has this word; the word must be unlikely.
pub fn processes_with(word: &str) -> Vec<i32> {
    processes()
        .into_iter()
        .filter(|pid| {
            let line = std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
            line.windows(word.len()).any(|w| w == word.as_bytes())
                && !matches!(state(*pid), None | Some('Z' | 'X'))
        })
        .collect()
}

/// The names in a folder.
pub fn listing(folder: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(folder).unwrap();
    let mut names: Vec<String> = entries
        .map(|e| e.unwrap().file_name().to_string_lossy().into_owned())
        .collect();
    names.sort();
    names
}

/// The text of a path.
pub fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

/// A new folder that goes away with its owner.
pub fn folder() -> tempfile::TempDir {
    tempfile::tempdir().unwrap()
}

/// Copies a program that is to be run. A process of its own does it: one that another thread starts
/// meanwhile would inherit the copy as it is written, and nobody can run it then (ETXTBSY).
pub fn copy_program(from: impl AsRef<Path>, to: &Path) {
    let copied = Command::new("cp").arg(from.as_ref()).arg(to).status();
    assert!(copied.unwrap().success(), "{}", to.display());
}

/// Writes a file into a folder.
pub fn file(folder: &Path, name: &str, content: &str) -> PathBuf {
    let path = folder.join(name);
    std::fs::write(&path, content).unwrap();
    path
}

/// There is util-linux's setpriv: busybox has one that can do little.
pub fn has_setpriv() -> bool {
    let said = Command::new("setpriv").arg("--version").output();
    said.is_ok_and(|said| String::from_utf8_lossy(&said.stdout).contains("util-linux"))
}

/// What the C library calls an error of the system.
pub fn named_error(code: i32) -> String {
    let text = std::io::Error::from_raw_os_error(code).to_string();
    text.split(" (os error").next().unwrap().to_owned()
}

/// What a terminal is set to, in words. Behind what the kernel sets (NCCS of asm-generic/termbits.h) the C library has
/// room, in which anything may be.
#[cfg(unix)]
pub fn settings(master: &dyn portable_pty::MasterPty) -> String {
    let set = master.get_termios().unwrap();
    let flags = (
        set.input_flags,
        set.output_flags,
        set.control_flags,
        set.local_flags,
    );
    format!("{flags:?} {:?}", &set.control_chars[..19])
}

/// Collapsed stacks as (frames from the outside in, count).
pub fn stacks(collapsed: &str) -> Vec<(Vec<String>, u64)> {
    let line = |line: &str| {
        let (frames, count) = line.rsplit_once(' ').unwrap();
        let frames = frames.split(';').map(str::to_owned).collect();
        (frames, count.parse().unwrap())
    };
    collapsed.lines().map(line).collect()
}

/// A program that spends its CPU time 70/20/10 on three subs, measures that itself, and says
/// what it was when it ends, after so many seconds of CPU time or at SIGTERM: the three, and what
/// the main program took.
pub const SPLIT: &str = r#"use strict; use warnings;
use Time::HiRes qw(clock_gettime CLOCK_PROCESS_CPUTIME_ID);
alarm 120;
$| = 1;
my ($until, %spent, $stop) = shift // 100;
$SIG{TERM} = sub { $stop = 1 };
sub hot { my $x = 0; $x += $_ for 1 .. $_[0]; $x }
sub warm { my $x = 0; $x += $_ for 1 .. $_[0]; $x }
sub cool { my $x = 0; $x += $_ for 1 .. $_[0]; $x }
my @parts = ([hot => \&hot, 7], [warm => \&warm, 2], [cool => \&cool, 1]);
print "ready\n";
my $all = clock_gettime(CLOCK_PROCESS_CPUTIME_ID);
until ($stop || clock_gettime(CLOCK_PROCESS_CPUTIME_ID) > $until) {
    for my $part (@parts) {
        my ($name, $code, $units) = @$part;
        # Lengths vary, so that no rhythm of the sampler can meet one of the program.
        my $times = int $units * 1500 * (0.5 + rand);
        my $from = clock_gettime(CLOCK_PROCESS_CPUTIME_ID);
        $code->($times);
        $spent{$name} += clock_gettime(CLOCK_PROCESS_CPUTIME_ID) - $from;
    }
}
$all = clock_gettime(CLOCK_PROCESS_CPUTIME_ID) - $all;
my @spent = map $spent{$_->[0]}, @parts;
$all -= $_ for @spent;
# Time spent ready to run while others had the CPU, in nanoseconds.
open my $stat, '<', '/proc/self/schedstat' or die; my $waited = (split ' ', <$stat>)[1] / 1e9;
print "spent @spent $all $waited\n";
"#;

/// Holds what was sampled of the three subs of [`SPLIT`], and of its main program when that is
/// given, against what it said itself.
#[track_caller]
pub fn shares_agree(spent: &str, sampled: &[u64]) {
    let spent: Vec<f64> = spent.split(' ').map(|s| s.parse().unwrap()).collect();
    let waited = spent.last().copied().unwrap_or(0.0);
    let spent = &spent[..sampled.len()];
    let (all, samples) = (
        spent.iter().sum::<f64>(),
        sampled.iter().sum::<u64>() as f64,
    );
    assert!(samples > 300.0, "too few to tell anything: {sampled:?}");
    for (time, count) in spent.iter().zip(sampled) {
        let (truth, seen) = (time / all, *count as f64 / samples);
        // On a busy machine the program waits for a CPU, and mostly where it calls the system. To
        // wait for a CPU is to run, as p5-spy counts it.
        let elsewhere = waited / (all + waited);
        let allowed = 4.0 * (truth * (1.0 - truth) / samples).sqrt() + 0.02 + elsewhere;
        assert!(
            (truth - seen).abs() <= allowed,
            "spent {spent:?} and waited {waited}, sampled {sampled:?}: {truth:.3} against {seen:.3}, allowed {allowed:.3}"
        );
    }
}
