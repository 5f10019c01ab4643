//! Running a perl on the calibration script and looking at it at every stop.

use super::LearnError;
use super::facts::{Facts, SCRIPT};
use super::snapshot::Snapshot;
use super::solution::Unsolved;
use crate::examine::{Examiner, find_perl};
use crate::ids::Pid;
use crate::image::Image;
use crate::memory::{Abi, ReadError};
use crate::platform::execute::{Pinned, in_own_group};
use crate::platform::sandbox::Limits;
use crate::platform::{Listed, LiveMemory, MappedFile, Process, forget_helper, poll, start_helper};
use std::collections::HashMap;
use std::ffi::OsString;
use std::io::{BufRead, BufReader, ErrorKind, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::time::{Duration, Instant};

/// How long the whole script may take on a very busy machine.
const PATIENCE: Duration = Duration::from_secs(20);

/// What a perl may use while it is calibrated: far more than it needs.
const LIMITS: Limits = Limits {
    memory: 4 << 30,
    cpu: 20,
};

/// How to start a perl.
#[derive(Debug, Default)]
pub struct Start {
    /// The program.
    pub program: Program,
    /// Words in front of perl's own, for a loader.
    pub arguments: Vec<OsString>,
    /// Variables that it needs to find its libraries.
    pub environment: Vec<(OsString, OsString)>,
    /// It runs as ourselves, with our environment.
    pub is_ours: bool,
}

/// The program to run.
#[derive(Debug)]
pub enum Program {
    /// By a name that our user gave.
    Named(PathBuf),
    /// What a process runs, by descriptor.
    Pinned(Pinned),
}

impl Default for Program {
    fn default() -> Self {
        Program::Named(PathBuf::new())
    }
}

impl From<&Path> for Start {
    fn from(program: &Path) -> Self {
        Start {
            program: Program::Named(program.to_owned()),
            is_ours: true,
            ..Start::default()
        }
    }
}

impl Start {
    /// What the program is called.
    pub fn name(&self) -> &Path {
        match &self.program {
            Program::Named(name) => name,
            Program::Pinned(pinned) => &pinned.name,
        }
    }

    /// The command.
    ///
    /// # Errors
    /// In words.
    fn command(&self) -> Result<Command, String> {
        let mut command = Command::new(self.name());
        let script = ["-e", SCRIPT].map(OsString::from);
        match &self.program {
            Program::Named(_) => {
                for name in UNWANTED {
                    command.env_remove(name);
                }
                command.args(&self.arguments).args(script);
            }
            Program::Pinned(pinned) => {
                let mut words = vec![pinned.name.clone().into_os_string()];
                words.extend(self.arguments.iter().cloned());
                words.extend(pinned.loaded_word());
                words.extend(script);
                pinned.run_by(&mut command, LIMITS, &words, &self.variables())?;
            }
        }
        Ok(command)
    }

    /// Its environment: ours, where it is ours. What root has in it is nobody else's business.
    fn variables(&self) -> Vec<(OsString, OsString)> {
        let mut variables: Vec<(OsString, OsString)> = match self.is_ours {
            true => std::env::vars_os().collect(),
            false => [("PATH", "/usr/bin:/bin"), ("LC_ALL", "C")]
                .map(|(name, value)| (name.into(), value.into()))
                .to_vec(),
        };
        let is_set = |name: &OsString| self.environment.iter().any(|(known, _)| known == name);
        variables.retain(|(name, _)| !UNWANTED.iter().any(|u| name == u) && !is_set(name));
        variables.extend(self.environment.iter().cloned());
        variables
    }
}

/// A perl that is being calibrated; dropped, it is ended.
pub struct Calibration {
    child: Child,
    stdin: ChildStdin,
    /// What the script told.
    pub facts: Facts,
    /// Its memory at each stop, by the stop's name.
    pub stops: HashMap<String, Snapshot>,
    /// The process, which stays at the last stop.
    pub process: Process,
    /// The file that defines its perl, known from the first stop on: the program that was started
    /// may be a script that starts it.
    pub perl: Option<(Image, MappedFile)>,
}

impl Drop for Calibration {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        forget_helper(Pid::from(self.child.id()));
    }
}

/// The variables of the environment that change what a perl does.
const UNWANTED: [&str; 6] = [
    "PERL5OPT",
    "PERL5DB",
    "PERLIO",
    "PERL_UNICODE",
    "PERL5SHELL",
    "PERL_SIGNALS",
];

impl Calibration {
    /// Runs the script up to its last stop.
    ///
    /// # Errors
    /// [`LearnError`] when it does not get there.
    pub fn run(start: &Start) -> Result<Self, LearnError> {
        let program = start.name();
        let failed = |reason: String| LearnError::Run {
            program: program.to_owned(),
            reason,
        };
        let mut command = start.command().map_err(&failed)?;
        command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null());
        let command = in_own_group(&mut command);
        let mut child = start_helper(|| command.spawn(), |child| Pid::from(child.id()))
            .map_err(|e| failed(format!("it does not start: {e}")))?;
        let streams = child.stdin.take().zip(child.stdout.take());
        let (stdin, stdout) = streams.ok_or_else(|| failed("it has no streams".into()))?;
        let pid = Pid::from(child.id());
        let process = Process::open(pid).map_err(|e| failed(e.to_string()))?;
        let mut run = Calibration {
            child,
            stdin,
            facts: Facts::default(),
            stops: HashMap::new(),
            process,
            perl: None,
        };
        let memory = LiveMemory::new(pid);
        let deadline = Instant::now() + PATIENCE;
        let mut lines = BufReader::new(stdout);
        loop {
            let line = read_line(&mut lines, deadline).map_err(&failed)?;
            let Some(stop) = line.strip_prefix("stop ") else {
                if !run.facts.note(&line) {
                    return Err(failed(format!("it answered {line:?}")));
                }
                continue;
            };
            wait_for_read(pid, deadline).map_err(&failed)?;
            let abi = run.abi()?;
            let maps = process.mappings()?;
            let snapshot = Snapshot::take(&memory, abi, &maps)?;
            run.stops.insert(stop.to_owned(), snapshot);
            let go_on: &[u8] = match stop {
                "last" => return Ok(run),
                // What `do FILE` reads.
                "parse" => b"1;\n__END__\n",
                _ => b"\n",
            };
            run.stdin
                .write_all(go_on)
                .map_err(|e| failed(format!("it ended at stop {stop}: {e}")))?;
        }
    }
}

impl Calibration {
    /// The memory at a stop.
    ///
    /// # Errors
    /// [`Unsolved`] when the script has no such stop.
    pub fn stop(&self, name: &'static str) -> Result<&Snapshot, Unsolved> {
        self.stops.get(name).ok_or(Unsolved::new(name, 0))
    }

    /// Finds the file that defines the perl at the first stop.
    fn abi(&mut self) -> Result<Abi, LearnError> {
        if self.perl.is_none() {
            let files = self.process.mapped_programs()?;
            let program = self.process.executable()?;
            let examiner = Examiner::of(self.process);
            let found = find_perl(self.process, &examiner, &program, &files);
            self.perl = Some(found?);
        }
        let found = self.perl.as_ref().map(|(image, _)| image.abi());
        found.ok_or(LearnError::Read(ReadError::NoSuchProcess))
    }
}

fn read_line(
    lines: &mut BufReader<std::process::ChildStdout>,
    deadline: Instant,
) -> Result<String, String> {
    let mut line = Vec::new();
    loop {
        if lines.buffer().is_empty() {
            let left = deadline.saturating_duration_since(Instant::now());
            if !poll::answers_within(lines.get_ref(), left) {
                return Err("it did not answer in time".into());
            }
        }
        let more = match lines.fill_buf() {
            Err(e) if e.kind() == ErrorKind::Interrupted => continue,
            more => more.map_err(|e| e.to_string())?,
        };
        if more.is_empty() {
            return Err("it ended before the script did".into());
        }
        let end = memchr::memchr(b'\n', more);
        let take = end.map_or(more.len(), |at| at + 1);
        line.extend(more.iter().take(take));
        lines.consume(take);
        if end.is_some() {
            line.pop();
            return String::from_utf8(line).map_err(|_| "it answered with binary data".into());
        }
        if line.len() > 4096 {
            return Err("it answered with a line without end".into());
        }
    }
}

/// Waits until the process sleeps, which after a "stop" line it does in reading its input.
fn wait_for_read(pid: Pid, deadline: Instant) -> Result<(), String> {
    loop {
        match Listed::one(pid).map(|listed| listed.state) {
            Some(b'S') => return Ok(()),
            None => return Err("it ended before the script did".into()),
            _ if Instant::now() >= deadline => return Err("it did not stop in time".into()),
            _ => std::thread::sleep(Duration::from_micros(50)),
        }
    }
}
