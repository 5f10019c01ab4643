//! What the user wants, whatever was typed: all that the rest of the program sees of a command
//! line.

use crate::ids::Pid;
use crate::layout::Learn;
use crate::native::NativeLevel;
pub use crate::output::Format;
use crate::perl::names::Synthetic;
pub use crate::profile::By;
use crate::profile::{Filter, Fold};
use clap::ValueEnum;
use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

/// What to look at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Aim {
    /// Processes that run already; at least one, when all are found.
    Pids(Vec<Pid>),
    /// A program to start.
    Start {
        /// Its name or path, as typed.
        program: OsString,
        /// The words behind it.
        arguments: Vec<OsString>,
    },
}

/// Processes that are still to be found when all was parsed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Find {
    /// Those whose command line or name matches this regular expression, which is a valid one.
    Name(String),
    /// Nobody said: the user is to choose.
    Ask,
}

/// What the user wants, and of whom that must still be found out.
#[derive(Debug, Clone, PartialEq)]
pub struct Order {
    /// The job. What is to be found is missing among its processes.
    pub job: Job,
    /// What is to be found and added with [`Job::add_pids`].
    pub find: Option<Find>,
}

/// A shell whose words can be completed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Shell {
    /// GNU bash
    Bash,
    /// zsh
    Zsh,
    /// fish
    Fish,
}

/// How often and how long.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Sampling {
    /// Samples per second.
    pub rate: f64,
    /// When to end; `None` for never.
    pub duration: Option<Duration>,
    /// Count waiting threads too.
    pub idle: bool,
    /// What is shown of C below Perl.
    pub native: Option<NativeLevel>,
    /// The most that sampling may cost: a share of a CPU.
    pub max_cpu: f64,
}

/// A file to write.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Output {
    /// Where to; `-` is standard output.
    pub file: PathBuf,
    /// As what.
    pub format: Format,
}

/// When sampling begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Start {
    /// After this time.
    pub after: Option<Duration>,
    /// With this signal; further ones end it and begin it anew.
    pub on_signal: Option<i32>,
}

/// Which samples of a recording count.
#[derive(Debug, Clone, Default)]
pub struct Pick(pub Filter);

impl PartialEq for Pick {
    fn eq(&self, other: &Self) -> bool {
        // A compiled pattern can only be compared by its text.
        format!("{:?}", self.0) == format!("{:?}", other.0)
    }
}

/// What frames say.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Show {
    /// Which frames are added to those of `caller`.
    pub synthetic: Synthetic,
    /// The op or the system call, too.
    pub ops: bool,
    /// Whole names of files.
    pub full_filenames: bool,
}

/// Where a layout may come from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LayoutChoice {
    /// The folder of tables to use instead of the built-in ones.
    pub layouts: Option<PathBuf>,
    /// More folders with separate debug files.
    pub debug_dirs: Vec<PathBuf>,
    /// Whether debug information counts.
    pub use_debug_info: bool,
    /// Which perls may be run to learn their layout.
    pub learn: Learn,
    /// Whether what was found is kept and used again.
    pub use_cache: bool,
}

/// What a dump shows beside Perl's frames.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Depth {
    /// Which variables of the frames; `None` for none.
    pub locals: Option<Locals>,
    /// What runs in C.
    pub native: bool,
}

/// Which core file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CoreSource {
    /// This one.
    File(PathBuf),
    /// The last one that systemd-coredump has kept of this process, or of any.
    Kept(Option<i64>),
}

/// A core file, and where the files of its process are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CoreChoice {
    /// The core file.
    pub source: CoreSource,
    /// The folder that stands for the root of the machine that it is from.
    pub sysroot: Option<PathBuf>,
    /// The file that is taken for the program.
    pub program: Option<PathBuf>,
}

/// Which variables of the frames a dump shows, beside `@_`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Locals {
    /// Lexical variables.
    pub lexicals: bool,
    /// What they hold.
    pub values: bool,
}

impl Job {
    /// Adds processes to look at, each once.
    pub fn add_pids(&mut self, more: &[Pid]) {
        let pids = match self {
            Job::Top { aim, .. } | Job::Record { aim, .. } => match aim {
                Aim::Pids(pids) => pids,
                Aim::Start { .. } => return,
            },
            Job::Dump { pids, .. } => pids,
            _ => return,
        };
        for pid in more {
            if !pids.contains(pid) {
                pids.push(*pid);
            }
        }
    }
}

/// What the user wants: the one thing that the rest of the program sees.
#[derive(Debug, Clone, PartialEq)]
pub enum Job {
    /// The live view.
    Top {
        /// What to look at.
        aim: Aim,
        /// Their children too.
        subprocesses: bool,
        /// How often.
        sampling: Sampling,
        /// What frames say.
        show: Show,
        /// Where layouts come from.
        layout: LayoutChoice,
    },
    /// A recording.
    Record {
        /// What to look at.
        aim: Aim,
        /// Their children too.
        subprocesses: bool,
        /// How often.
        sampling: Sampling,
        /// What frames say.
        show: Show,
        /// Where layouts come from.
        layout: LayoutChoice,
        /// Where to, as what; none for a name made from the process id.
        outputs: Vec<Output>,
        /// As what, where there are no outputs.
        format: Format,
        /// When sampling begins.
        start: Start,
        /// What a frame stands for.
        by: By,
        /// Whether threads are kept apart.
        threads: bool,
        /// Where the summary goes as JSON.
        stats: Option<PathBuf>,
        /// Which frames vanish.
        fold: Fold,
    },
    /// Pictures of a raw recording.
    Report {
        /// The recording.
        file: PathBuf,
        /// Where to, as what.
        outputs: Vec<Output>,
        /// What counts.
        pick: Pick,
        /// Which frames vanish.
        fold: Fold,
        /// What a frame stands for.
        by: By,
        /// Whether threads are kept apart.
        threads: bool,
        /// Whether names of files are whole.
        full_filenames: bool,
        /// How much memory it may take, in bytes; `None` for what is sensible.
        max_memory: Option<u64>,
    },
    /// What two raw recordings differ in.
    Diff {
        /// The earlier one and the later one.
        files: [PathBuf; 2],
        /// Where the picture goes; `None` for no picture.
        outputs: Vec<Output>,
        /// What counts.
        pick: Pick,
        /// Which frames vanish.
        fold: Fold,
        /// What a frame stands for.
        by: By,
        /// Whether names of files are whole.
        full_filenames: bool,
        /// How much memory it may take, in bytes; `None` for what is sensible.
        max_memory: Option<u64>,
    },
    /// The stacks, once.
    Dump {
        /// The processes; at least one, when all are found.
        pids: Vec<Pid>,
        /// Those below them too.
        subprocesses: bool,
        /// As JSON.
        json: bool,
        /// What frames say.
        show: Show,
        /// What is shown beside the frames.
        depth: Depth,
        /// Where layouts come from.
        layout: LayoutChoice,
    },
    /// The stacks in a core file.
    DumpCore {
        /// The core file.
        core: CoreChoice,
        /// As JSON.
        json: bool,
        /// What frames say.
        show: Show,
        /// What is shown beside the frames.
        depth: Depth,
        /// Where layouts come from.
        layout: LayoutChoice,
    },
    /// The stacks of a capture.
    DumpCapture {
        /// The capture.
        file: PathBuf,
        /// As JSON.
        json: bool,
        /// What frames say.
        show: Show,
        /// Tables to use instead of the capture's own layout.
        layout: LayoutChoice,
    },
    /// A capture of a process.
    Capture {
        /// The process.
        pid: Pid,
        /// Where to.
        output: PathBuf,
        /// Where layouts come from.
        layout: LayoutChoice,
    },
    /// A layout table.
    LayoutDump {
        /// The file or process.
        source: LayoutSource,
        /// Where layouts come from.
        layout: LayoutChoice,
    },
    /// A layout table of a perl that is run for it.
    LayoutLearn {
        /// The perl.
        program: PathBuf,
        /// Where to; `None` for standard output.
        output: Option<PathBuf>,
        /// Where the flags of perl's headers come from.
        layout: LayoutChoice,
    },
    /// What this machine lets p5-spy do.
    Doctor {
        /// As JSON.
        json: bool,
    },
    /// The perl processes of this machine.
    Ps {
        /// As JSON.
        json: bool,
    },
    /// To sign p5-spy as a debugger.
    #[cfg(target_os = "macos")]
    Setup,
    /// A script for a shell.
    Completions(Shell),
    /// Manual pages.
    Man {
        /// The folder to put them all into; `None` for p5-spy's own on standard output.
        folder: Option<PathBuf>,
    },
}

/// What a layout is taken from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LayoutSource {
    /// The file of a perl, or of a library that has one.
    File(PathBuf),
    /// The perl of a process.
    Pid(Pid),
}
