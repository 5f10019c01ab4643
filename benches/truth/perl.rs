//! Perls to look at, and programs that run under them.

use std::io::{BufRead, BufReader, Write};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

/// The perls under test: `P5SPY_TEST_PERL`, several separated by `:`, or /usr/bin/perl.
pub fn perls() -> Vec<String> {
    let named = std::env::var("P5SPY_TEST_PERL").unwrap_or_else(|_| "/usr/bin/perl".into());
    named.split(':').map(str::to_owned).collect()
}

/// A number from the environment.
pub fn number<T: std::str::FromStr>(variable: &str, otherwise: T) -> T {
    match std::env::var(variable) {
        Ok(text) => match text.parse() {
            Ok(number) => number,
            Err(_) => panic!("{variable} is not a number: {text}"),
        },
        Err(_) => otherwise,
    }
}

/// Lets a program run at the niceness that `P5SPY_BENCH_NICE` says. On a machine that is busy with
/// other things a negative one (as root) keeps the program from waiting for a CPU, which is what
/// would be measured otherwise.
pub fn hurry(command: &mut Command) {
    let nice: i32 = number("P5SPY_BENCH_NICE", 0);
    if nice == 0 {
        return;
    }
    // SAFETY: setpriority is async-signal-safe; 0 is the process itself.
    unsafe {
        command.pre_exec(
            move || match libc::setpriority(libc::PRIO_PROCESS, 0, nice) {
                0 => Ok(()),
                _ => Err(std::io::Error::last_os_error()),
            },
        );
    }
}

/// What a perl prints of itself.
pub fn ask(perl: &str, script: &str) -> String {
    let output = Command::new(perl).args(["-e", script]).output();
    let output = output.unwrap_or_else(|e| panic!("cannot start {perl}: {e}"));
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// Version and threads, for the table.
pub fn describe(perl: &str) -> String {
    ask(
        perl,
        "use Config; print $Config{version}, $Config{useithreads} ? ' threaded' : ''",
    )
}

/// A perl program; dropping it kills it and what it forked.
pub struct Running {
    child: Child,
    pub input: ChildStdin,
    output: BufReader<ChildStdout>,
    /// The processes to look at: itself, or those that it named as its workers.
    pub pids: Vec<i32>,
    /// What it runs lies here.
    pub folder: Option<tempfile::TempDir>,
}

impl Running {
    /// Starts a program, which says "ready" and perhaps the ids of its workers.
    pub fn start(perl: &str, program: &Path, arguments: &[&str]) -> Self {
        let mut command = Command::new(perl);
        command.arg(program).args(arguments);
        Self::of(command, &format!("{perl} {}", program.display()))
    }

    /// The same for any command; `what` is what people call it.
    pub fn of(mut command: Command, what: &str) -> Self {
        command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .process_group(0);
        hurry(&mut command);
        // SAFETY: prctl is async-signal-safe. The program must not outlive a harness that is killed.
        unsafe {
            command.pre_exec(|| {
                libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL);
                Ok(())
            });
        }
        let mut child = command
            .spawn()
            .unwrap_or_else(|e| panic!("cannot start {what}: {e}"));
        let input = child.stdin.take().expect("a pipe");
        let output = BufReader::new(child.stdout.take().expect("a pipe"));
        let pids = vec![child.id() as i32];
        let mut running = Running {
            child,
            input,
            output,
            pids,
            folder: None,
        };
        let said = running.line();
        let mut words = said.split(' ');
        assert_eq!(words.next(), Some("ready"), "{what}");
        let workers: Vec<i32> = words.map(|w| w.parse().expect("a process id")).collect();
        if !workers.is_empty() {
            running.pids = workers;
        }
        running
    }

    /// The next line that it prints.
    pub fn line(&mut self) -> String {
        let mut line = String::new();
        self.output.read_line(&mut line).expect("a line");
        line.trim_end().to_owned()
    }

    /// Writes to its standard input.
    pub fn write(&mut self, text: &str) {
        self.input.write_all(text.as_bytes()).expect("it listens");
    }

    /// The process that was started.
    pub fn pid(&self) -> i32 {
        self.child.id() as i32
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // SAFETY: kill has no memory effects; the group is the child's own until it is reaped.
        unsafe { libc::kill(-self.pid(), libc::SIGKILL) };
        let _ = self.child.wait();
    }
}

/// Nanoseconds that the thread has run, and that it has waited for a CPU (schedstat of proc(5)).
pub fn run_and_wait(pid: i32) -> (u64, u64) {
    let text = std::fs::read_to_string(format!("/proc/{pid}/schedstat")).expect("schedstat");
    let mut numbers = text.split(' ').map(|n| n.trim().parse().unwrap_or(0));
    (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0))
}

/// CPU seconds so far of all threads of a process that runs.
pub fn cpu_of_all(pid: u32) -> f64 {
    let tasks = std::fs::read_dir(format!("/proc/{pid}/task")).expect("it runs");
    let of = |task: std::fs::DirEntry| {
        let text = std::fs::read_to_string(task.path().join("schedstat")).unwrap_or_default();
        let run = text.split(' ').next().and_then(|n| n.parse::<f64>().ok());
        run.unwrap_or(0.0) / 1e9
    };
    tasks.flatten().map(of).sum()
}
