//! The processes of this machine that run a perl, found at little cost and without touching them.

use super::named::is_perl_name;
use crate::examine::{Examiner, copied_variables};
use crate::identity::arrays::with_array_symbols;
use crate::identity::texts::FileFacts;
use crate::identity::{Build, Identity};
use crate::ids::Pid;
use crate::image::{Image, Symbol};
use crate::memory::{Abi, Memory, ReadError, Reader};
use crate::platform::{
    Hiding, Listed, LiveMemory, MappedFile, Obstacle, Process, ProcessError, obstacle, opened,
    places,
};
use std::cell::OnceCell;
use std::collections::HashMap;
use std::fs::File;
use std::io;
use std::path::Path;
use std::rc::Rc;
use std::sync::Arc;

/// One process that runs a perl.
#[derive(Debug, Clone)]
pub struct PerlProcess {
    /// What the system says of it.
    pub listed: Listed,
    /// The user that it runs as.
    pub user: Option<u32>,
    /// The words of its command line; none where it erased them.
    pub words: Vec<Vec<u8>>,
    /// Such as `5.36.0`; `None` where that cannot be told without attaching.
    pub version: Option<String>,
    /// Why it cannot be attached to; `None` where it can.
    pub obstacle: Option<Obstacle>,
    /// It is another program, with a perl in it that it may use or not.
    pub is_embedded: bool,
}

/// All of them.
#[derive(Debug, Clone)]
pub struct Roster {
    /// By process id.
    pub perls: Vec<PerlProcess>,
    /// What was looked at: perls and others.
    pub all: Vec<Listed>,
    /// How many may not be looked into and do not look like a perl from outside.
    pub unknown: usize,
    /// What keeps other users' processes from the list.
    pub hiding: Option<Hiding>,
}

impl Roster {
    /// Looks at every process once. Whether one may be read is found out by reading a word of it.
    ///
    /// # Errors
    /// That processes are overlooked because few files can be open at a time.
    pub fn take() -> io::Result<Self> {
        let all = Listed::all();
        let mut known = KnownFiles::default();
        let me = Pid::ours();
        let others = all.iter().filter(|one| one.pid != me);
        let perls = others.filter_map(|one| known.perl(one)).collect::<Vec<_>>();
        // The files that were met are still open.
        more_can_be_open()?;
        Ok(Roster {
            perls,
            unknown: known.refused,
            all,
            hiding: Hiding::of_proc(),
        })
    }
}

/// More files can be open than it takes to look into a process.
fn more_can_be_open() -> io::Result<()> {
    const FILES: usize = 16;
    let files: io::Result<Vec<File>> = (0..FILES).map(|_| File::open(places::NOTHING)).collect();
    match files {
        Err(e) if opened::are_too_many(&e) => Err(e),
        _ => Ok(()),
    }
}

impl PerlProcess {
    /// Its command line as one line that is safe to show; its name in brackets where it erased it,
    /// as `ps` has it.
    pub fn command(&self) -> String {
        let words: Vec<String> = self
            .words
            .iter()
            .map(|w| crate::text::from_utf8(w))
            .collect();
        let line = words.join(" ");
        match line.trim() {
            "" => format!("[{}]", crate::text::from_utf8(&self.listed.name)),
            line => line.to_owned(),
        }
    }
}

/// What is remembered of a file with a perl in it, for all processes that run it.
struct PerlFile {
    image: Image,
    /// `None` where it has no symbols that tell.
    identity: Option<Identity>,
    version: Option<String>,
    /// Whether a file without symbols has the names of perl's ops, once somebody asked.
    has_ops: OnceCell<bool>,
}

/// What was found out about files, by file system and number: a thousand processes run a few dozen.
#[derive(Default)]
struct KnownFiles {
    files: HashMap<(String, u64, bool), Option<Rc<PerlFile>>>,
    /// Processes that nothing can be said of.
    refused: usize,
}

/// What a look at a process comes to.
enum ProcessLook {
    /// It runs no perl, or has not begun to.
    No,
    Yes {
        version: Option<String>,
        obstacle: Option<Obstacle>,
    },
}

impl KnownFiles {
    fn perl(&mut self, listed: &Listed) -> Option<PerlProcess> {
        let process = Process::listed(listed);
        let (version, obstacle) = match process.mapped_programs() {
            Ok(files) => match self.look(process, &files) {
                // Its files may not be opened either, and its name is all there is to go by.
                ProcessLook::No if says_perl(listed, process) && is_denied(process, &files) => {
                    (None, Some(obstacle(process.pid())))
                }
                ProcessLook::No => return None,
                ProcessLook::Yes { version, obstacle } => (version, obstacle),
            },
            Err(ProcessError::NoPermission(pid)) => {
                if !says_perl(listed, process) {
                    self.refused += 1;
                    return None;
                }
                (None, Some(obstacle(pid)))
            }
            Err(_) => return None,
        };
        Some(PerlProcess {
            listed: listed.clone(),
            user: process.user(),
            words: process.command_line().unwrap_or_default(),
            version,
            obstacle,
            is_embedded: process.executable().is_ok_and(|p| !is_perl_name(&p)),
        })
    }

    fn look(&mut self, process: Process, files: &[MappedFile]) -> ProcessLook {
        let program = process.executable().unwrap_or_default();
        let examiner = Examiner::of(process);
        for file in files {
            let is_program = file.path == program;
            let key = (file.device.clone(), file.inode, is_program);
            let known = self
                .files
                .entry(key)
                .or_insert_with(|| perl_of(&examiner, file, is_program));
            // A program may only speak of the perl that one of its libraries is.
            let look = known.as_ref().map(|perl| {
                let copies = |bias| {
                    let (image, files) = (&perl.image, files);
                    copied_variables(&examiner, &program, files, image, bias)
                };
                perl.look(process, file, is_perl_name(&program), &copies)
            });
            if let Some(found @ ProcessLook::Yes { .. }) = look {
                return found;
            }
        }
        ProcessLook::No
    }
}

/// The perl in a file; `None` for what is none, and what cannot be read.
fn perl_of(examiner: &Examiner, file: &MappedFile, is_program: bool) -> Option<Rc<PerlFile>> {
    let image = examiner.open_likely(file, is_program).ok()??;
    let identity = Identity::of(&image).ok();
    let version = match &identity {
        Some(identity) if identity.cperl => Some(format!("{} (cperl)", identity.version)),
        Some(identity) => Some(identity.version.to_string()),
        None if image.defines_interpreter() || image.mentions_perl() => {
            FileFacts::by(&image).version.map(|v| v.to_string())
        }
        None => return None,
    };
    Some(Rc::new(PerlFile {
        image,
        identity,
        version,
        has_ops: OnceCell::new(),
    }))
}

impl PerlFile {
    /// Reads the word of the process that leads to its interpreter. A program that has a perl in it
    /// for its users to call (an editor) runs none before they do.
    /// `copies` are variables of which the program has its own.
    fn look(
        &self,
        process: Process,
        file: &MappedFile,
        is_named_perl: bool,
        copies: &dyn Fn(u64) -> Vec<(String, Symbol)>,
    ) -> ProcessLook {
        let memory: Arc<dyn Memory> = Arc::new(LiveMemory::new(process.pid()));
        let reader = Reader::new(&memory, self.image.abi());
        let variable = self.identity.as_ref().and_then(|identity| {
            let name = match identity.build {
                Build::Unthreaded => "PL_curstackinfo",
                _ => "PL_curinterp",
            };
            let symbol = self.image.symbol(name)?;
            let bias = self.image.load_bias(&file.maps)?;
            let place = bias.wrapping_add(symbol.address);
            // It was never set in the library where the program has its own.
            match reader.pointer(place) {
                Ok(0) => {
                    let copy = copies(bias).into_iter().find(|(n, _)| n == name);
                    copy.map(|(_, s)| bias.wrapping_add(s.address))
                        .or(Some(place))
                }
                _ => Some(place),
            }
        });
        let readable = file.maps.first().map_or(0, |map| map.start);
        match reader.pointer(variable.unwrap_or(readable)) {
            Ok(0) if variable.is_some() && !is_named_perl => ProcessLook::No,
            Ok(_) if !is_named_perl && !self.is_perl(&reader, process, file) => ProcessLook::No,
            Ok(_) => ProcessLook::Yes {
                version: self.version.clone(),
                obstacle: None,
            },
            Err(ReadError::NoPermission) => ProcessLook::Yes {
                version: self.version.clone(),
                obstacle: Some(obstacle(process.pid())),
            },
            Err(_) => ProcessLook::No,
        }
    }
}

impl PerlFile {
    /// True unless it only has texts of perl's, as p5-spy itself, but no perl's table of ops.
    fn is_perl(&self, reader: &Reader<'_>, process: Process, file: &MappedFile) -> bool {
        let look = || {
            let image = Examiner::of(process).open(file).ok()?;
            let bias = image.load_bias(&file.maps)?;
            let image = with_array_symbols(&image, reader, bias).ok()?;
            image.symbol("PL_op_name")
        };
        self.identity.is_some() || *self.has_ops.get_or_init(|| look().is_some())
    }
}

/// By its name only: for one that cannot be looked into.
pub fn looks_like_perl(pid: Pid) -> bool {
    Listed::one(pid).is_some_and(|listed| says_perl(&listed, Process::listed(&listed)))
}

/// Whether the process's memory may not be read.
fn is_denied(process: Process, files: &[MappedFile]) -> bool {
    let memory: Arc<dyn Memory> = Arc::new(LiveMemory::new(process.pid()));
    let abi = Abi {
        pointer_size: 4,
        big_endian: false,
    };
    let map = files.first().and_then(|file| file.maps.first());
    map.is_some_and(|map| {
        Reader::new(&memory, abi).pointer(map.start) == Err(ReadError::NoPermission)
    })
}

/// Of a process that cannot be looked into: its name or the program on its command line is perl.
fn says_perl(listed: &Listed, process: Process) -> bool {
    let words = process.command_line().unwrap_or_default();
    let first = words.first().map(Vec::as_slice).unwrap_or_default();
    is_perl_name(Path::new(&*crate::text::from_utf8(&listed.name)))
        || is_perl_name(Path::new(&*crate::text::from_utf8(first)))
}
