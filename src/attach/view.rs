//! A process as attaching sees it: one of this machine, or what a core file has of one.

use crate::examine::Examiner;
use crate::ids::{Pid, Tid};
use crate::platform::{MappedFile, Mapping, Process, ProcessError, SharedCpu};
use std::collections::HashMap;
use std::path::PathBuf;
use std::time::Duration;

/// What is asked of a process beside its memory. What follows a process, or samples it, needs a live
/// one ([`Process`]).
pub trait ProcessView: Send + Sync {
    /// The process id.
    fn pid(&self) -> Pid;

    /// The live process, where there is one.
    fn live(&self) -> Option<Process>;

    /// The path of the program, as the process saw it.
    ///
    /// # Errors
    /// [`ProcessError`] when it has ended, or the system would not tell.
    fn executable(&self) -> Result<PathBuf, ProcessError>;

    /// The words of its command line, as far as they are known.
    ///
    /// # Errors
    /// [`ProcessError`] when it has ended, or the system would not tell.
    fn command_line(&self) -> Result<Vec<Vec<u8>>, ProcessError>;

    /// Files that are mapped as programs or libraries, in order of address, and all that is mapped.
    ///
    /// # Errors
    /// [`ProcessError`] when it has ended, or may not be read.
    fn programs_and_mappings(&self) -> Result<(Vec<MappedFile>, Vec<Mapping>), ProcessError>;

    /// Everything that is mapped, lowest address first.
    ///
    /// # Errors
    /// [`ProcessError`] when it has ended, or may not be read.
    fn mappings(&self) -> Result<Vec<Mapping>, ProcessError> {
        Ok(self.programs_and_mappings()?.1)
    }

    /// The files that are mapped as programs or libraries, in order of address.
    ///
    /// # Errors
    /// [`ProcessError`] when it has ended, or may not be read.
    fn mapped_programs(&self) -> Result<Vec<MappedFile>, ProcessError> {
        Ok(self.programs_and_mappings()?.0)
    }

    /// The kernel's ids of its threads, the main thread first.
    ///
    /// # Errors
    /// [`ProcessError`] when it has ended.
    fn thread_ids(&self) -> Result<Vec<Tid>, ProcessError>;

    /// The thread that it began with.
    fn main_thread(&self) -> Tid;

    /// How many threads it has.
    fn thread_count(&self) -> Option<usize>;

    /// False when it has ended and its memory cannot be read any more.
    fn is_alive(&self) -> bool;

    /// How long ago it was started; `None` where that is not known.
    fn age(&self) -> Option<Duration>;

    /// Where each thread keeps its value of a key of pthread_key_create(3), where the system knows.
    fn places_of_key(
        &self,
        key: &mut dyn FnMut() -> Option<u64>,
    ) -> Option<HashMap<Tid, Option<u64>>>;

    /// Who looks at its files.
    fn examiner(&self) -> Examiner;

    /// A place beside one of its threads.
    fn beside(&self, tid: Tid) -> SharedCpu;
}

impl ProcessView for Process {
    fn pid(&self) -> Pid {
        Process::pid(*self)
    }
    fn live(&self) -> Option<Process> {
        Some(*self)
    }
    fn executable(&self) -> Result<PathBuf, ProcessError> {
        Process::executable(*self)
    }
    fn command_line(&self) -> Result<Vec<Vec<u8>>, ProcessError> {
        Process::command_line(*self)
    }
    fn programs_and_mappings(&self) -> Result<(Vec<MappedFile>, Vec<Mapping>), ProcessError> {
        Process::programs_and_mappings(*self)
    }
    fn mappings(&self) -> Result<Vec<Mapping>, ProcessError> {
        Process::mappings(*self)
    }
    fn thread_ids(&self) -> Result<Vec<Tid>, ProcessError> {
        Process::thread_ids(*self)
    }
    fn main_thread(&self) -> Tid {
        Process::main_thread(*self)
    }
    fn thread_count(&self) -> Option<usize> {
        Process::thread_count(*self)
    }
    fn is_alive(&self) -> bool {
        Process::is_alive(*self)
    }
    fn age(&self) -> Option<Duration> {
        Process::age(*self)
    }
    fn places_of_key(
        &self,
        key: &mut dyn FnMut() -> Option<u64>,
    ) -> Option<HashMap<Tid, Option<u64>>> {
        Process::places_of_key(*self, key)
    }
    fn examiner(&self) -> Examiner {
        Examiner::of(*self)
    }
    fn beside(&self, tid: Tid) -> SharedCpu {
        SharedCpu::new(Process::pid(*self), tid)
    }
}
