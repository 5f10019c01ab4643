//! What Windows says of a process: its modules, memory, threads and whether they run. Nothing is ever
//! suspended. What only Linux has is absent: reading from the target's own CPU, hidden processes,
//! confined helpers, gaps.
//!
//! Processes, threads, whether they run and how often they got a CPU come of one question
//! (`platform/windows/system.rs`), modules and memory of `modules.rs`, a thread's interpreter of its TLS slot
//! (`platform/slots.rs`) in the block that the system tells of (`platform/windows/thread.rs`). `memory.rs`
//! puts neighbouring ranges of a batch together, as each call reads one, and keeps the order of what is read
//! twice. No CPU is shared (`cpu.rs`): every stack of a running thread is approximate. The reader of others'
//! files is a thread with our own rights (`sandbox.rs`), which opens nothing of other machines
//! (`regular.rs`). Users are numbers of one run (`users.rs`), and access lists take the place of nine bits
//! (`guard.rs`). A program that p5-spy starts is in a job (`spawn.rs`, `job.rs`). One that is run to learn
//! from it (`execute.rs`) is held by its name while it starts, and gets two pipes, a limited job and no
//! console; it has our own rights, so that nothing is run for a process of another user, or of ours with
//! fewer rights (`users.rs`, `level_of`). A DLL's exports are its symbols (`image/exports.rs`). Its imports
//! tell the compiler and the C library (`image/runtime.rs`), which decide what members perl's structures
//! have; both are in the name of the machine, such as `x86_64_windows_gcc_msvcrt`. A table names as much of
//! that as it depends on, so that none of Linux's fits, and of two with one interpreter size the right one.
//! They are made by `perl-matrix/windows-table`, which compiles perl's headers with mingw-w64. A program of
//! 32 bits on a Windows of 64 has two blocks for each thread, of which the system tells the wide one
//! (`platform/slots.rs`).

mod abilities;
pub mod bytes;
mod calls;
mod clocks;
mod cpu;
pub mod execute;
pub mod files;
mod gaps;
mod guard;
mod handle;
mod incarnation;
mod job;
mod listed;
pub mod load;
mod memory;
mod modules;
pub mod opened;
mod orphans;
mod parameters;
mod permission;
mod pinned;
pub mod places;
pub mod poll;
mod privilege;
mod regular;
pub mod sandbox;
pub mod signals;
mod source;
mod spawn;
mod stamp;
pub mod suspend;
mod system;
mod terminal;
mod thread;
mod trust;
mod users;
mod wide;

use super::{MappedFile, Mapping, Process, ProcessError};
use crate::ids::{Pid, Tid};
use crate::memory::{Abi, Reader};
pub use abilities::{abilities, system};
pub use clocks::{monotonic, own_cpu_time, thread_cpu_time};
pub use cpu::{allow_many_watches, wake_at_once};
pub use gaps::Gaps;
pub use listed::{children_of, has_thread, is_someones};
pub use memory::LiveMemory;
pub use orphans::{adopt_orphans, adopted, descendants, forget_helper, start_helper};
pub use permission::{missing_proc, obstacle};
pub use pinned::PinnedFile;
pub use privilege::{ALMIGHTY, sees_all};
pub use regular::Ground;
pub use spawn::{Child, exit_code};
pub use stamp::Stamp;
pub use terminal::{NO_ESCAPES, takes_escapes};
pub use thread::ThreadWatch;
pub use users::{effective_user, user_name};

use calls::raw;
use handle::process;
use std::collections::HashMap;
use std::io;
use std::path::PathBuf;
use std::time::Duration;
use system::{OneThread, System};
use windows_sys::Win32::Foundation::{ERROR_ACCESS_DENIED, ERROR_INVALID_PARAMETER, WAIT_OBJECT_0};
use windows_sys::Win32::System::Threading::{
    PROCESS_SYNCHRONIZE, QueryFullProcessImageNameW, WaitForSingleObject,
};

/// The process that is the kernel itself, and the one that stands for nothing to do.
const OF_KERNEL: [i64; 2] = [4, 0];
/// No path is longer.
const LONGEST_PATH: usize = 32 << 10;

impl Process {
    /// Checks that there is such a process and that it runs a program.
    ///
    /// # Errors
    /// Every case of [`ProcessError`] that Windows has: the id is nobody's, it has ended, or it may not be
    /// asked about.
    pub fn open(pid: Pid) -> Result<Self, ProcessError> {
        let one = Process { pid };
        if OF_KERNEL.contains(&pid.number()) {
            return Err(ProcessError::KernelThread(pid));
        }
        match process(pid, PROCESS_SYNCHRONIZE) {
            // Somebody keeps a handle of one that has ended.
            Ok(handle) if has_ended(&handle) => Err(ProcessError::NoSuchProcess(pid)),
            Ok(_) => Ok(one),
            Err(e) => {
                let error = one.error("the process", e);
                let is_gone = matches!(error, ProcessError::NoSuchProcess(_));
                match is_gone
                    .then(|| process_of_thread(pid.main_thread()))
                    .flatten()
                {
                    Some(owner) => Err(ProcessError::IsThread {
                        tid: pid.main_thread(),
                        pid: owner,
                    }),
                    None => Err(error),
                }
            }
        }
    }

    fn error(self, what: &'static str, source: io::Error) -> ProcessError {
        let code = source
            .raw_os_error()
            .and_then(|code| u32::try_from(code).ok());
        match code {
            Some(ERROR_INVALID_PARAMETER) => ProcessError::NoSuchProcess(self.pid),
            Some(ERROR_ACCESS_DENIED) => ProcessError::NoPermission(self.pid),
            _ => ProcessError::Io {
                pid: self.pid,
                what,
                source,
            },
        }
    }

    /// The path of the program.
    ///
    /// # Errors
    /// [`ProcessError::NoSuchProcess`], [`ProcessError::NoPermission`] and others.
    pub fn executable(self) -> Result<PathBuf, ProcessError> {
        let failed = |e| self.error("the program's path", e);
        let handle = process(self.pid, 0).map_err(failed)?;
        let mut path = vec![0_u16; LONGEST_PATH];
        let mut length = LONGEST_PATH as u32;
        // SAFETY: the handle is open, and the buffer is as long as is said.
        let asked =
            unsafe { QueryFullProcessImageNameW(raw(&handle), 0, path.as_mut_ptr(), &mut length) };
        calls::done(asked).map_err(failed)?;
        let path = path.get(..length as usize).unwrap_or_default();
        Ok(wide::text_of(path).into())
    }

    /// The ids of all processes that can be seen.
    pub fn all_ids() -> impl Iterator<Item = Pid> {
        let system = System::now();
        let ids: Vec<Pid> = system.processes.iter().map(|one| one.pid).collect();
        ids.into_iter()
    }

    /// The process that started the process `pid`, if that is there: ids come again, and who began
    /// later is another one.
    pub fn parent_of(pid: Pid) -> Option<Pid> {
        parent_in(&System::younger_than(BRIEF), pid)
    }

    /// True while all of its threads are suspended.
    pub fn is_stopped(self) -> bool {
        let system = System::younger_than(BRIEF);
        let threads = system.process(self.pid).map(|one| one.threads.as_slice());
        let threads = threads.unwrap_or_default();
        !threads.is_empty() && threads.iter().all(OneThread::is_stopped)
    }

    /// The same of one of its threads.
    pub fn thread_is_stopped(self, tid: Tid) -> bool {
        let system = System::younger_than(BRIEF);
        let thread = system.process(self.pid).and_then(|one| one.thread(tid));
        thread.is_some_and(OneThread::is_stopped)
    }

    /// How many threads it has.
    pub fn thread_count(self) -> Option<usize> {
        let system = System::younger_than(BRIEF);
        Some(system.process(self.pid)?.threads.len())
    }

    /// The thread that it began with.
    pub fn main_thread(self) -> Tid {
        let system = System::younger_than(BRIEF);
        let first = system
            .process(self.pid)
            .and_then(system::OneProcess::first_thread);
        first.unwrap_or_default()
    }

    /// Where each thread keeps its value of a key, in the block that the system has of it (TEB): `None`
    /// for one that has no such slot yet.
    pub fn places_of_key(
        self,
        key: impl FnOnce() -> Option<u64>,
    ) -> Option<HashMap<Tid, Option<u64>>> {
        let key = key()?;
        let memory = LiveMemory::new(self.pid);
        let reader = |pointer_size| {
            let abi = Abi {
                pointer_size,
                big_endian: false,
            };
            Reader::new(&memory, abi)
        };
        let (wide, narrow) = (reader(8), reader(4));
        let is_narrow = modules::is_of_32_bits(self.pid);
        let places = self.thread_ids().ok()?.into_iter().filter_map(|tid| {
            let block = thread::block(tid)?;
            let place = match is_narrow {
                true => {
                    let block = super::slots::block_of_32_bits(&wide, &narrow, block).ok()??;
                    super::slots::place(&narrow, block, key)
                }
                false => super::slots::place(&wide, block, key),
            };
            Some((tid, place.ok()?))
        });
        Some(places.collect())
    }

    /// Both at about one moment.
    ///
    /// # Errors
    /// As [`Process::mappings`].
    pub fn programs_and_mappings(self) -> Result<(Vec<MappedFile>, Vec<Mapping>), ProcessError> {
        modules::programs_and_mappings(self.pid).map_err(|e| self.error("the memory map", e))
    }

    /// Everything that is mapped, lowest address first; without where it is in files, for which each
    /// module would have to be asked about.
    ///
    /// # Errors
    /// [`ProcessError::NoSuchProcess`], [`ProcessError::NoPermission`] and others.
    pub fn mappings(self) -> Result<Vec<Mapping>, ProcessError> {
        modules::mappings(self.pid).map_err(|e| self.error("the memory map", e))
    }

    /// The system's ids of its threads, the main thread first.
    ///
    /// # Errors
    /// [`ProcessError::NoSuchProcess`] and others.
    pub fn thread_ids(self) -> Result<Vec<Tid>, ProcessError> {
        let system = System::now();
        let one = system.process(self.pid);
        let one = one.ok_or(ProcessError::NoSuchProcess(self.pid))?;
        let first = one.first_thread();
        let mut ids: Vec<Tid> = one.threads.iter().map(|thread| thread.tid).collect();
        ids.sort_unstable_by_key(|id| (Some(*id) != first, *id));
        Ok(ids)
    }

    /// How long ago it was started.
    pub fn age(self) -> Option<Duration> {
        let system = System::younger_than(BRIEF);
        let began = system.process(self.pid)?.began;
        Some(system::span(clocks::file_time().saturating_sub(began)))
    }

    /// True while the process has not ended.
    pub fn is_alive(self) -> bool {
        match process(self.pid, PROCESS_SYNCHRONIZE) {
            Ok(handle) => !has_ended(&handle),
            Err(e) => matches!(self.error("the process", e), ProcessError::NoPermission(_)),
        }
    }
}

/// What is asked of each of many processes or threads is asked once in this time.
const BRIEF: Duration = Duration::from_millis(1);

fn has_ended(handle: &std::os::windows::io::OwnedHandle) -> bool {
    // SAFETY: the handle is open and may be waited for.
    unsafe { WaitForSingleObject(raw(handle), 0) == WAIT_OBJECT_0 }
}

fn process_of_thread(tid: Tid) -> Option<Pid> {
    let system = System::now();
    let owner = system
        .processes
        .iter()
        .find(|one| one.thread(tid).is_some());
    owner.map(|one| one.pid)
}

fn parent_in(system: &System, pid: Pid) -> Option<Pid> {
    let one = system.process(pid)?;
    let parent = system.process(one.parent)?;
    (parent.pid != pid && parent.began <= one.began).then_some(parent.pid)
}
