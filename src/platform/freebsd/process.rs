//! What the kernel says of a process.

use super::filedesc::{ROOT, WORKING_FOLDER, path_of};
use super::kinfo::{Kinfo, records};
use super::sysctl::ask;
use super::vmmap::{entries, programs};
use crate::ids::{Pid, Tid};
use crate::platform::clocks::cpu_time_of;
use crate::platform::{
    MappedFile, Mapping, PinnedFile, Process, ProcessError, ProcessInfo, device_name,
};
use std::collections::HashMap;
use std::ffi::{OsStr, OsString};
use std::io;
use std::os::fd::AsRawFd;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::PathBuf;
use std::time::Duration;

/// The jail of a process in none.
const NO_JAIL: i32 = 0;

/// A question about a process.
fn about_process(what: libc::c_int, pid: Pid) -> io::Result<Vec<u8>> {
    ask(&[libc::CTL_KERN, libc::KERN_PROC, what, pid.native()])
}

/// What a list of words, each with a NUL behind it, has.
fn words(bytes: &[u8]) -> Vec<Vec<u8>> {
    let trimmed = bytes.strip_suffix(&[0]).unwrap_or(bytes);
    match trimmed.is_empty() {
        true => Vec::new(),
        false => trimmed.split(|b| *b == 0).map(<[u8]>::to_vec).collect(),
    }
}

impl Process {
    pub(super) fn kinfo(self) -> io::Result<Kinfo> {
        let answer = about_process(libc::KERN_PROC_PID, self.pid())?;
        let mut found = records(&answer).into_iter();
        let is_it = |one: &Kinfo| Pid::from(one.pid) == self.pid();
        found
            .find(is_it)
            .ok_or_else(|| io::Error::from_raw_os_error(libc::ESRCH))
    }

    /// A record for each thread.
    pub(super) fn kinfo_of_threads(self) -> io::Result<Vec<Kinfo>> {
        let what = libc::KERN_PROC_PID | libc::KERN_PROC_INC_THREAD;
        let mut all = records(&about_process(what, self.pid())?);
        all.retain(|one| Pid::from(one.pid) == self.pid());
        match all.is_empty() {
            true => Err(io::Error::from_raw_os_error(libc::ESRCH)),
            false => Ok(all),
        }
    }

    pub(crate) fn about(self) -> io::Result<ProcessInfo> {
        let kinfo = self.kinfo()?;
        let [space, text, code] = kinfo.program;
        let began = u64::try_from(kinfo.started.as_micros()).unwrap_or(u64::MAX);
        Ok(ProcessInfo {
            pid: self.pid(),
            parent: Pid::from(kinfo.parent),
            users: kinfo.users,
            group: kinfo.groups.first().copied().unwrap_or(u32::MAX),
            state: kinfo.letter(),
            is_kernels: kinfo.is_kernels(),
            began,
            program: [space, text, code, 0],
            size: kinfo.size,
            started: Some(kinfo.started),
            had_rights: kinfo.had_rights(),
            name: kinfo.name,
        })
    }

    pub(crate) fn groups(self) -> io::Result<Vec<u32>> {
        Ok(self.kinfo()?.groups)
    }

    /// The path of the program, as the process sees it.
    ///
    /// # Errors
    /// [`ProcessError::NoSuchProcess`], [`ProcessError::NoPermission`] and others.
    pub fn executable(self) -> Result<PathBuf, ProcessError> {
        let path = about_process(libc::KERN_PROC_PATHNAME, self.pid());
        let path = path.map_err(|e| self.error("the program's path", e))?;
        let path = path.split(|b| *b == 0).next().unwrap_or_default();
        Ok(OsString::from_vec(path.to_vec()).into())
    }

    /// The words of its command line; empty for a process that erased them.
    ///
    /// # Errors
    /// [`ProcessError::NoSuchProcess`] and others.
    pub fn command_line(self) -> Result<Vec<Vec<u8>>, ProcessError> {
        let line = about_process(libc::KERN_PROC_ARGS, self.pid());
        line.map(|line| words(&line))
            .map_err(|e| self.error("the command line", e))
    }

    /// Name and value of each of these variables that it was started with; none where that cannot be read.
    pub fn environment(self, names: &[&str]) -> Vec<(OsString, OsString)> {
        let all = about_process(libc::KERN_PROC_ENV, self.pid()).unwrap_or_default();
        let pairs = words(&all).into_iter().filter_map(|pair| {
            let at = memchr::memchr(b'=', &pair)?;
            let (name, value) = (pair.get(..at)?, pair.get(at + 1..)?);
            let owned = |bytes: &[u8]| OsStr::from_bytes(bytes).to_owned();
            let wanted = names.iter().any(|n| n.as_bytes() == name);
            wanted.then(|| (owned(name), owned(value)))
        });
        pairs.collect()
    }

    /// The ids of all processes that can be seen.
    pub fn all_ids() -> impl Iterator<Item = Pid> {
        let all = ask(&[libc::CTL_KERN, libc::KERN_PROC, libc::KERN_PROC_PROC]);
        let all = records(&all.unwrap_or_default());
        all.into_iter().map(|one| Pid::from(one.pid))
    }

    /// How many threads it has.
    pub fn thread_count(self) -> Option<usize> {
        usize::try_from(self.kinfo().ok()?.threads).ok()
    }

    /// Both at one moment.
    ///
    /// # Errors
    /// As [`Process::mappings`].
    pub fn programs_and_mappings(self) -> Result<(Vec<MappedFile>, Vec<Mapping>), ProcessError> {
        let failed = |e| self.error("the memory map", e);
        let answer = about_process(libc::KERN_PROC_VMMAP, self.pid()).map_err(failed)?;
        let entries = entries(&answer).ok_or_else(|| failed(io::ErrorKind::InvalidData.into()))?;
        let maps = entries.iter().map(|entry| entry.mapping).collect();
        Ok((programs(&entries, device_name), maps))
    }

    /// The ids of its threads, the main thread first, which has the process's number here: what the
    /// kernel calls it nobody else knows.
    ///
    /// # Errors
    /// [`ProcessError::NoSuchProcess`] and others.
    pub fn thread_ids(self) -> Result<Vec<Tid>, ProcessError> {
        let threads = self.kinfo_of_threads();
        let threads = threads.map_err(|e| self.error("the threads", e))?;
        let others = threads.iter().skip(1).map(|one| Tid::from(one.tid));
        Ok([self.pid().main_thread()]
            .into_iter()
            .chain(others)
            .collect())
    }

    /// Where each thread keeps its value of this key: the kernel does not know.
    pub fn places_of_key(
        self,
        _key: impl FnOnce() -> Option<u64>,
    ) -> Option<HashMap<Tid, Option<u64>>> {
        None
    }

    /// The CPU time of all its threads since it began.
    pub fn cpu_time(self) -> Option<Duration> {
        cpu_time_of(self.pid())
    }

    /// True when the process sees the same file system as we do: no jail that we are not in, no chroot.
    pub fn shares_our_view(self) -> bool {
        let jail = |process: Process| process.kinfo().map(|one| one.jail).ok();
        // In a jail of ours all have its number, and to us it is none.
        let theirs = jail(self);
        let same_jail = theirs == jail(Process::ourselves()) || theirs == Some(NO_JAIL);
        theirs.is_some() && same_jail && self.folders().is_some_and(|(_, root)| root.is_none())
    }

    /// Its working folder, and its root where that is not ours.
    pub(crate) fn folders(self) -> Option<(PathBuf, Option<PathBuf>)> {
        let answer = about_process(libc::KERN_PROC_FILEDESC, self.pid()).ok()?;
        let path = |number| Some(OsString::from_vec(path_of(&answer, number)?.to_vec()).into());
        let root: PathBuf = path(ROOT)?;
        let is_ours = root == std::path::Path::new("/");
        Some((path(WORKING_FOLDER)?, (!is_ours).then_some(root)))
    }
}

/// Executes a program by its descriptor; comes back only with an error.
///
/// # Safety
/// Both lists end with a null pointer.
pub(crate) unsafe fn become_program(
    program: &PinnedFile,
    words: *const *const libc::c_char,
    environment: *const *const libc::c_char,
) -> io::Error {
    // SAFETY: as the caller says.
    unsafe { libc::fexecve(program.descriptor().as_raw_fd(), words, environment) };
    io::Error::last_os_error()
}
