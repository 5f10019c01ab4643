//! What every system tells of a process, in its own way: what is mapped, and why it will not say.

use crate::ids::{Pid, Tid};
use crate::remedy::Remedy;
use std::io;
use std::path::PathBuf;

/// Why the operating system would not tell.
#[derive(Debug, thiserror::Error)]
pub enum ProcessError {
    /// There is no process with this id.
    #[error("there is no process {0}")]
    NoSuchProcess(Pid),
    /// The process belongs to someone else, or the system forbids looking.
    #[error("no permission to read process {0}")]
    NoPermission(Pid),
    /// The process is a zombie: it has ended and waits to be reaped.
    #[error("process {0} has ended and only waits for its parent to take note (a zombie)")]
    Zombie(Pid),
    /// The process has no user memory.
    #[error("process {0} is a thread of the kernel: it runs no program")]
    KernelThread(Pid),
    /// The id is that of a thread, not of a process.
    #[error("{tid} is a thread of process {pid}")]
    IsThread {
        /// The id that was given.
        tid: Tid,
        /// The process that it belongs to.
        pid: Pid,
    },
    /// Any other failure.
    #[error("cannot read {what} of process {pid}")]
    Io {
        /// The process.
        pid: Pid,
        /// What was read.
        what: &'static str,
        /// What the system answered.
        source: io::Error,
    },
}

impl ProcessError {
    /// What can be done about it.
    pub fn remedy(&self) -> Option<Remedy> {
        match self {
            ProcessError::NoSuchProcess(pid) => Some(Remedy::FindProcess(*pid)),
            ProcessError::NoPermission(pid) => Some(Remedy::GetRights(*pid)),
            ProcessError::IsThread { pid, .. } => Some(Remedy::NameProcess(*pid)),
            _ => None,
        }
    }
}

/// What a name leads to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FileKind {
    /// Nothing yet.
    Missing,
    /// An ordinary file.
    File,
    /// A pipe or a device.
    Special,
    /// A folder, which nothing can be written to.
    Folder,
    /// One of our own descriptors, as /dev/stdout is one.
    Descriptor(i32),
}

/// One file that is mapped into the process.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MappedFile {
    /// Its path as the process sees it.
    pub path: PathBuf,
    /// Its mappings, lowest address first.
    pub maps: Vec<Mapping>,
    /// True when the file was deleted or replaced since it was mapped.
    pub deleted: bool,
    /// Its number in its file system.
    pub inode: u64,
    /// That file system, as the kernel writes it: `fd:01`.
    pub device: String,
}

/// One mapping of the process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Mapping {
    /// First address.
    pub start: u64,
    /// First address behind it.
    pub end: u64,
    /// Where it starts in the file; 0 for anonymous memory.
    pub file_offset: u64,
    /// May be written.
    pub writable: bool,
    /// May be executed.
    pub executable: bool,
    /// Backed by no file.
    pub anonymous: bool,
    /// What `brk` made: it may touch a program's data without belonging to it.
    pub heap: bool,
}

/// A process of this machine, by its id.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Process {
    pub(super) pid: Pid,
}

impl Process {
    /// The process of this id, whether there is one or not.
    pub(super) const fn by_id(pid: Pid) -> Self {
        Process { pid }
    }

    /// The process that we are.
    pub fn ourselves() -> Self {
        Process::by_id(Pid::ours())
    }

    /// The process id.
    pub fn pid(self) -> Pid {
        self.pid
    }

    /// The thread that it began with, which has the process's id on every Unix.
    #[cfg(unix)]
    pub fn main_thread(self) -> Tid {
        self.pid.main_thread()
    }

    /// Everything that is mapped, lowest address first.
    ///
    /// # Errors
    /// [`ProcessError::NoSuchProcess`], [`ProcessError::NoPermission`] and others.
    #[cfg(unix)]
    pub fn mappings(self) -> Result<Vec<Mapping>, ProcessError> {
        Ok(self.programs_and_mappings()?.1)
    }

    /// The files that are mapped as programs or libraries, in order of address.
    ///
    /// # Errors
    /// [`ProcessError::NoSuchProcess`], [`ProcessError::NoPermission`] and others.
    pub fn mapped_programs(self) -> Result<Vec<MappedFile>, ProcessError> {
        Ok(self.programs_and_mappings()?.0)
    }

    /// Its command line for headings, cut to a sane length.
    pub fn title(self) -> String {
        /// Characters.
        const LONGEST: usize = 120;
        let words = self.command_line().unwrap_or_default();
        let words: Vec<String> = words.iter().map(|w| crate::text::from_utf8(w)).collect();
        let full = words.join(" ");
        match full.char_indices().nth(LONGEST) {
            Some((cut, _)) => format!("{}…", full.get(..cut).unwrap_or_default()),
            None => full,
        }
    }

    /// What stands behind `-e` on the command line, if anything does.
    pub fn one_liner(self) -> Option<Vec<u8>> {
        let words = self.command_line().ok()?;
        let mut words = words.into_iter().skip(1);
        let mut lines = Vec::new();
        while let Some(word) = words.next() {
            // `-ne` is -n and -e.
            let is_switch = word.first() == Some(&b'-') && word.get(1) != Some(&b'-');
            if is_switch && matches!(word.last(), Some(b'e' | b'E')) {
                lines.extend(words.next());
            }
        }
        (!lines.is_empty()).then(|| lines.join(&b'\n'))
    }
}

/// The data of files: what is mapped writable from a file, and the anonymous rest right behind.
pub fn data_ranges(maps: &[Mapping]) -> Vec<(u64, u64)> {
    let mut ranges: Vec<(u64, u64)> = Vec::new();
    for map in maps.iter().filter(|m| m.writable) {
        let touches = ranges.last().is_some_and(|(_, end)| *end == map.start);
        if !map.anonymous || (touches && !map.heap) {
            ranges.push((map.start, map.end));
        }
    }
    ranges
}

/// The same of the file with these mappings.
pub fn own_data_ranges(own_maps: &[Mapping], maps: &[Mapping]) -> impl Iterator<Item = (u64, u64)> {
    let first = own_maps.iter().map(|m| m.start).min().unwrap_or(0);
    let last = own_maps.iter().map(|m| m.end).max().unwrap_or(0);
    // What follows the file's last mapping directly is its .bss.
    let is_own = move |(start, _): &(u64, u64)| (first..=last).contains(start);
    data_ranges(maps).into_iter().filter(is_own)
}
