//! From a process id to a perl whose stacks can be read: find the file that defines perl, learn
//! which perl it is and how it is laid out, find its interpreters, and check all of it against
//! the live process before the first sample.

mod candidates;
mod discover;
mod error;
mod find;
mod interpreters;
mod kin;
mod learning;
mod named;
mod perl;
mod roster;
mod stacks;
mod threads;
mod trial;
mod way_in;

use crate::remedy::Notice;
pub use candidates::Words;
pub use error::AttachError;
pub use kin::Kin;
pub use perl::{Loaded, Perl};
pub use roster::{PerlProcess, Roster, looks_like_perl};
pub use stacks::{PATIENCE, ThreadStack};
pub use threads::PerlThread;
pub use trial::{Demand, Trial};
pub use way_in::Attach;

use crate::identity::Build;
use crate::layout::{Cache, Origin, Sources};
use crate::memory::{Memory, ReadError};
use crate::perl::locate::Interpreter;
use crate::perl::values::context::NameContext;
use crate::platform::{Incarnation, Mapping, Process};
use crate::threads::KeyLayout;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

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
    /// The CV of `&DB::sub`, 0 where there is none.
    pub db_sub: u64,
    /// libc's description of thread-specific data, where it has one.
    keys: OnceLock<Option<KeyLayout>>,
    /// Where threads that ran no interpreter would tell of one.
    vacant: Mutex<Vec<u64>>,
    /// What was mapped when it was attached to, for the first who asks.
    mapped: Mutex<Option<Vec<Mapping>>>,
    /// The control blocks of its threads by the kernel's id, as far as they were found.
    blocks: Mutex<HashMap<i32, Option<u64>>>,
}

impl Target {
    /// Everything about the process is found anew.
    fn found(
        process: Process,
        incarnation: Incarnation,
        memory: Arc<dyn Memory>,
        sources: &Sources,
        warn: &mut dyn FnMut(Notice),
    ) -> Result<Self, AttachError> {
        let (files, maps) = process.programs_and_mappings()?;
        let program = process.executable()?;
        let (perl, file) = find::perl(process, &program, &memory, &files, sources, warn)?;
        let kin = Kin::new(Arc::new(perl), program, file);
        let mut target = Target::like(process, incarnation, memory, kin);
        let main = target.main_interpreter()?;
        match target.check(main, maps) {
            // What an earlier run found does not fit any more: find it anew.
            Err(AttachError::Refused { .. })
                if matches!(target.perl.resolved.source, Origin::Cache(_)) =>
            {
                sources.known.forget(&target.perl.image);
                let sources = Sources {
                    cache: sources.cache.clone().map(Cache::anew),
                    ..sources.clone()
                };
                return Self::found(process, incarnation, target.memory, &sources, warn);
            }
            other => other?,
        }
        target.db_sub = target.perl.debugger_sub(&target.memory, main);
        Ok(target)
    }

    fn like(process: Process, incarnation: Incarnation, memory: Arc<dyn Memory>, kin: Kin) -> Self {
        Target {
            process,
            incarnation,
            memory,
            perl: kin.perl().clone(),
            kin,
            db_sub: 0,
            keys: OnceLock::new(),
            vacant: Mutex::default(),
            mapped: Mutex::default(),
            blocks: Mutex::default(),
        }
    }

    /// It is another program than the one that was attached to.
    pub fn is_replaced(&self) -> bool {
        let now = Process::glance(self.process.pid());
        now.is_ok_and(|now| now.incarnation != self.incarnation)
    }

    /// `None` where it is no fork of the family, or where anything is not as it should be.
    fn of_fork(
        family: &[Kin],
        process: Process,
        incarnation: Incarnation,
        memory: Arc<dyn Memory>,
    ) -> Option<Self> {
        if family.is_empty() {
            return None;
        }
        let program = process.executable().ok()?;
        let (files, maps) = process.programs_and_mappings().ok()?;
        let kin = family.iter().find(|kin| kin.is_in(&program, &files))?;
        let mut target = Target::like(process, incarnation, memory, kin.clone());
        let main = target.main_interpreter().ok()?;
        target.check(main, maps).ok()?;
        target.db_sub = target.perl.debugger_sub(&target.memory, main);
        Some(target)
    }

    /// What forks of this process need to be attached to.
    pub fn kin(&self) -> &Kin {
        &self.kin
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

    /// The main thread's interpreter, which is the first one that was made. Who has destroyed that has no
    /// `PL_curinterp` any more, but its thread may have another.
    ///
    /// # Errors
    /// [`AttachError`].
    pub fn main_interpreter(&self) -> Result<Interpreter, AttachError> {
        let known = self.perl.main_interpreter(&self.memory);
        if let Some(main) = known.map_err(|e| self.read_error(e))? {
            return Ok(main);
        }
        let pid = self.process.pid();
        let its_own = match self.perl.identity.build {
            Build::Threaded => self.by_specific_data(&[pid], None)?,
            Build::Multiplicity | Build::Unthreaded => Vec::new(),
        };
        let first = its_own.first().map(|found| found.interpreter);
        first.ok_or(AttachError::Starting(pid))
    }

    /// Holds the probe against an interpreter. The target moves meanwhile, so a refusal must
    /// stand several times. `maps` may be of some moments ago: that only costs another look.
    fn check(&self, interpreter: Interpreter, mut maps: Vec<Mapping>) -> Result<(), AttachError> {
        let pid = self.process.pid();
        let mut refusal = None;
        for attempt in 0..20 {
            if attempt > 0 {
                maps = self.process.mappings()?;
            }
            if let Some(info) = self.perl.variables(interpreter).by_name("Icurstackinfo")
                && self.reader().pointer(info.address) == Ok(0)
            {
                return Err(AttachError::Starting(pid));
            }
            match self.perl.examine(&self.memory, &maps, interpreter) {
                Ok(()) => {
                    *self.mapped.lock().unwrap_or_else(PoisonError::into_inner) = Some(maps);
                    return Ok(());
                }
                Err(found) => refusal = Some(found),
            }
            std::thread::sleep(Duration::from_micros(200 << attempt.min(5)));
            if !self.process.is_alive() {
                return Err(self.read_error(ReadError::NoSuchProcess));
            }
        }
        match refusal {
            Some(refusal) => Err(AttachError::Refused {
                pid,
                layout: self.perl.resolved.source.to_string(),
                identity: self.perl.identity.to_string(),
                refusal,
            }),
            None => Ok(()),
        }
    }

    fn reader(&self) -> crate::memory::Reader<'_> {
        crate::memory::Reader::new(&self.memory, self.perl.identity.abi)
    }

    /// How often the target was read.
    pub fn remote_reads(&self) -> u64 {
        self.memory.remote_reads()
    }
}
