//! From a process id to a perl whose stacks can be read: find the file that defines perl, learn
//! which perl it is and how it is laid out, find its interpreters, and check all of it against
//! the live process before the first sample.

use crate::image::{Image, ImageError, live_string_array};
use crate::layout::{BindError, ResolveError, Resolved, Sources, resolve, with_block_types};
use crate::memory::{LiveMemory, Memory, ReadError, Reader};
use crate::perl::identity::{Build, Identity, IdentityError};
use crate::perl::locate::{Interpreter, NoVariable, VariableMap};
use crate::perl::names::NameContext;
use crate::perl::ops::{NoSuchOp, OpNumbers};
use crate::perl::stack::Variables;
use crate::perl::threads::{KeyLayout, control_blocks, perl_thread_ids, specific_value};
use crate::probe::{Candidate, Probe, ProbeError, Refusal};
use crate::process::{MappedFile, Mapping, Process, ProcessError, explain_denied};
use std::path::PathBuf;
use std::time::{Duration, Instant};

/// Why a process cannot be profiled.
#[derive(Debug, thiserror::Error)]
pub enum AttachError {
    /// The operating system would not tell.
    #[error(transparent)]
    Process(#[from] ProcessError),
    /// No mapped file defines a perl.
    #[error(
        "process {pid} ({program}) is not perl: of the {searched} files it runs, none defines PL_curinterp, which every perl and libperl does"
    )]
    NotPerl {
        /// The process.
        pid: i32,
        /// Its program.
        program: String,
        /// How many files were looked at.
        searched: usize,
    },
    /// A file of the process cannot be read.
    #[error(transparent)]
    Image(#[from] ImageError),
    /// It is perl, but does not say which.
    #[error("{path}: {source}")]
    Identity {
        /// The file.
        path: PathBuf,
        /// What it does not say.
        source: IdentityError,
    },
    /// No layout, or two.
    #[error(transparent)]
    Resolve(#[from] ResolveError),
    /// The layout lacks something.
    #[error(transparent)]
    Bind(#[from] BindError),
    /// Where the file lies in memory cannot be made out.
    #[error(
        "{path}: the mappings of process {pid} do not fit the file; was perl upgraded while it runs?"
    )]
    LoadBias {
        /// The file.
        path: PathBuf,
        /// The process.
        pid: i32,
    },
    /// A variable of perl's is not to be found.
    #[error(transparent)]
    Variable(#[from] NoVariable),
    /// The target's op names are not what they should be.
    #[error(transparent)]
    Ops(#[from] NoSuchOp),
    /// Perl has no interpreter yet, or one that is still being built.
    #[error(
        "perl in process {0} is still starting: it has no interpreter yet. Try again in a moment"
    )]
    Starting(i32),
    /// The memory of the process may not be read, or it ended.
    #[error("{}", read_message(*.pid, .cause))]
    Read {
        /// The process.
        pid: i32,
        /// What happened.
        cause: ReadError,
    },
    /// What was found is no interpreter: the layout is wrong.
    #[error(
        "process {pid}: the layout from {layout} does not fit this perl ({identity}): {refusal}. Nothing was sampled. Install the debug symbols of this very perl, or give another layout with --layouts FOLDER"
    )]
    Refused {
        /// The process.
        pid: i32,
        /// Where the layout came from.
        layout: String,
        /// The perl.
        identity: String,
        /// The check that failed.
        refusal: Refusal,
    },
    /// The built-in probe is damaged.
    #[error(transparent)]
    Probe(#[from] ProbeError),
}

fn read_message(pid: i32, source: &ReadError) -> String {
    match source {
        ReadError::NoPermission => explain_denied(pid),
        ReadError::NoSuchProcess => format!("process {pid} has ended"),
        other => format!("process {pid}: {other}"),
    }
}

impl AttachError {
    /// True for what may pass by itself: the program is not perl yet, or perl is still starting.
    pub fn is_temporary(&self) -> bool {
        match self {
            AttachError::Starting(_)
            | AttachError::NotPerl { .. }
            | AttachError::LoadBias { .. } => true,
            // Between fork and exec, and at exec, the old memory is already gone.
            AttachError::Read { cause, .. } => !matches!(cause, ReadError::NoPermission),
            AttachError::Image(_) => true,
            AttachError::Process(e) => {
                matches!(e, ProcessError::Io { .. } | ProcessError::NoSuchProcess(_))
            }
            _ => false,
        }
    }
}

/// How long a perl may take to get ready that was there before us.
const START_PATIENCE: Duration = Duration::from_millis(1500);

/// One thread that runs an interpreter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PerlThread {
    /// The kernel's id.
    pub os_tid: i32,
    /// What `threads->tid` says; `None` where that cannot be told.
    pub perl_tid: Option<u64>,
    /// Its interpreter.
    pub interpreter: Interpreter,
    /// Where that one's variables are.
    pub variables: Variables,
    /// The address of its `PL_compiling`; 0 where unknown.
    pub compiling: u64,
}

/// A perl that was found and checked.
pub struct Target {
    /// The process.
    pub process: Process,
    /// Its memory.
    pub memory: LiveMemory,
    /// The file that defines perl.
    pub image: Image,
    /// How far it was moved when loaded.
    pub bias: u64,
    /// Which perl it is.
    pub identity: Identity,
    /// Its layout.
    pub resolved: Resolved,
    /// Its op numbers.
    pub ops: OpNumbers,
    /// The CV of `&DB::sub`, 0 where there is none.
    pub db_sub: u64,
    probe: Probe,
    /// libc's description of thread-specific data, where it has one.
    keys: Option<KeyLayout>,
}

impl Target {
    /// Attaches. Nothing in the process changes, and it is not stopped.
    ///
    /// # Errors
    /// [`AttachError`].
    pub fn attach(
        process: Process,
        sources: &Sources,
        warn: &mut dyn FnMut(String),
    ) -> Result<Self, AttachError> {
        let pid = process.pid();
        let memory = LiveMemory::new(pid);
        let files = process.mapped_programs()?;
        let (image, file) = find_perl(process, &files)?;
        let identity = Identity::of(&image).map_err(|source| AttachError::Identity {
            path: image.path().to_owned(),
            source,
        })?;
        let bias = image
            .load_bias(&file.maps)
            .ok_or_else(|| AttachError::LoadBias {
                path: image.path().to_owned(),
                pid,
            })?;
        let read = |cause| AttachError::Read { pid, cause };
        let reader = Reader::new(&memory, identity.abi);
        // Before anything costly: may we read, and is perl up?
        let sign_of_life = match identity.build {
            Build::Unthreaded => "PL_curstackinfo",
            _ => "PL_curinterp",
        };
        if let Some(symbol) = image.symbol(sign_of_life)
            && reader
                .pointer(bias.wrapping_add(symbol.address))
                .map_err(read)?
                == 0
        {
            return Err(AttachError::Starting(pid));
        }
        let mut sources = sources.clone();
        if let Some(debug) = &mut sources.debug {
            debug.root = process.through_root(std::path::Path::new("/"));
        }
        let resolved = resolve(&image, &identity, &sources, warn)?;
        let strings = |name: &str| {
            let symbol = image.symbol(name);
            symbol.map_or_else(Vec::new, |s| {
                live_string_array(&reader, bias.wrapping_add(s.address), s.size)
            })
        };
        let resolved = with_block_types(&resolved, &strings("PL_block_type"))?;
        let names = strings("PL_op_name");
        if names.iter().all(Option::is_none) {
            // The dynamic linker has not filled in the array yet.
            return Err(AttachError::Starting(pid));
        }
        let ops = OpNumbers::from_names(&names)?;
        let keys = key_layout(process, &files, &image);
        let mut target = Target {
            process,
            memory,
            image,
            bias,
            identity,
            resolved,
            ops,
            db_sub: 0,
            probe: Probe::interpreter()?,
            keys,
        };
        let main = target.main_interpreter()?;
        target.check(main)?;
        target.db_sub = target.debugger_sub(main);
        Ok(target)
    }

    /// Like [`Target::attach`], but gives a perl that is still starting a moment to get ready, as
    /// long as `go_on` says so.
    ///
    /// # Errors
    /// [`AttachError`].
    pub fn attach_patiently(
        process: Process,
        sources: &Sources,
        warn: &mut dyn FnMut(String),
        go_on: &mut dyn FnMut() -> bool,
    ) -> Result<Self, AttachError> {
        let deadline = Instant::now() + START_PATIENCE;
        loop {
            match Self::attach(process, sources, warn) {
                Err(AttachError::Starting(_))
                    if Instant::now() < deadline && process.is_alive() && go_on() =>
                {
                    std::thread::sleep(Duration::from_millis(1));
                }
                // What looks like a perl without an interpreter may be one that has just ended.
                Err(AttachError::Starting(pid)) if !process.is_alive() => {
                    let cause = ReadError::NoSuchProcess;
                    return Err(AttachError::Read { pid, cause });
                }
                other => return other,
            }
        }
    }

    fn reader(&self) -> Reader<'_> {
        Reader::new(&self.memory, self.identity.abi)
    }

    fn read_error(&self, cause: ReadError) -> AttachError {
        AttachError::Read {
            pid: self.process.pid(),
            cause,
        }
    }

    /// The variables of one interpreter, by name.
    pub fn variables(&self, interpreter: Interpreter) -> VariableMap<'_> {
        VariableMap {
            image: &self.image,
            bias: self.bias,
            layout: &self.resolved.bound,
            interpreter,
        }
    }

    /// What resolving names needs.
    pub fn name_context(&self, compiling: u64) -> NameContext<'_> {
        NameContext {
            memory: &self.memory,
            abi: self.identity.abi,
            layout: &self.resolved.bound,
            ops: &self.ops,
            compiling,
        }
    }

    /// The main thread's interpreter: `PL_curinterp`, or the globals.
    fn main_interpreter(&self) -> Result<Interpreter, AttachError> {
        let starting = AttachError::Starting(self.process.pid());
        if self.identity.build == Build::Unthreaded {
            let info = self
                .variables(Interpreter::Globals)
                .by_name("Icurstackinfo");
            let info = info
                .map(|v| self.reader().pointer(v.address))
                .transpose()
                .map_err(|e| self.read_error(e))?;
            return if info == Some(0) {
                Err(starting)
            } else {
                Ok(Interpreter::Globals)
            };
        }
        let symbol = self
            .image
            .symbol("PL_curinterp")
            .ok_or_else(|| AttachError::Identity {
                path: self.image.path().to_owned(),
                source: IdentityError::NotPerl,
            })?;
        let address = self
            .reader()
            .pointer(self.bias.wrapping_add(symbol.address))
            .map_err(|e| self.read_error(e))?;
        if address == 0 {
            Err(starting)
        } else {
            Ok(Interpreter::At(address))
        }
    }

    /// Holds the probe against an interpreter. The target moves meanwhile, so a refusal must
    /// stand several times.
    fn check(&self, interpreter: Interpreter) -> Result<(), AttachError> {
        let pid = self.process.pid();
        let mut refusal = None;
        for attempt in 0..20 {
            let variables = self.variables(interpreter);
            if let Some(info) = variables.by_name("Icurstackinfo")
                && self.reader().pointer(info.address) == Ok(0)
            {
                return Err(AttachError::Starting(pid));
            }
            let maps = self.process.mappings()?;
            match self.probe.examine(&self.candidate(&variables, &maps)) {
                Ok(()) => return Ok(()),
                Err(found) => refusal = Some(found),
            }
            std::thread::sleep(Duration::from_micros(200 << attempt.min(5)));
            if !self.process.is_alive() {
                return Err(self.read_error(ReadError::NoSuchProcess));
            }
        }
        match refusal {
            Some(refusal) => Err(AttachError::Refused {
                pid,
                layout: self.resolved.source.to_string(),
                identity: self.identity.to_string(),
                refusal,
            }),
            None => Ok(()),
        }
    }

    fn candidate<'a>(
        &'a self,
        variables: &'a VariableMap<'a>,
        maps: &'a [Mapping],
    ) -> Candidate<'a> {
        Candidate {
            reader: self.reader(),
            layout: &self.resolved.layout,
            variables,
            maps,
        }
    }

    /// `&DB::sub`, which wraps every call under a debugger.
    fn debugger_sub(&self, main: Interpreter) -> u64 {
        let glob = self
            .variables(main)
            .by_name("IDBsub")
            .and_then(|v| self.reader().pointer(v.address).ok());
        glob.filter(|gv| *gv != 0)
            .and_then(|gv| self.name_context(0).glob_cv(gv).ok())
            .unwrap_or(0)
    }

    /// Every thread that runs Perl, the main thread first.
    ///
    /// # Errors
    /// [`AttachError`] when not even the main thread can be had.
    pub fn threads(&self) -> Result<Vec<PerlThread>, AttachError> {
        let pid = self.process.pid();
        let main = self.main_interpreter()?;
        let tids = self.process.thread_ids()?;
        let mut found: Vec<(i32, Interpreter)> = Vec::new();
        if self.identity.build == Build::Threaded && tids.len() > 1 {
            found = self.by_specific_data(&tids)?;
        }
        if found.iter().all(|(_, interpreter)| *interpreter != main)
            && found.iter().all(|(tid, _)| *tid != pid)
        {
            found.insert(0, (pid, main));
        }
        let perl_tids = self.perl_tids(main, &found);
        found
            .into_iter()
            .map(|(os_tid, interpreter)| {
                let map = self.variables(interpreter);
                Ok(PerlThread {
                    os_tid,
                    perl_tid: perl_tids(interpreter),
                    interpreter,
                    variables: map.moving()?,
                    compiling: map.by_name("Icompiling").map_or(0, |v| v.address),
                })
            })
            .collect()
    }

    fn by_specific_data(&self, tids: &[i32]) -> Result<Vec<(i32, Interpreter)>, AttachError> {
        let reader = self.reader();
        let read = |e| self.read_error(e);
        let maps = self.process.mappings()?;
        let blocks = control_blocks(&reader, &maps, tids).map_err(read)?;
        let key = self
            .image
            .symbol("PL_thr_key")
            .map(|s| reader.uint(self.bias.wrapping_add(s.address), 4));
        let Some(key) = key.transpose().map_err(read)? else {
            return Ok(Vec::new());
        };
        let is_interpreter = |address: u64| {
            let variables = self.variables(Interpreter::At(address));
            (0..3).any(|_| {
                self.probe
                    .examine(&self.candidate(&variables, &maps))
                    .is_ok()
            })
        };
        let mut found = Vec::new();
        for tid in tids {
            let Some(block) = blocks.get(tid) else {
                continue;
            };
            if let Ok(Some(address)) =
                specific_value(&reader, *block, key, self.keys, &is_interpreter)
            {
                found.push((*tid, Interpreter::At(address)));
            }
        }
        Ok(found)
    }

    fn perl_tids(
        &self,
        main: Interpreter,
        found: &[(i32, Interpreter)],
    ) -> impl Fn(Interpreter) -> Option<u64> + use<> {
        let addresses: Vec<u64> = found
            .iter()
            .filter_map(|(_, i)| match i {
                Interpreter::At(address) => Some(*address),
                Interpreter::Globals => None,
            })
            .collect();
        let modglobal = self
            .variables(main)
            .by_name("Imodglobal")
            .and_then(|v| self.reader().pointer(v.address).ok());
        let ids = match modglobal {
            Some(hash) if hash != 0 && addresses.len() > 1 => {
                perl_thread_ids(&self.name_context(0), hash, &addresses)
            }
            _ => std::collections::HashMap::new(),
        };
        move |interpreter| match interpreter {
            i if i == main => Some(0),
            Interpreter::At(address) => ids.get(&address).copied(),
            Interpreter::Globals => None,
        }
    }

    /// How often the target was read.
    pub fn remote_reads(&self) -> u64 {
        self.memory.remote_reads()
    }
}

/// The mapped file that defines an interpreter: the program itself, else whichever library does.
///
/// # Errors
/// [`AttachError::NotPerl`], or what kept the files from being read.
pub fn find_perl(
    process: Process,
    files: &[MappedFile],
) -> Result<(Image, MappedFile), AttachError> {
    let program = process.executable()?;
    let mut ordered: Vec<&MappedFile> = files.iter().collect();
    // The program is the likeliest; the order decides nothing but the speed.
    ordered.sort_by_key(|f| f.path != program);
    let mut first_error = None;
    let mut without_symbols = None;
    for file in &ordered {
        match Image::open(&file.path, &process.open_path(file)) {
            Ok(image) if image.defines_interpreter() => return Ok((image, (*file).clone())),
            Ok(image) if image.mentions_perl() => {
                without_symbols.get_or_insert((image, (*file).clone()));
            }
            Ok(_) => {}
            Err(e) => {
                first_error.get_or_insert(e);
            }
        }
    }
    if let Some(found) = without_symbols {
        return Ok(found);
    }
    match first_error {
        Some(e) => Err(e.into()),
        None => Err(AttachError::NotPerl {
            pid: process.pid(),
            program: crate::text::from_utf8(program.as_os_str().as_encoded_bytes()),
            searched: ordered.len(),
        }),
    }
}

/// The offsets that glibc exports for debuggers (nptl_db/structs.def): each is an array of three
/// 32-bit words, bits, count and offset.
fn key_layout(process: Process, files: &[MappedFile], perl: &Image) -> Option<KeyLayout> {
    let libc = |f: &&MappedFile| {
        let name = f
            .path
            .file_name()
            .and_then(|n| n.to_str())
            .unwrap_or_default();
        name.starts_with("libc.so") || name.starts_with("libc-") || name.starts_with("libpthread")
    };
    let offset = |image: &Image, name: &str| {
        let bytes = image.bytes_at(image.symbol(name)?.address, 12)?;
        perl.abi().uint(bytes, 8, 4)
    };
    files.iter().filter(libc).find_map(|file| {
        let image = Image::open(&file.path, &process.open_path(file)).ok()?;
        Some(KeyLayout {
            specific: offset(&image, "_thread_db_pthread_specific")?,
            data: offset(&image, "_thread_db_pthread_key_data_data")?,
        })
    })
}
