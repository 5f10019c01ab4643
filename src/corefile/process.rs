//! The process that a core file is of.

use super::files::{CoreFinder, FilesBehind, Whereabouts, build_id, mapped};
use super::header::CoreFile;
use super::linker::linked;
use super::memory::CoreMemory;
use super::notes::CoreThread;
use super::pieces::KeptMemory;
use super::siginfo::Ending;
use super::words::words;
use crate::attach::ProcessView;
use crate::examine::Examiner;
use crate::ids::{Pid, Tid};
use crate::image::hex;
use crate::platform::{MappedFile, Mapping, Process, ProcessError, SharedCpu};
use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

/// A process of which there is a core file.
pub struct CoreProcess {
    core: Arc<CoreFile>,
    pid: Pid,
    words: Vec<Vec<u8>>,
    program: PathBuf,
    mapped: Vec<MappedFile>,
    mappings: Vec<Mapping>,
    files: Arc<FilesBehind>,
    finder: Arc<CoreFinder>,
}

/// What is missing in a core file, or beside it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CoreGaps {
    /// Bytes that were cut off at its end.
    pub cut_off: u64,
    /// Bytes of memory that the process could write to and that were left out (coredump_filter).
    pub left_out: u64,
    /// Files that were needed and are not here: the name there, the build-id, and what is wrong.
    pub files: Vec<(PathBuf, Option<String>, String)>,
}

impl CoreProcess {
    /// The process, and its memory. Its files are looked for below `root`, and `program` is taken for the
    /// program itself.
    pub fn new(core: CoreFile, root: Option<&Path>, program: Option<&Path>) -> (Self, CoreMemory) {
        let core = Arc::new(core);
        let kept = KeptMemory::of(core.clone());
        let told = &core.notes.parts;
        let mapped = match told.is_empty() {
            true => mapped(&core, &linked(&core, &kept)),
            false => mapped(&core, told),
        };
        let entry = core.notes.entry.unwrap_or(0);
        let is_entered = |map: &Mapping| (map.start..map.end).contains(&entry);
        // What the kernel entered, else what is mapped first.
        let started = mapped
            .iter()
            .find(|file| file.maps.iter().any(is_entered))
            .or(mapped.first());
        let name = started.map(|file| file.path.clone()).unwrap_or_default();
        let ids = mapped.iter().filter_map(|file| {
            let id = build_id(&kept, core.abi, file)?;
            Some((file.path.clone(), id))
        });
        let finder = Arc::new(CoreFinder {
            whereabouts: Whereabouts {
                root: root.map(Path::to_owned),
                program: program.map(|instead| (name.clone(), instead.to_owned())),
            },
            build_ids: ids.collect(),
        });
        let examiner = Arc::new(Examiner::of_former(finder.clone()));
        let files = Arc::new(FilesBehind::of(&mapped, &examiner));
        let first = core.notes.threads.first().map(|thread| thread.tid);
        let pid = core.notes.pid;
        let pid = pid.unwrap_or_else(|| first.map_or(0, Tid::native).into());
        let memory = CoreMemory::of(core.clone(), files.clone());
        let kept_words = || {
            let words = core.notes.words.split(|b| *b == b' ');
            words.map(<[u8]>::to_vec).collect()
        };
        let process = CoreProcess {
            words: words(&core, &kept).unwrap_or_else(kept_words),
            mappings: mappings(&core, &mapped),
            pid,
            program: name,
            mapped,
            files,
            finder,
            core,
        };
        (process, memory)
    }

    /// Its threads, the one that the signal was for first.
    pub fn threads(&self) -> &[CoreThread] {
        &self.core.notes.threads
    }

    /// What ended it; `None` where nothing did.
    pub fn ending(&self) -> Option<Ending> {
        self.core.notes.ending
    }

    /// The core file.
    pub fn path(&self) -> &Path {
        &self.core.path
    }

    /// Looks whether the program and its libraries are here, where nothing has asked for them yet.
    pub fn look_at_files(&self) {
        let code = |map: &Mapping| map.executable;
        /// More programs and libraries than any perl has.
        const MOST: usize = 1000;
        let files = self.files.files.iter();
        let programs = files.filter(|f| f.file.maps.iter().any(code));
        for file in programs.take(MOST) {
            let _ = file.image();
        }
    }

    /// What is missing, as far as that is known by now.
    pub fn gaps(&self) -> CoreGaps {
        let core = &self.core;
        let left_out = core.pieces.iter().filter(|piece| piece.writable);
        let left_out = left_out.map(|piece| (piece.end - piece.start) - piece.kept);
        let missing = self.files.files.iter().filter_map(|file| {
            let trouble = file.trouble()?.to_string();
            let id = self.finder.build_ids.get(&file.file.path);
            Some((file.file.path.clone(), id.map(|id| hex(id)), trouble))
        });
        CoreGaps {
            cut_off: core.meant.saturating_sub(core.length),
            left_out: left_out.fold(0, u64::saturating_add),
            files: missing.collect(),
        }
    }
}

/// All that was mapped: what the core file has, and the parts of files that it leaves out.
fn mappings(core: &CoreFile, files: &[MappedFile]) -> Vec<Mapping> {
    let of_files = files.iter().flat_map(|file| &file.maps);
    let mut all: Vec<Mapping> = of_files.copied().collect();
    all.sort_by_key(|map| map.start);
    let known: Vec<u64> = all.iter().map(|map| map.start).collect();
    let others = core
        .pieces
        .iter()
        .filter(|piece| known.binary_search(&piece.start).is_err());
    all.extend(others.map(|piece| Mapping {
        start: piece.start,
        end: piece.end,
        file_offset: 0,
        writable: piece.writable,
        executable: piece.executable,
        anonymous: true,
        heap: false,
    }));
    all.sort_by_key(|map| map.start);
    all
}

impl ProcessView for CoreProcess {
    fn pid(&self) -> Pid {
        self.pid
    }

    fn live(&self) -> Option<Process> {
        None
    }

    fn executable(&self) -> Result<PathBuf, ProcessError> {
        Ok(self.program.clone())
    }

    fn command_line(&self) -> Result<Vec<Vec<u8>>, ProcessError> {
        Ok(self.words.clone())
    }

    fn programs_and_mappings(&self) -> Result<(Vec<MappedFile>, Vec<Mapping>), ProcessError> {
        Ok((self.mapped.clone(), self.mappings.clone()))
    }

    fn thread_ids(&self) -> Result<Vec<Tid>, ProcessError> {
        let mut ids: Vec<Tid> = self.threads().iter().map(|thread| thread.tid).collect();
        ids.sort_unstable_by_key(|id| (*id != self.pid, *id));
        Ok(ids)
    }

    fn main_thread(&self) -> Tid {
        self.pid.main_thread()
    }

    fn thread_count(&self) -> Option<usize> {
        Some(self.threads().len())
    }

    fn is_alive(&self) -> bool {
        true
    }

    /// Nobody waits for it to get ready.
    fn age(&self) -> Option<Duration> {
        Some(Duration::MAX)
    }

    fn places_of_key(
        &self,
        _: &mut dyn FnMut() -> Option<u64>,
    ) -> Option<HashMap<Tid, Option<u64>>> {
        None
    }

    fn examiner(&self) -> Examiner {
        Examiner::of_former(self.finder.clone())
    }

    fn beside(&self, _: Tid) -> SharedCpu {
        SharedCpu::of_nobody()
    }
}
