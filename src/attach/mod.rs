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
mod stacks;
mod threads;
mod trial;
mod way_in;

use crate::ids::Tid;
use crate::remedy::Notice;
pub use candidates::Words;
pub use error::AttachError;
use first::Successor;
pub use kin::ForkFamily;
pub use perl::{Loaded, Perl};
pub use roster::{PerlProcess, Roster, looks_like_perl};
pub use stacks::{PATIENCE, ThreadStack};
use threads::Vacant;
pub use threads::{PerlThread, unread_threads};
pub use trial::{Demand, Trial};
pub use way_in::Attach;

use crate::layout::{Cache, Origin, Sources};
use crate::memory::{Memory, ReadError};
use crate::perl::values::context::PerlView;
use crate::platform::{Incarnation, Mapping, Process};
use crate::threads::KeyLayout;
use crate::threads::libthr::Libthr;
use std::collections::HashMap;
use std::sync::atomic::AtomicUsize;
use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;

/// No perl takes longer until it has an interpreter.
const STARTED: Duration = Duration::from_secs(2);

/// A perl that was found and checked.
pub struct Target {
    /// The process that it is in.
    pub process: Process,
    /// The program that it was: an exec makes another of it, of which nothing here holds.
    pub incarnation: Incarnation,
    /// The memory that is read: the process's, or what stands in front of it.
    pub memory: Arc<dyn Memory>,
    /// The perl in it. Forks share it.
    pub perl: Arc<Perl>,
    /// What its forks have in common with it.
    kin: ForkFamily,
    /// What is taken for its first interpreter, where it has destroyed that.
    successor: Option<Successor>,
    /// The CV of `&DB::sub`, 0 where there is none.
    pub db_sub: u64,
    /// libc's description of thread-specific data, where it has one.
    keys: OnceLock<Option<KeyLayout>>,
    /// The same of FreeBSD's libthr.
    libthr: OnceLock<Option<Libthr>>,
    /// Where threads that ran no interpreter would tell of one.
    vacant: Mutex<Vec<Vacant>>,
    /// What was mapped when it was attached to, for the first who asks.
    mapped: Mutex<Option<Vec<Mapping>>>,
    /// The control blocks of its threads by the kernel's id, as far as they were found.
    blocks: Mutex<HashMap<Tid, Option<u64>>>,
    /// The same where libc links them in a ring.
    ring: Mutex<threads::RingSearch>,
    /// Threads of which nothing tells whether they run Perl.
    unread_threads: AtomicUsize,
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
        let kin = ForkFamily::new(Arc::new(perl), program, file);
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
                return Self::found(process, incarnation, target.memory, &sources, warn);
            }
            other => other?,
        }
        Ok(target)
    }

    fn like(
        process: Process,
        incarnation: Incarnation,
        memory: Arc<dyn Memory>,
        kin: ForkFamily,
    ) -> Self {
        Target {
            process,
            incarnation,
            memory,
            perl: kin.perl().clone(),
            kin,
            successor: None,
            db_sub: 0,
            keys: OnceLock::new(),
            libthr: OnceLock::new(),
            vacant: Mutex::default(),
            mapped: Mutex::default(),
            blocks: Mutex::default(),
            ring: Mutex::default(),
            unread_threads: AtomicUsize::new(0),
        }
    }

    /// It is another program than the one that was attached to.
    pub fn is_replaced(&self) -> bool {
        let now = Process::glance(self.process.pid());
        now.is_ok_and(|now| now.incarnation != self.incarnation)
    }

    /// `None` where it is no fork of the family, or where anything is not as it should be.
    fn of_fork(
        family: &[ForkFamily],
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
        target.find_first(maps).ok()?;
        Some(target)
    }

    /// What forks of this process need to be attached to.
    pub fn kin(&self) -> &ForkFamily {
        &self.kin
    }

    fn read_error(&self, cause: ReadError) -> AttachError {
        AttachError::Read {
            pid: self.process.pid(),
            cause,
        }
    }

    /// What resolving names needs.
    pub fn name_context(&self, compiling: u64) -> PerlView<'_> {
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
