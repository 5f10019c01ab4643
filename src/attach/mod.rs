//! From a process id to a perl whose stacks can be read: find the file that defines perl, learn
//! which perl it is and how it is laid out, find its interpreters, and check all of it against
//! the live process before the first sample.

mod candidates;
mod discover;
mod error;
mod find;
mod first;
mod interpreters;
mod kin;
mod learning;
mod named;
mod perl;
mod roster;
mod threads;
mod trial;

pub use candidates::Words;
pub use error::AttachError;
pub use find::find_perl;
use first::Successor;
pub use kin::Kin;
pub use perl::{Loaded, Perl};
pub use roster::{PerlProcess, Roster, looks_like_perl};
pub use threads::PerlThread;
use threads::Vacant;
pub use trial::{Demand, Trial};

use crate::layout::{Cache, Origin, Sources};
use crate::memory::{LiveMemory, Memory, ReadError};
use crate::perl::names::NameContext;
use crate::perl::threads::KeyLayout;
use crate::process::{Incarnation, Process};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, OnceLock};
use std::time::{Duration, Instant};

/// No perl takes longer until it has an interpreter.
const STARTED: Duration = Duration::from_secs(2);
/// How long a perl may take to get ready that was there before us.
const START_PATIENCE: Duration = Duration::from_millis(1500);

/// A perl that was found and checked.
pub struct Target {
    /// The process.
    pub process: Process,
    /// The program that it was: an exec makes another of it, of which nothing here holds.
    pub incarnation: Incarnation,
    /// Its memory.
    pub memory: Arc<dyn Memory>,
    /// The perl in it. Forks share it.
    pub perl: Arc<Perl>,
    /// What its forks have in common with it.
    kin: Kin,
    /// What is taken for its first interpreter, where it has destroyed that.
    successor: Option<Successor>,
    /// The CV of `&DB::sub`, 0 where there is none.
    pub db_sub: u64,
    /// libc's description of thread-specific data, where it has one.
    keys: OnceLock<Option<KeyLayout>>,
    /// Where threads that ran no interpreter would tell of one.
    vacant: Mutex<Vec<Vacant>>,
    /// The control blocks of its threads by the kernel's id, as far as they were found.
    blocks: Mutex<HashMap<i32, Option<u64>>>,
}

impl Target {
    /// Attaches. Nothing in the process changes, and it is not stopped.
    ///
    /// # Errors
    /// [`AttachError`].
    pub fn attach(
        process: Process,
        sources: &Sources,
        warn: &mut dyn FnMut(String),
    ) -> Result<Self, AttachError> {
        let memory = Arc::new(LiveMemory::new(process.pid()));
        Self::attach_through(process, memory, sources, warn)
    }

    /// Like [`Target::attach`], reading through a memory of the caller's.
    ///
    /// # Errors
    /// [`AttachError`].
    pub fn attach_through(
        process: Process,
        memory: Arc<dyn Memory>,
        sources: &Sources,
        warn: &mut dyn FnMut(String),
    ) -> Result<Self, AttachError> {
        unless_replaced(process, |incarnation| {
            Self::attach_to(process, incarnation, memory, sources, warn)
        })
    }

    fn attach_to(
        process: Process,
        incarnation: Incarnation,
        memory: Arc<dyn Memory>,
        sources: &Sources,
        warn: &mut dyn FnMut(String),
    ) -> Result<Self, AttachError> {
        let (files, maps) = process.programs_and_mappings()?;
        let program = process.executable()?;
        let (perl, file) = find::perl(process, &program, &memory, &files, sources, warn)?;
        let kin = Kin::new(Arc::new(perl), program, file);
        let mut target = Target::like(process, incarnation, memory, kin);
        match target.find_first(maps) {
            // What an earlier run found does not fit any more: find it anew.
            Err(AttachError::Refused { .. })
                if matches!(target.perl.resolved.source, Origin::Cache(_)) =>
            {
                sources.known.forget(&target.perl.image);
                let sources = Sources {
                    cache: sources.cache.clone().map(Cache::anew),
                    ..sources.clone()
                };
                return Self::attach_to(process, incarnation, target.memory, &sources, warn);
            }
            other => other?,
        }
        Ok(target)
    }

    fn like(process: Process, incarnation: Incarnation, memory: Arc<dyn Memory>, kin: Kin) -> Self {
        Target {
            process,
            incarnation,
            memory,
            perl: kin.perl().clone(),
            kin,
            successor: None,
            db_sub: 0,
            keys: OnceLock::new(),
            vacant: Mutex::default(),
            blocks: Mutex::default(),
        }
    }

    /// Like [`Target::attach`]; a fork of one that was attached to before needs nothing found anew.
    ///
    /// # Errors
    /// [`AttachError`].
    pub fn attach_among(
        family: &[Kin],
        process: Process,
        sources: &Sources,
        warn: &mut dyn FnMut(String),
    ) -> Result<Self, AttachError> {
        unless_replaced(process, |incarnation| {
            match Self::attach_fork(family, process, incarnation) {
                Some(target) => Ok(target),
                None => {
                    let memory = Arc::new(LiveMemory::new(process.pid()));
                    Self::attach_to(process, incarnation, memory, sources, warn)
                }
            }
        })
    }

    /// It is another program than the one that was attached to.
    pub fn is_replaced(&self) -> bool {
        let now = Process::glance(self.process.pid());
        now.is_ok_and(|now| now.incarnation != self.incarnation)
    }

    /// `None` where it is no fork of the family, or where anything is not as it should be.
    fn attach_fork(family: &[Kin], process: Process, incarnation: Incarnation) -> Option<Self> {
        if family.is_empty() {
            return None;
        }
        let program = process.executable().ok()?;
        let (files, maps) = process.programs_and_mappings().ok()?;
        let kin = family.iter().find(|kin| kin.is_in(&program, &files))?;
        let memory = Arc::new(LiveMemory::new(process.pid()));
        let mut target = Target::like(process, incarnation, memory, kin.clone());
        target.find_first(maps).ok()?;
        Some(target)
    }

    /// What forks of this process need to be attached to.
    pub fn kin(&self) -> &Kin {
        &self.kin
    }

    /// Like [`Target::attach`], but gives a perl that is still starting a moment to get ready, as
    /// long as `go_on` says so.
    ///
    /// # Errors
    /// [`AttachError`].
    pub fn attach_patiently(
        process: Process,
        sources: &Sources,
        warn: &mut dyn FnMut(String),
        go_on: &mut dyn FnMut() -> bool,
    ) -> Result<Self, AttachError> {
        Self::attach_patiently_among(&[], process, sources, warn, go_on)
    }

    /// Like [`Target::attach_patiently`]; see [`Target::attach_among`].
    ///
    /// # Errors
    /// [`AttachError`].
    pub fn attach_patiently_among(
        family: &[Kin],
        process: Process,
        sources: &Sources,
        warn: &mut dyn FnMut(String),
        go_on: &mut dyn FnMut() -> bool,
    ) -> Result<Self, AttachError> {
        let deadline = Instant::now() + START_PATIENCE;
        loop {
            match Self::attach_among(family, process, sources, warn) {
                Err(
                    AttachError::Starting(_)
                    | AttachError::NoInterpreter(_)
                    | AttachError::Replaced(_),
                ) if Instant::now() < deadline && process.is_alive() && go_on() => {
                    std::thread::sleep(Duration::from_millis(1));
                }
                // What looks like a perl without an interpreter may be one that has just ended.
                Err(AttachError::Starting(pid) | AttachError::NoInterpreter(pid))
                    if !process.is_alive() =>
                {
                    let cause = ReadError::NoSuchProcess;
                    return Err(AttachError::Read { pid, cause });
                }
                other => return other,
            }
        }
    }

    fn read_error(&self, cause: ReadError) -> AttachError {
        AttachError::Read {
            pid: self.process.pid(),
            cause,
        }
    }

    /// What resolving names needs.
    pub fn name_context(&self, compiling: u64) -> NameContext<'_> {
        self.perl.name_context(&self.memory, compiling)
    }

    fn reader(&self) -> crate::memory::Reader<'_> {
        crate::memory::Reader::new(&self.memory, self.perl.identity.abi)
    }

    /// How often the target was read.
    pub fn remote_reads(&self) -> u64 {
        self.memory.remote_reads()
    }
}

/// What an attach comes to, if the program is the same before and after: an exec in between makes
/// nonsense of what was found, and of why it was not.
fn unless_replaced(
    process: Process,
    attach: impl FnOnce(Incarnation) -> Result<Target, AttachError>,
) -> Result<Target, AttachError> {
    let pid = process.pid();
    let before = Process::glance(pid)?;
    let attached = attach(before.incarnation);
    match Process::glance(pid) {
        Ok(after) if after.incarnation != before.incarnation => Err(AttachError::Replaced(pid)),
        _ => attached,
    }
}
