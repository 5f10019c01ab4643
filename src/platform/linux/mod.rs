//! What the operating system says of a process: its maps, files, threads and whether they run.

mod abilities;
pub(crate) mod capability;
pub(crate) mod confine;
mod coschedule;
pub(crate) mod hidepid;
mod history;
mod incarnation;
mod listed;
pub mod load;
pub(crate) mod maps;
mod memory;
mod mounted;
pub(crate) mod permission;
mod pinned;
mod records;
mod registers;
mod regular;
mod source;
mod stamp;
mod stat;
mod switch_time;
mod switches;
mod syscall;
mod text;
pub(crate) mod thread;
mod trust;
mod witness;

use crate::ids::{Pid, Tid};
use crate::platform::{MappedFile, Mapping, Process, ProcessError};
pub use abilities::abilities;
pub use coschedule::{CoSchedule, is_real_time, wake_at_once};
pub(crate) use listed::parse as listed_line;
pub use listed::{children_of, has_thread};
pub use memory::LiveMemory;
pub use mounted::missing_proc;
pub use permission::obstacle;
pub(crate) use pinned::become_program;
pub use pinned::{PinnedFile, is_mapped_file};
pub use registers::RegisterWatch;
pub use regular::{is_place, place_at, place_below};
pub use syscall::syscall_name;
pub use thread::{OwnWait, ThreadWatch, resting_place};
pub use witness::{Arrival, Witness};

use indexmap::IndexMap;
use maps::MapsLine;
use stat::{PARENT, Stat};
use std::collections::HashMap;
use std::ffi::OsString;
use std::fs::{self, File};
use std::io::{self, Read};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;
use std::time::Duration;

/// The kernel marks a mapped file that is gone this way.
const DELETED: &str = " (deleted)";
/// More than most of these files hold: to enlarge what one is read into costs further reads.
const ENOUGH: usize = 16 << 10;
/// No list of mappings, of which there are at most some ten thousands, is longer.
const LONGEST: u64 = 256 << 20;

impl Process {
    /// Checks that there is such a process and that it runs a program.
    ///
    /// # Errors
    /// Every case of [`ProcessError`]: the id is nobody's, a thread's, a zombie's, the kernel's own, or may
    /// not be asked about.
    pub fn open(pid: Pid) -> Result<Self, ProcessError> {
        let process = Process { pid };
        let status = process
            .read("status")
            .map_err(|e| process.error("the status", e))?;
        let field = |name: &str| {
            status
                .lines()
                .find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))
                .map(str::trim)
        };
        if field("State").is_some_and(|state| state.starts_with(['Z', 'X'])) {
            return Err(ProcessError::Zombie(pid));
        }
        match field("Tgid").and_then(|t| t.parse().ok()) {
            Some(tgid) if tgid != pid => {
                return Err(ProcessError::IsThread {
                    tid: pid.main_thread(),
                    pid: tgid,
                });
            }
            _ => {}
        }
        if field("VmSize").is_none() {
            // Who is just ending has given up its memory, too, and is no zombie yet. Older kernels
            // do not say which are theirs: all are children of the second process.
            let is_kernels = match field("Kthread") {
                Some(said) => said == "1",
                None => pid == Pid::from(2) || field("PPid") == Some("2"),
            };
            return Err(if is_kernels {
                ProcessError::KernelThread(pid)
            } else {
                ProcessError::NoSuchProcess(pid)
            });
        }
        Ok(process)
    }

    fn read(self, name: &str) -> io::Result<String> {
        self.bytes_of(name)
            .map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
    }

    /// What the kernel writes into a file of the process when it is read. Its size says nothing, and
    /// asking for it costs as much as reading.
    fn bytes_of(self, name: &str) -> io::Result<Vec<u8>> {
        let mut bytes = Vec::with_capacity(ENOUGH);
        let file = File::open(format!("/proc/{}/{name}", self.pid))?;
        file.take(LONGEST).read_to_end(&mut bytes)?;
        Ok(bytes)
    }

    fn error(self, what: &'static str, source: io::Error) -> ProcessError {
        match source.kind() {
            io::ErrorKind::NotFound => ProcessError::NoSuchProcess(self.pid),
            io::ErrorKind::PermissionDenied => ProcessError::NoPermission(self.pid),
            _ if source.raw_os_error() == Some(libc::ESRCH) => {
                ProcessError::NoSuchProcess(self.pid)
            }
            _ => ProcessError::Io {
                pid: self.pid,
                what,
                source,
            },
        }
    }

    /// The path of the program, as the process sees it.
    ///
    /// # Errors
    /// [`ProcessError::NoSuchProcess`], [`ProcessError::NoPermission`] and others.
    pub fn executable(self) -> Result<PathBuf, ProcessError> {
        let link = fs::read_link(format!("/proc/{}/exe", self.pid));
        let path = link.map_err(|e| self.error("the program's path", e))?;
        let kept = path.to_str().and_then(|p| p.strip_suffix(DELETED));
        Ok(kept.map(PathBuf::from).unwrap_or(path))
    }

    /// The words of its command line; empty for a process that erased them.
    ///
    /// # Errors
    /// [`ProcessError::NoSuchProcess`] and others.
    pub fn command_line(self) -> Result<Vec<Vec<u8>>, ProcessError> {
        let raw = self
            .bytes_of("cmdline")
            .map_err(|e| self.error("the command line", e))?;
        let trimmed = raw.strip_suffix(&[0]).unwrap_or(&raw);
        if trimmed.is_empty() {
            return Ok(Vec::new());
        }
        Ok(trimmed.split(|b| *b == 0).map(<[u8]>::to_vec).collect())
    }

    /// The ids of all processes that can be seen.
    pub fn all_ids() -> impl Iterator<Item = Pid> {
        let entries = folder("/proc").into_iter().flatten().flatten();
        entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok())
    }

    /// The process that started the process `pid`, if that is there.
    pub fn parent_of(pid: Pid) -> Option<Pid> {
        let stat = text::page(&format!("/proc/{pid}/stat")).ok()?;
        Stat::of(&stat)?.number(PARENT)
    }

    /// True while it is stopped (SIGSTOP, Ctrl-Z), or held by a debugger.
    pub fn is_stopped(self) -> bool {
        is_stopped(&format!("/proc/{}/stat", self.pid))
    }

    /// The same of one of its threads.
    pub fn thread_is_stopped(self, tid: Tid) -> bool {
        is_stopped(&format!("/proc/{}/task/{tid}/stat", self.pid))
    }

    /// How many threads it has: a look that costs much less than listing them.
    pub fn thread_count(self) -> Option<usize> {
        let links = fs::metadata(format!("/proc/{}/task", self.pid))
            .ok()?
            .nlink();
        // The folder's own two, and one for each thread's folder.
        usize::try_from(links.checked_sub(2)?).ok()
    }

    /// Both at one moment: the kernel takes its time to write the list.
    ///
    /// # Errors
    /// As [`Process::mappings`].
    pub fn programs_and_mappings(self) -> Result<(Vec<MappedFile>, Vec<Mapping>), ProcessError> {
        let failed = |e| self.error("the memory map", e);
        let text = self.bytes_of("maps").map_err(failed)?;
        let lines = maps::lines(&text).ok_or_else(|| failed(io::ErrorKind::InvalidData.into()))?;
        Ok((
            programs(&lines),
            lines.iter().map(|line| line.mapping).collect(),
        ))
    }

    /// The kernel's ids of its threads, the main thread first.
    ///
    /// # Errors
    /// [`ProcessError::NoSuchProcess`] and others.
    pub fn thread_ids(self) -> Result<Vec<Tid>, ProcessError> {
        let entries = folder(&format!("/proc/{}/task", self.pid))
            .map_err(|e| self.error("the threads", e))?;
        let mut ids: Vec<Tid> = entries
            .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
            .collect();
        ids.sort_unstable_by_key(|id| (*id != self.pid, *id));
        Ok(ids)
    }

    /// Where each thread keeps its value of a key of pthread_key_create(3): the kernel does not know.
    pub fn places_of_key(
        self,
        _key: impl FnOnce() -> Option<u64>,
    ) -> Option<HashMap<Tid, Option<u64>>> {
        None
    }

    /// How long ago it was started; a program that it executed since does not count.
    pub fn age(self) -> Option<Duration> {
        /// "starttime", in ticks since the machine was started.
        const BEGAN: usize = 22;
        let stat = text::page(&format!("/proc/{}/stat", self.pid)).ok()?;
        let ticks: f64 = Stat::of(&stat)?.number(BEGAN)?;
        let uptime = fs::read_to_string("/proc/uptime").ok()?;
        let now: f64 = uptime.split_whitespace().next()?.parse().ok()?;
        // SAFETY: sysconf has no preconditions.
        let per_second = unsafe { libc::sysconf(libc::_SC_CLK_TCK) };
        let age = now - ticks / per_second.max(1) as f64;
        Duration::try_from_secs_f64(age.max(0.0)).ok()
    }

    /// True while the process has not ended; a zombie has.
    pub fn is_alive(self) -> bool {
        match self.read("stat") {
            // The command name in front may hold anything, spaces and parentheses included.
            Ok(stat) => stat
                .rsplit_once(") ")
                .is_some_and(|(_, rest)| !rest.starts_with(['Z', 'X'])),
            // That it cannot be asked (too many open files) does not mean that it is gone.
            Err(e) => !matches!(self.error("its state", e), ProcessError::NoSuchProcess(_)),
        }
    }
}

/// The files that are mapped as programs or libraries.
fn programs(lines: &[MapsLine<'_>]) -> Vec<MappedFile> {
    let mut files: IndexMap<(&[u8], &str, u64), Vec<Mapping>> = IndexMap::new();
    for line in lines.iter().filter(|line| line.name.is_absolute()) {
        let key = (line.name.as_os_str().as_bytes(), line.device, line.inode);
        files.entry(key).or_default().push(line.mapping);
    }
    files
        .into_iter()
        .filter(|(_, maps)| is_program(maps))
        .map(|((path, device, inode), maps)| {
            let kept = path.strip_suffix(DELETED.as_bytes());
            MappedFile {
                deleted: kept.is_some(),
                path: unescaped(kept.unwrap_or(path)),
                maps,
                inode,
                device: device.to_owned(),
            }
        })
        .collect()
}

/// Code may be executed; that of a program which an emulator runs (qemu-user) is only read, and has
/// data beside it.
fn is_program(maps: &[Mapping]) -> bool {
    let any = |what: fn(&Mapping) -> bool| maps.iter().any(what);
    any(|m| m.executable) || any(|m| m.writable) && any(|m| !m.writable)
}

/// A name as it is: the kernel writes only a newline otherwise (proc_pid_maps(5)).
fn unescaped(name: &[u8]) -> PathBuf {
    let mut found = Vec::new();
    let mut rest = name;
    while let Some(at) = memchr::memmem::find(rest, br"\012") {
        found.extend(rest.iter().take(at));
        found.push(b'\n');
        rest = rest.get(at + 4..).unwrap_or_default();
    }
    found.extend(rest);
    OsString::from_vec(found).into()
}

/// What is in a folder. The standard library lets a signal interrupt it.
fn folder(path: &str) -> io::Result<fs::ReadDir> {
    loop {
        match fs::read_dir(path) {
            Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
            other => return other,
        }
    }
}

/// proc_pid_stat(5): the letter behind the name in parentheses, which may hold anything.
fn is_stopped(stat: &str) -> bool {
    text::page(stat).is_ok_and(|stat| Stat::of(&stat).is_some_and(|stat| stat.is_stopped()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_has_code_or_what_an_emulator_runs() {
        let map = |writable, executable| Mapping {
            start: 0x1000,
            end: 0x2000,
            file_offset: 0,
            writable,
            executable,
            anonymous: false,
            heap: false,
        };
        let (code, text, data) = (map(false, true), map(false, false), map(true, false));
        assert!(is_program(&[code]) && is_program(&[text, data]) && is_program(&[data, text]));
        // A file that somebody reads, or writes.
        assert!(!is_program(&[text, text]) && !is_program(&[data]));
    }
    use std::path::Path;

    #[test]
    fn newlines_in_names_are_what_they_are() {
        let plain = |name: &str| unescaped(name.as_bytes());
        assert_eq!(plain(r"/a\012b/\012"), Path::new("/a\nb/\n"));
        assert_eq!(plain(r"/a\01"), Path::new(r"/a\01"));
    }

    #[test]
    fn the_age_of_a_process_is_told() {
        let mut child = std::process::Command::new("sleep")
            .arg("9")
            .spawn()
            .unwrap();
        let young = Process::open(Pid::from(child.id())).unwrap().age().unwrap();
        child.kill().unwrap();
        child.wait().unwrap();
        assert!(young < Duration::from_secs(5), "{young:?}");
        let old = Process::open(Pid::from(1)).unwrap().age().unwrap();
        assert!(old > young, "{old:?}");
    }

    #[test]
    fn this_process() {
        let me = Process::open(Pid::ours()).unwrap();
        assert_eq!(me.executable().unwrap(), std::env::current_exe().unwrap());
        assert!(me.is_alive());
        assert!(me.thread_ids().unwrap().contains(&me.pid().main_thread()));
        let exe = me.executable().unwrap();
        assert!(
            me.mapped_programs()
                .unwrap()
                .iter()
                .any(|f| f.path == exe && !f.deleted)
        );
        let words = me.command_line().unwrap();
        assert!(!words.is_empty());
    }

    #[test]
    fn ids_that_name_no_process() {
        assert!(matches!(
            Process::open(Pid::from(0x3fff_fffe)),
            Err(ProcessError::NoSuchProcess(_))
        ));
        assert!(
            matches!(
                Process::open(Pid::from(2)),
                Err(ProcessError::KernelThread(_))
            ) || !Path::new("/proc/2").exists()
        );
    }
}
