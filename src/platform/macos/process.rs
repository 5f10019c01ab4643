//! What the kernel says of a process.

use super::images::{LoadedImage, loaded_images};
use super::memory::LiveMemory;
use super::regions::mappings;
use super::task::Task;
use super::{arguments, groups, kernel};
use crate::ids::{Pid, Tid};
use crate::platform::{
    MappedFile, Mapping, PinnedFile, Process, ProcessError, ProcessInfo, device_name, execute_as,
    is_someones,
};
use std::collections::HashMap;
use std::ffi::{CString, OsStr, OsString};
use std::io;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::PathBuf;
use std::time::Duration;

/// Flags in what the kernel says of a process (sys/proc_info.h): one of the kernel's, and one that had
/// more rights than its user has.
const SYSTEM: u32 = 1;
const HAD_RIGHTS: u32 = 0x2000;

fn path_buf(bytes: Vec<u8>) -> PathBuf {
    OsString::from_vec(bytes).into()
}

impl Process {
    pub(crate) fn about(self) -> io::Result<ProcessInfo> {
        let pid = self.pid();
        let info = kernel::short_info(pid)?;
        let unique = kernel::unique(pid).ok();
        let long = kernel::long_info(pid).ok();
        let task = kernel::task_info(pid).ok();
        let [low, high] = unique.map_or([0; 2], |unique| unique.uuid);
        let version = unique.map_or(0, |unique| u64::from(unique.version.unsigned_abs()));
        Ok(ProcessInfo {
            pid,
            parent: Pid::from(info.pbsi_ppid),
            users: [info.pbsi_uid, info.pbsi_ruid, info.pbsi_svuid],
            group: info.pbsi_gid,
            name: {
                let name = info.pbsi_comm.iter().map(|c| *c as u8);
                name.take_while(|b| *b != 0).collect()
            },
            state: match letter(info.pbsi_status) {
                b'S' if task.is_some_and(|task| task.pti_numrunning > 0) => b'R',
                letter => letter,
            },
            is_kernels: info.pbsi_flags & SYSTEM != 0 && pid == Pid::default(),
            began: unique.map_or(0, |unique| unique.id),
            program: [low, high, version, 0],
            size: task.map_or(0, |task| task.pti_virtual_size),
            started: long.map(|info| {
                let micros = Duration::from_micros(info.pbi_start_tvusec);
                Duration::from_secs(info.pbi_start_tvsec).saturating_add(micros)
            }),
            had_rights: info.pbsi_flags & HAD_RIGHTS != 0,
        })
    }

    pub(crate) fn groups(self) -> io::Result<Vec<u32>> {
        let user = kernel::short_info(self.pid())?.pbsi_uid;
        let groups = groups::parse(&kernel::kinfo(self.pid())?, self.pid(), user);
        groups.ok_or_else(|| io::ErrorKind::InvalidData.into())
    }

    /// The path of the program, as the process sees it.
    ///
    /// # Errors
    /// [`ProcessError::NoSuchProcess`], [`ProcessError::NoPermission`] and others.
    pub fn executable(self) -> Result<PathBuf, ProcessError> {
        let path = kernel::program_path(self.pid());
        path.map(path_buf)
            .map_err(|e| self.error("the program's path", e))
    }

    /// The words of its command line.
    ///
    /// # Errors
    /// [`ProcessError::NoSuchProcess`] and others.
    pub fn command_line(self) -> Result<Vec<Vec<u8>>, ProcessError> {
        let failed = |e| self.error("the command line", e);
        let answer = kernel::arguments(self.pid()).map_err(failed)?;
        let parsed = arguments::parse(&answer);
        let parsed = parsed.ok_or_else(|| failed(io::ErrorKind::InvalidData.into()))?;
        Ok(parsed.words.into_iter().map(<[u8]>::to_vec).collect())
    }

    /// Name and value of each of these variables that it was started with; none where that cannot be read.
    pub fn environment(self, names: &[&str]) -> Vec<(OsString, OsString)> {
        let answer = kernel::arguments(self.pid()).unwrap_or_default();
        let variables = arguments::parse(&answer).map_or(Vec::new(), |parsed| parsed.variables);
        let pairs = variables.into_iter().filter_map(|pair| {
            let at = memchr::memchr(b'=', pair)?;
            let (name, value) = (pair.get(..at)?, pair.get(at + 1..)?);
            let owned = |bytes: &[u8]| OsStr::from_bytes(bytes).to_owned();
            let wanted = names.iter().any(|n| n.as_bytes() == name);
            wanted.then(|| (owned(name), owned(value)))
        });
        pairs.collect()
    }

    /// The ids of all processes.
    pub fn all_ids() -> impl Iterator<Item = Pid> {
        kernel::all_ids().into_iter()
    }

    /// How many threads it has.
    pub fn thread_count(self) -> Option<usize> {
        let info = kernel::task_info(self.pid()).ok()?;
        usize::try_from(info.pti_threadnum).ok()
    }

    fn task(self) -> Result<Task, ProcessError> {
        Task::of(self.pid()).map_err(|_| match is_someones(self.pid()) {
            true => ProcessError::NoPermission(self.pid()),
            false => ProcessError::NoSuchProcess(self.pid()),
        })
    }

    fn images(self, task: &Task) -> Result<Vec<LoadedImage>, ProcessError> {
        /// The linker changes its list while it loads something.
        const TRIES: u32 = 3;
        let memory = LiveMemory::new(self.pid());
        for _ in 0..TRIES {
            let infos = task.image_infos();
            let infos = infos.map_err(|_| ProcessError::NoSuchProcess(self.pid()))?;
            if let Some(images) = loaded_images(&memory, infos) {
                return Ok(images);
            }
            std::thread::sleep(Duration::from_millis(1));
        }
        Err(self.error(
            "the list of its programs",
            io::ErrorKind::InvalidData.into(),
        ))
    }

    /// The file that the kernel has mapped where an image is. The image's own word for it is the
    /// process's, and decides nothing.
    fn file_of(self, image: LoadedImage) -> Option<MappedFile> {
        let region = kernel::region(self.pid(), image.address).ok()?;
        let about = &region.file.vip_vi.vi_stat;
        let path = kernel::path(&region.file);
        let is_there = region.address <= image.address && about.vst_ino != 0;
        is_there.then(|| MappedFile {
            path: path_buf(if path.is_empty() { image.path } else { path }),
            maps: image.maps,
            deleted: about.vst_nlink == 0,
            inode: about.vst_ino,
            device: device_name(about.vst_dev.into()),
        })
    }

    /// Both, one right after the other.
    ///
    /// # Errors
    /// As [`Process::mappings`], and when the process may not be opened for reading.
    pub fn programs_and_mappings(self) -> Result<(Vec<MappedFile>, Vec<Mapping>), ProcessError> {
        let task = self.task()?;
        let images = self.images(&task)?;
        let maps = mappings(&task.regions(), &images);
        let files = images.into_iter().filter_map(|image| self.file_of(image));
        Ok((files.collect(), maps))
    }

    /// Id and place of the specific data of each thread; the main thread has the process's number here,
    /// as what the kernel calls it nobody else knows.
    fn threads(self) -> Result<Vec<(Tid, u64)>, ProcessError> {
        let threads = self.task()?.threads();
        let threads = threads.map_err(|_| ProcessError::NoSuchProcess(self.pid()))?;
        let named = threads.iter().enumerate().filter_map(|(at, (id, place))| {
            let tid = match at {
                0 => self.pid().main_thread(),
                _ => Tid::new(i64::try_from(*id).ok()?),
            };
            Some((tid, *place))
        });
        Ok(named.collect())
    }

    /// What the kernel calls the main thread.
    pub(super) fn first_thread(self) -> Option<u64> {
        let threads = self.task().ok()?.threads().ok()?;
        threads.first().map(|(id, _)| *id)
    }

    /// The ids of its threads, the main thread first.
    ///
    /// # Errors
    /// [`ProcessError::NoSuchProcess`] and others.
    pub fn thread_ids(self) -> Result<Vec<Tid>, ProcessError> {
        Ok(self.threads()?.into_iter().map(|(tid, _)| tid).collect())
    }

    /// Where each thread keeps its value of this key of pthread_key_create(3).
    pub fn places_of_key(
        self,
        key: impl FnOnce() -> Option<u64>,
    ) -> Option<HashMap<Tid, Option<u64>>> {
        let threads = self.threads().ok()?;
        let offset = key()?.checked_mul(8)?;
        let places = threads
            .into_iter()
            // One that is being made has none yet.
            .filter(|(_, place)| *place != 0)
            .map(|(tid, place)| (tid, Some(place.wrapping_add(offset))));
        Some(places.collect())
    }

    /// The CPU time of all its threads since it began.
    pub fn cpu_time(self) -> Option<Duration> {
        let info = kernel::task_info(self.pid()).ok()?;
        let ticks = info.pti_total_user.checked_add(info.pti_total_system)?;
        let mut base = mach2::mach_time::mach_timebase_info { numer: 0, denom: 0 };
        // SAFETY: there is room for the answer.
        unsafe { mach2::mach_time::mach_timebase_info(&raw mut base) };
        let nanoseconds = u128::from(ticks)
            .checked_mul(base.numer.into())?
            .checked_div(base.denom.into())?;
        Some(Duration::from_nanos(u64::try_from(nanoseconds).ok()?))
    }

    /// True when the process sees the same file system as we do: no chroot.
    pub fn shares_our_view(self) -> bool {
        self.folders().is_some_and(|(_, root)| root.is_none())
    }

    /// Its working folder, and its root where that is not ours.
    pub(crate) fn folders(self) -> Option<(PathBuf, Option<PathBuf>)> {
        let folders = kernel::folders(self.pid()).ok()?;
        let root = kernel::path(&folders.pvi_rdir);
        let is_ours = root.is_empty() || root == b"/";
        let root = (!is_ours).then(|| path_buf(root));
        Some((path_buf(kernel::path(&folders.pvi_cdir)), root))
    }
}

/// As Linux has it; the states are those of sys/proc.h.
fn letter(status: u32) -> u8 {
    match status {
        // To the kernel all are runnable that are not stopped or over: their threads tell.
        libc::SRUN | libc::SSLEEP => b'S',
        libc::SSTOP => b'T',
        libc::SZOMB => b'Z',
        _ => b'D',
    }
}

/// Executes a program. macOS does it by name only; comes back only with an error.
///
/// # Safety
/// Both lists end with a null pointer.
pub(crate) unsafe fn become_program(
    program: &PinnedFile,
    words: *const *const libc::c_char,
    environment: *const *const libc::c_char,
) -> io::Error {
    let name = execute_as(program).and_then(|path| Ok(CString::new(path.as_os_str().as_bytes())?));
    match name {
        Ok(name) => {
            // SAFETY: as the caller says; the name has its end.
            unsafe { libc::execve(name.as_ptr(), words, environment) };
            io::Error::last_os_error()
        }
        Err(e) => e,
    }
}
