//! Why a process cannot be profiled: every failure with what to do next.

use crate::examine::NoPerl;
use crate::identity::IdentityError;
use crate::ids::Pid;
use crate::image::ImageError;
use crate::layout::{BindError, ResolveError};
use crate::memory::ReadError;
use crate::perl::locate::NoVariable;
use crate::perl::values::ops::NoSuchOp;
use crate::platform::ProcessError;
use crate::probe::{ProbeError, Refusal};
use crate::remedy::Remedy;
use std::path::PathBuf;

/// Why a process cannot be profiled.
#[derive(Debug, thiserror::Error)]
pub enum AttachError {
    /// The operating system would not tell.
    #[error(transparent)]
    Process(#[from] ProcessError),
    /// No mapped file defines a perl.
    #[error(
        "process {pid} ({program}) is not perl: of the {searched} files it runs, none defines PL_curinterp or has the names of perl's ops in it"
    )]
    NotPerl {
        /// The process.
        pid: Pid,
        /// The name of its program.
        program: String,
        /// How many files were looked at.
        searched: usize,
    },
    /// A file of the process cannot be read.
    #[error(transparent)]
    Image(#[from] ImageError),
    /// It is perl, but does not say which.
    #[error("{path}: {source}")]
    Identity {
        /// The file.
        path: PathBuf,
        /// What it does not say.
        source: IdentityError,
    },
    /// No layout, or two.
    #[error(transparent)]
    Resolve(#[from] ResolveError),
    /// The layout lacks something.
    #[error(transparent)]
    Bind(#[from] BindError),
    /// Where the file lies in memory cannot be made out.
    #[error(
        "{path}: the mappings of process {pid} do not fit the file; was perl upgraded while it runs?"
    )]
    LoadBias {
        /// The file.
        path: PathBuf,
        /// The process.
        pid: Pid,
    },
    /// A variable of perl's is not to be found.
    #[error(transparent)]
    Variable(#[from] NoVariable),
    /// The target's op names are not what they should be.
    #[error(transparent)]
    Ops(#[from] NoSuchOp),
    /// It became another program while it was looked at: nothing that was found of it holds.
    #[error("process {0} became another program while p5-spy looked at it. Try again in a moment")]
    Replaced(Pid),
    /// Perl has no interpreter yet, or one that is still being built.
    #[error("perl in process {0} is still starting. Try again in a moment")]
    Starting(Pid),
    /// Perl has been there for long, and has no interpreter.
    #[error(
        "the perl in process {0} has no interpreter now: it has made none yet, or given up what it had. Nothing of Perl can run in it before it makes one"
    )]
    NoInterpreter(Pid),
    /// The memory of the process may not be read, or it ended.
    #[error("{}", read_message(*.pid, .cause))]
    Read {
        /// The process.
        pid: Pid,
        /// What happened.
        cause: ReadError,
    },
    /// What was found is no interpreter: the layout is wrong.
    #[error(
        "process {pid}: the layout from {layout} does not fit this perl ({identity}): {refusal}. Nothing was sampled"
    )]
    Refused {
        /// The process.
        pid: Pid,
        /// Where the layout came from.
        layout: String,
        /// The perl.
        identity: String,
        /// The check that failed.
        refusal: Box<Refusal>,
    },
    /// The layout is that of another perl: it leads to names that are none.
    #[error(
        "process {pid}: the layout from {layout} does not fit this perl ({identity}): {problem}"
    )]
    Misnamed {
        /// The process.
        pid: Pid,
        /// Where the layout came from.
        layout: String,
        /// The perl.
        identity: String,
        /// What was wrong with its stack.
        problem: String,
    },
    /// A perl without symbols in which nothing was found.
    #[error("{path} is a perl ({version}) without symbols, and {tried}")]
    NothingFound {
        /// The file.
        path: PathBuf,
        /// Its version, as far as it is known.
        version: String,
        /// What was tried.
        tried: String,
    },
    /// The built-in probe is damaged.
    #[error(transparent)]
    Probe(#[from] ProbeError),
}

fn read_message(pid: Pid, source: &ReadError) -> String {
    match source {
        ReadError::NoPermission => ProcessError::NoPermission(pid).to_string(),
        ReadError::NoSuchProcess => format!("process {pid} has ended"),
        other => format!("process {pid}: {other}"),
    }
}

impl AttachError {
    /// What can be done about it.
    pub fn remedy(&self) -> Option<Remedy> {
        match self {
            AttachError::Process(e) => e.remedy(),
            AttachError::Resolve(e) => e.remedy(),
            AttachError::NoInterpreter(_) => Some(Remedy::LookBelow),
            AttachError::Read { pid, cause } if *cause == ReadError::NoPermission => {
                Some(Remedy::GetRights(*pid))
            }
            AttachError::Refused { .. } => Some(Remedy::OtherLayout),
            AttachError::NothingFound { path, .. } => Some(Remedy::LearnStripped(path.clone())),
            _ => None,
        }
    }

    /// True where we may not look: nobody can tell what it runs.
    pub fn is_denied(&self) -> bool {
        matches!(
            self,
            AttachError::Process(ProcessError::NoPermission(_))
                | AttachError::Read {
                    cause: ReadError::NoPermission,
                    ..
                }
        )
    }

    /// True for what may pass by itself: the program is not perl yet, or perl is still starting.
    pub fn is_temporary(&self) -> bool {
        match self {
            AttachError::Starting(_)
            | AttachError::NoInterpreter(_)
            | AttachError::Replaced(_)
            | AttachError::NotPerl { .. }
            | AttachError::LoadBias { .. } => true,
            // Between fork and exec, and at exec, the old memory is already gone.
            AttachError::Read { cause, .. } => !matches!(cause, ReadError::NoPermission),
            AttachError::Image(_) => true,
            AttachError::Process(e) => {
                matches!(e, ProcessError::Io { .. } | ProcessError::NoSuchProcess(_))
            }
            _ => false,
        }
    }
}

impl From<NoPerl> for AttachError {
    fn from(error: NoPerl) -> Self {
        match error {
            NoPerl::Here {
                pid,
                program,
                searched,
            } => AttachError::NotPerl {
                pid,
                program,
                searched,
            },
            NoPerl::Image(error) => AttachError::Image(error),
        }
    }
}
