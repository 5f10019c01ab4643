//! The way in: what is to be said beside the process, and how long a perl may take to get ready.

use super::{AttachError, ForkFamily, Target};
use crate::layout::Sources;
use crate::memory::{Memory, ReadError};
use crate::platform::{Incarnation, LiveMemory, Process};
use crate::remedy::Notice;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// How long a perl may take to get ready that was there before us.
const START_PATIENCE: Duration = Duration::from_millis(1500);
/// Between two tries.
const BETWEEN: Duration = Duration::from_millis(1);

/// How to attach to a process. Nothing in the process changes, and it is not stopped.
#[derive(Clone)]
pub struct Attach<'a> {
    /// Where layouts are looked for.
    pub sources: &'a Sources,
    /// What was attached to before: a fork of one of these needs nothing found anew.
    pub family: &'a [ForkFamily],
    /// What to read through; the process's own memory where that is `None`.
    pub memory: Option<Arc<dyn Memory>>,
    /// How long a perl may take to get ready. Zero for one try.
    pub patience: Duration,
}

impl<'a> Attach<'a> {
    /// With layouts from these sources, and with patience for a perl that is just starting.
    pub fn with(sources: &'a Sources) -> Self {
        Attach {
            sources,
            family: &[],
            memory: None,
            patience: START_PATIENCE,
        }
    }

    /// One try, of a process that may be no perl yet.
    pub fn once(sources: &'a Sources) -> Self {
        Attach {
            patience: Duration::ZERO,
            ..Self::with(sources)
        }
    }

    /// The same, knowing these.
    #[must_use]
    pub fn among(self, family: &'a [ForkFamily]) -> Self {
        Attach { family, ..self }
    }

    /// The same, reading through this.
    #[must_use]
    pub fn through(self, memory: Arc<dyn Memory>) -> Self {
        Attach {
            memory: Some(memory),
            ..self
        }
    }

    /// Attaches. `warn` is told what the user should know of how the layout was found.
    ///
    /// # Errors
    /// [`AttachError`]: there is no perl, it may not be read, or its layout is not known.
    pub fn to(
        &self,
        process: Process,
        warn: &mut dyn FnMut(Notice),
    ) -> Result<Target, AttachError> {
        self.to_while(process, warn, &mut || true)
    }

    /// Attaches; a perl that is not ready is waited for only as long as `go_on` says so.
    ///
    /// # Errors
    /// Those of [`Attach::to`]; that of the last try when `go_on` says no.
    pub fn to_while(
        &self,
        process: Process,
        warn: &mut dyn FnMut(Notice),
        go_on: &mut dyn FnMut() -> bool,
    ) -> Result<Target, AttachError> {
        let deadline = Instant::now() + self.patience;
        loop {
            match self.try_once(process, warn) {
                Err(
                    AttachError::Starting(_)
                    | AttachError::NoInterpreter(_)
                    | AttachError::Replaced(_),
                ) if Instant::now() < deadline && process.is_alive() && go_on() => {
                    std::thread::sleep(BETWEEN);
                }
                // What looks like a perl without an interpreter may be one that has just ended.
                Err(AttachError::Starting(pid) | AttachError::NoInterpreter(pid))
                    if !self.patience.is_zero() && !process.is_alive() =>
                {
                    let cause = ReadError::NoSuchProcess;
                    return Err(AttachError::Read { pid, cause });
                }
                other => return other,
            }
        }
    }

    /// If the program is the same before and after: an exec in between makes nonsense of what was
    /// found, and of why it was not.
    fn try_once(
        &self,
        process: Process,
        warn: &mut dyn FnMut(Notice),
    ) -> Result<Target, AttachError> {
        let pid = process.pid();
        let before = Process::glance(pid)?.incarnation;
        let attached = self.to_incarnation(process, before, warn);
        match Process::glance(pid) {
            Ok(after) if after.incarnation != before => Err(AttachError::Replaced(pid)),
            _ => attached,
        }
    }

    fn to_incarnation(
        &self,
        process: Process,
        incarnation: Incarnation,
        warn: &mut dyn FnMut(Notice),
    ) -> Result<Target, AttachError> {
        let memory = || match &self.memory {
            Some(memory) => memory.clone(),
            None => Arc::new(LiveMemory::new(process.pid())),
        };
        let fork = Target::of_fork(self.family, process, incarnation, memory());
        match fork {
            Some(target) => Ok(target),
            None => Target::found(process, incarnation, memory(), self.sources, warn),
        }
    }
}
