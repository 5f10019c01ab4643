//! From a process id to a perl whose stacks can be read: find the file that defines perl, learn
//! which perl it is and how it is laid out, find its interpreters, and check all of it against
//! the live process before the first sample.
//!
//! `way_in.rs` has the one way in, with its settings (`Attach`), `stacks.rs` a stack of each thread, now
//! (`Target::stacks`); `find.rs` has the order in which it looks, `perl.rs` what a live target, a capture and
//! a candidate have in common. A fork has its parent's files at its parent's addresses (`kin.rs`): it shares
//! what was found, and is only checked. What follows is for all others.
//!
//! `platform/linux/` says what is mapped, and holds a mapped file by descriptor (`platform/linux/pinned.rs`):
//! through what the kernel has mapped, by a name only where it does not lead there. `examine/` decides who
//! opens it: we, for a process of our own whose file nobody else can have written; else a confined child.
//! Each mapped program is looked at, the executable first, until one *defines* `PL_curinterp`; names of files
//! decide nothing. Of a file only what is asked for is read (`image/bytes.rs`), and its symbols are found as
//! the dynamic linker finds them (`image/hashed.rs`): an attach is over in a millisecond.
//!
//! A file without symbols goes through `identity/arrays.rs` (PL_op_name and PL_block_type, by what is in
//! them) and `attach/discover.rs`. `identity/texts.rs` reads version and build options out of the file's
//! texts, which leaves a table or two to try. `attach/candidates.rs` filters in batches the words of the
//! file's data that could be an interpreter or a stack info under a table; `trial.rs` judges the survivors by
//! the probe and whole stacks, from the target's own CPU: first in haste, which finds nearly every perl, then
//! with patience, which finds one that compiles or starts. Where each variable is a global, many words lead
//! to an op (`PL_eval_start`, leftovers of the parser): `identity/references/` counts how often the code
//! names each (x86 and arm64, itself or through the file's table of addresses). What is found is laid over
//! the image as symbols, for each candidate anew (`Image::with_symbols`; the file itself never changes);
//! nothing behind it knows the difference.
//!
//! `perl/locate.rs` says where an interpreter's variables are: members of `struct interpreter`, or globals.
//! `threads/` finds each thread's interpreter. Where a thread tells which interpreter it runs (its key;
//! without threads `PL_curinterp`) is kept, as that can change: `attach/interpreters.rs` looks for those that
//! no thread runs, for `dump`. Who has destroyed the first interpreter (a server that reads its configuration
//! again) often leaves `PL_curinterp` and the keys with it: `attach/first.rs` takes one of the others for the
//! first, and where there is none, says so.
//!
//! `probe/` holds `probes/interpreter.toml` against the live process. A layout that does not fit is refused
//! here, before the first sample.

mod candidates;
mod discover;
mod error;
mod find;
mod first;
mod inferior;
mod interpreters;
mod kin;
mod learning;
mod named;
mod perl;
mod roster;
mod stacks;
mod threads;
mod trial;
mod view;
mod way_in;

use crate::remedy::Notice;
pub use candidates::Words;
pub use error::AttachError;
pub use inferior::Inferior;
pub use kin::ForkFamily;
pub use perl::{Loaded, Perl};
pub use roster::{PerlProcess, Roster, looks_like_perl};
pub use stacks::{PATIENCE, ThreadStack};
pub use threads::{PerlThread, unread_threads};
pub use trial::{Demand, Trial};
pub use view::ProcessView;
pub use way_in::Attach;

use crate::layout::{Cache, Origin, Sources};
use crate::memory::Memory;
use crate::platform::{Incarnation, Process};
use std::ops::Deref;
use std::sync::Arc;
use std::time::Duration;

/// No perl takes longer until it has an interpreter.
const STARTED: Duration = Duration::from_secs(2);

/// A live process with a perl in it that was found and checked.
pub struct Target {
    /// Checked when it was attached to; it may have ended since.
    pub process: Process,
    /// The program that it was: an exec makes another of it, of which nothing here holds.
    pub incarnation: Incarnation,
    /// What its forks have in common with it.
    kin: ForkFamily,
    inferior: Inferior,
}

impl Deref for Target {
    type Target = Inferior;

    fn deref(&self) -> &Inferior {
        &self.inferior
    }
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
        let (inferior, kin) = find_inferior(Arc::new(process), memory, sources, warn)?;
        Ok(Target {
            process,
            incarnation,
            kin,
            inferior,
        })
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
        let mut inferior = kin.inferior(Arc::new(process), memory);
        inferior.find_first(maps).ok()?;
        Some(Target {
            process,
            incarnation,
            kin: kin.clone(),
            inferior,
        })
    }

    /// What forks of this process need to be attached to.
    pub fn kin(&self) -> &ForkFamily {
        &self.kin
    }
}

/// The perl of a process, found anew and checked, and what forks of it would share.
fn find_inferior(
    view: Arc<dyn ProcessView>,
    memory: Arc<dyn Memory>,
    sources: &Sources,
    warn: &mut dyn FnMut(Notice),
) -> Result<(Inferior, ForkFamily), AttachError> {
    let (files, maps) = view.programs_and_mappings()?;
    let program = view.executable()?;
    let (perl, file) = find::perl(view.as_ref(), &program, &memory, &files, sources, warn)?;
    let kin = ForkFamily::new(Arc::new(perl), program, file);
    let mut inferior = kin.inferior(view.clone(), memory.clone());
    match inferior.find_first(maps) {
        // What an earlier run found does not fit any more: find it anew.
        Err(AttachError::Refused { .. })
            if matches!(inferior.perl.resolved.source, Origin::Cache(_)) =>
        {
            sources.known.forget(&inferior.perl.image);
            let sources = Sources {
                cache: sources.cache.clone().map(Cache::anew),
                ..sources.clone()
            };
            find_inferior(view, memory, &sources, warn)
        }
        Err(error) => Err(error),
        Ok(()) => Ok((inferior, kin)),
    }
}

/// The perl in a process that is no more, of which a file has the memory.
///
/// # Errors
/// [`AttachError`]: there was no perl, its files are not here, or its layout is not known.
pub fn inferior_of(
    view: Arc<dyn ProcessView>,
    memory: Arc<dyn Memory>,
    sources: &Sources,
    warn: &mut dyn FnMut(Notice),
) -> Result<Inferior, AttachError> {
    Ok(find_inferior(view, memory, sources, warn)?.0)
}
