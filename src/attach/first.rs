//! The interpreter that a process is asked for first: the one that it has made first, or another one
//! where it has destroyed that.

use super::interpreters::Extent;
use super::{AttachError, Inferior, STARTED};
use crate::identity::Build;
use crate::memory::ReadError;
use crate::perl::locate::Interpreter;
use crate::platform::Mapping;
use std::sync::PoisonError;
use std::time::Duration;

/// Who makes a new interpreter and destroys the old one (a server that reads its configuration again)
/// may leave `PL_curinterp` and the threads' keys with the old one.
#[derive(Debug, Clone, Copy)]
pub(super) struct Successor {
    /// What `PL_curinterp` said then.
    stale: Option<Interpreter>,
    interpreter: Interpreter,
}

impl Inferior {
    /// The main thread's interpreter, which is the first one that was made. Who has destroyed that
    /// has another.
    ///
    /// # Errors
    /// [`AttachError`] when there is none yet or any more, or the target cannot be read.
    pub fn main_interpreter(&self) -> Result<Interpreter, AttachError> {
        let known = self.curinterp()?;
        if let Some(successor) = self.successor
            && successor.stale == known
        {
            return Ok(successor.interpreter);
        }
        if let Some(main) = known {
            return Ok(main);
        }
        let first = self.of_main_thread()?;
        first.ok_or(AttachError::Starting(self.view.pid()))
    }

    /// The first interpreter is no more, and no thread need run the one that is taken for it.
    pub(super) fn is_successor(&self, interpreter: Interpreter) -> bool {
        self.successor
            .is_some_and(|successor| successor.interpreter == interpreter)
    }

    /// Finds the first interpreter, checks it, and learns what all others are asked for, too. `maps`
    /// may be of some moments ago.
    pub(super) fn find_first(&mut self, maps: Vec<Mapping>) -> Result<(), AttachError> {
        let found = self
            .main_interpreter()
            .and_then(|main| self.check(main, maps).map(|()| main));
        let main = match found {
            Err(error @ (AttachError::Starting(_) | AttachError::Refused { .. })) => {
                self.succeed(error)?
            }
            found => found?,
        };
        self.db_sub = self.perl.debugger_sub(&self.memory, main);
        Ok(())
    }

    /// The first one is none, for this reason: any other takes its place.
    fn succeed(&mut self, error: AttachError) -> Result<Interpreter, AttachError> {
        let stale = self.curinterp()?;
        let is_old = self.view.age().is_some_and(|age| age >= STARTED);
        // One that has made none yet has no other.
        if stale.is_none() && !is_old {
            return Err(error);
        }
        let own = self.of_main_thread()?.filter(|own| Some(*own) != stale);
        let other = || self.unasked(&[], Extent::Wide).first().copied();
        match (own.or_else(other), error) {
            (Some(interpreter), _) => {
                self.successor = Some(Successor { stale, interpreter });
                Ok(interpreter)
            }
            (None, AttachError::Starting(pid)) if is_old => Err(AttachError::NoInterpreter(pid)),
            (None, error) => Err(error),
        }
    }

    fn curinterp(&self) -> Result<Option<Interpreter>, AttachError> {
        let known = self.perl.main_interpreter(&self.memory);
        known.map_err(|e| self.read_error(e))
    }

    /// What the main thread's key says.
    fn of_main_thread(&self) -> Result<Option<Interpreter>, AttachError> {
        let its_own = match self.perl.identity.build {
            Build::Threaded => self.by_specific_data(&[self.view.main_thread()], None)?,
            Build::Multiplicity | Build::Unthreaded => Vec::new(),
        };
        Ok(its_own.first().map(|found| found.interpreter))
    }

    /// The interpreter is not made yet, or was destroyed.
    pub fn has_no_stacks(&self, interpreter: Interpreter) -> bool {
        let info = self.perl.variables(interpreter).by_name("Icurstackinfo");
        info.is_some_and(|info| self.reader().pointer(info.address) == Ok(0))
    }

    /// Holds the probe against an interpreter. The target moves meanwhile, so a refusal must
    /// stand several times. `maps` may be of some moments ago: that only costs another look.
    fn check(&self, interpreter: Interpreter, mut maps: Vec<Mapping>) -> Result<(), AttachError> {
        let pid = self.view.pid();
        let mut refusal = None;
        for attempt in 0..20 {
            if attempt > 0 {
                maps = self.view.mappings()?;
            }
            if self.has_no_stacks(interpreter) {
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
            if !self.view.is_alive() {
                return Err(self.read_error(ReadError::NoSuchProcess));
            }
        }
        match refusal {
            Some(refusal) => Err(AttachError::Refused {
                pid,
                layout: self.perl.resolved.source.to_string(),
                identity: self.perl.identity.to_string(),
                refusal: Box::new(refusal),
            }),
            None => Ok(()),
        }
    }
}
