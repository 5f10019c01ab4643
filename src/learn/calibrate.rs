//! Running a perl on the calibration script and looking at it at every stop.

use super::LearnError;
use super::facts::{CalibrationFacts, SCRIPT};
use super::snapshot::Snapshot;
use super::solution::Unsolved;
use crate::examine::{Examiner, find_perl};
use crate::image::Image;
use crate::memory::{Abi, ReadError};
use crate::platform::execute::{Execution, Pinned, is_same_variable, usual_name};
use crate::platform::sandbox::Limits;
use crate::platform::{LiveMemory, MappedFile, Process, poll};
use std::collections::HashMap;
use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io::{BufRead, BufReader, ErrorKind, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// How long the whole script may take on a very busy machine, without the time that we look.
const PATIENCE: Duration = Duration::from_secs(20);

/// The script has fewer stops.
const MOST_STOPS: usize = 100;
/// Bytes that are kept of all stops. A perl that runs the script changes a few megabytes at each.
const MOST_KEPT: u64 = 1 << 30;

/// What a perl may use while it is calibrated: far more than it needs.
const LIMITS: Limits = Limits {
    memory: 4 << 30,
    cpu: 20,
};

/// How to start a perl.
#[derive(Debug, Default)]
pub struct PerlStart {
    /// What to run: perl, or the loader that loads it.
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

impl From<&Path> for PerlStart {
    fn from(program: &Path) -> Self {
        PerlStart {
            program: Program::Named(usual_name(program)),
            is_ours: true,
            ..PerlStart::default()
        }
    }
}

impl PerlStart {
    /// What the program is called.
    pub fn name(&self) -> &Path {
        match &self.program {
            Program::Named(name) => name,
            Program::Pinned(pinned) => &pinned.name,
        }
    }

    /// Runs it on the script.
    ///
    /// # Errors
    /// In words, when it does not start.
    fn run(&self) -> Result<Execution, String> {
        let mut words = vec![self.name().as_os_str().to_owned()];
        words.extend(self.arguments.iter().cloned());
        if let Program::Pinned(pinned) = &self.program {
            words.extend(pinned.loaded_word());
        }
        words.extend(["-e", SCRIPT].map(OsString::from));
        let variables = self.variables();
        match &self.program {
            Program::Named(name) => Execution::named(name, &words, &variables, LIMITS),
            Program::Pinned(pinned) => pinned.execute(&words, &variables, LIMITS),
        }
    }

    /// Its environment: ours, where it is ours. What root has in it is nobody else's business.
    fn variables(&self) -> Vec<(OsString, OsString)> {
        let mut variables: Vec<(OsString, OsString)> = match self.is_ours {
            true => std::env::vars_os().collect(),
            false => [("PATH", "/usr/bin:/bin"), ("LC_ALL", "C")]
                .map(|(name, value)| (name.into(), value.into()))
                .to_vec(),
        };
        let is_set = |name: &OsString| {
            let mut set = self.environment.iter();
            set.any(|(known, _)| is_same_variable(known, name))
        };
        let is_unwanted = |name: &OsString| {
            let mut unwanted = UNWANTED.iter().map(OsStr::new);
            unwanted.any(|unwanted| is_same_variable(unwanted, name))
        };
        variables.retain(|(name, _)| !is_unwanted(name) && !is_set(name));
        variables.extend(self.environment.iter().cloned());
        variables
    }
}

/// A perl that is being calibrated; dropped, it is ended.
pub struct Calibration {
    program: Execution,
    /// What the script told.
    pub facts: CalibrationFacts,
    /// Its memory at each stop, by the stop's name.
    pub stops: HashMap<String, Snapshot>,
    /// The process, which stays at the last stop.
    pub process: Process,
    /// The file that defines its perl, known from the first stop on: the program that was started
    /// may be a script that starts it.
    pub perl: Option<(Image, MappedFile)>,
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
    pub fn run(start: &PerlStart) -> Result<Self, LearnError> {
        let program = start.name();
        let failed = |reason: String| LearnError::Run {
            program: program.to_owned(),
            reason,
        };
        let execution = start.run().map_err(&failed)?;
        let pid = execution.pid();
        let process = Process::open(pid).map_err(|e| failed(e.to_string()))?;
        let output = execution.output.try_clone();
        let mut lines = BufReader::new(output.map_err(|e| failed(e.to_string()))?);
        let mut run = Calibration {
            program: execution,
            facts: CalibrationFacts::default(),
            stops: HashMap::new(),
            process,
            perl: None,
        };
        let memory = LiveMemory::new(pid);
        let mut deadline = Instant::now() + PATIENCE;
        let mut last_stop: Option<String> = None;
        let (mut stops, mut kept) = (0, 0_u64);
        loop {
            let line = read_line(&mut lines, deadline).map_err(&failed)?;
            let Some(stop) = line.strip_prefix("stop ") else {
                if !run.facts.note(&line) {
                    return Err(failed(format!("it answered {line:?}")));
                }
                continue;
            };
            stops += 1;
            if stops > MOST_STOPS {
                return Err(failed("it stops again and again".into()));
            }
            wait_for_read(&run.program, deadline).map_err(&failed)?;
            let looked = Instant::now();
            let abi = run.abi()?;
            let maps = process.mappings()?;
            let before = last_stop.as_ref().and_then(|stop| run.stops.get(stop));
            let snapshot = Snapshot::take(&memory, abi, &maps, before)?;
            kept = kept.saturating_add(snapshot.size_beside(before));
            if kept > MOST_KEPT {
                return Err(failed("it changes more memory than a perl does".into()));
            }
            run.stops.insert(stop.to_owned(), snapshot);
            deadline += looked.elapsed();
            let go_on: &[u8] = match stop {
                "last" => return Ok(run),
                // What `do FILE` reads.
                "parse" => b"1;\n__END__\n",
                _ => b"\n",
            };
            run.program
                .input
                .write_all(go_on)
                .map_err(|e| failed(format!("it ended at stop {stop}: {e}")))?;
            last_stop = Some(stop.to_owned());
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
            let found = find_perl(self.process.pid(), &examiner, &program, &files);
            self.perl = Some(found?);
        }
        let found = self.perl.as_ref().map(|(image, _)| image.abi());
        found.ok_or(LearnError::Read(ReadError::NoSuchProcess))
    }
}

fn read_line(lines: &mut BufReader<File>, deadline: Instant) -> Result<String, String> {
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
            // So perl ends lines on Windows.
            line.pop_if(|last| *last == b'\r');
            return String::from_utf8(line).map_err(|_| "it answered with binary data".into());
        }
        if line.len() > 4096 {
            return Err("it answered with a line without end".into());
        }
    }
}

/// Waits until the program waits, which after a "stop" line it does for its input.
fn wait_for_read(program: &Execution, deadline: Instant) -> Result<(), String> {
    loop {
        match program.waits() {
            Some(true) => return Ok(()),
            None => return Err("it ended before the script did".into()),
            _ if Instant::now() >= deadline => return Err("it did not stop in time".into()),
            _ => std::thread::sleep(Duration::from_micros(50)),
        }
    }
}
