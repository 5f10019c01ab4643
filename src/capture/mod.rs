//! Captures: the bytes that one attach and a few samples read, with what they need to be read
//! again. Users send one with a bug report, and tests replay one of every perl.
//!
//! A capture (`capture/`) is taken on the same road, through a memory that keeps what was read
//! (`RecordingMemory`, by `Attach::through`). Replaying one does not attach. `capture/mod.rs` puts together
//! what an attach would have found (image, identity, layout, mappings, threads with their interpreters) and
//! goes on from `Perl::assemble` (`attach/perl.rs`) over `CapturedMemory`, which has nothing but what was
//! read.

mod memory;

use crate::ids::{Pid, Tid};
pub use memory::{CapturedMemory, RecordingMemory};

use crate::attach::{AttachError, Loaded, Perl, Target};
use crate::frames::{FrameId, FrameTable};
use crate::identity::{Build, Identity, Version};
use crate::image::{Image, Symbol};
use crate::layout::{Origin, Resolved, Table, table};
use crate::memory::{Abi, Memory};
use crate::perl::locate::Interpreter;
use crate::perl::names::{NameOptions, Names};
use crate::perl::sample::{SampleError, ThreadSampler};
use crate::platform::Mapping;
use flate2::Compression;
use flate2::read::GzDecoder;
use flate2::write::GzEncoder;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::path::Path;

/// The version of the file format.
const FORMAT: u32 = 1;
/// No capture is larger, unpacked; those of five samples of a thousand threads are not.
const MAX_CAPTURE: u64 = 16 << 20;
/// Nor more than so many times as large as its file, and somewhat: honest ones are seven times as
/// large.
const UNPACKED: u64 = 64;
const ALWAYS: u64 = 1 << 20;
/// One is made of five samples.
const MAX_SAMPLES: usize = 100;
/// Frames of all samples and threads together.
pub const MAX_FRAMES: usize = 1 << 18;

/// A capture that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum CaptureError {
    /// It cannot be read or written.
    #[error("{0}")]
    Io(#[from] std::io::Error),
    /// It is no capture, or a damaged one.
    #[error("it is no capture that this p5-spy reads: {0}")]
    Damaged(String),
    /// What was read for it is more than one may hold.
    #[error(
        "its stacks take more than a capture may hold ({} MB): it has very many frames, or its memory is damaged",
        MAX_CAPTURE >> 20
    )]
    TooLarge,
    /// The perl in it makes no sense.
    #[error(transparent)]
    Perl(#[from] Box<AttachError>),
}

/// The file.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Capture {
    format: u32,
    made_by: String,
    /// The process.
    pub pid: Pid,
    perl: PerlFacts,
    /// The layout that it was taken with, as a table.
    layout: String,
    maps: Vec<CapturedMapping>,
    /// The threads that ran Perl.
    pub threads: Vec<ThreadFacts>,
    attach: memory::Bytes,
    /// What each sample read, over what was read before.
    samples: Vec<memory::Bytes>,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct PerlFacts {
    version: String,
    build: String,
    pointer_size: u8,
    big_endian: bool,
    options: Option<Vec<String>>,
    interpreter_size: Option<u32>,
    archname: Option<String>,
    #[serde(default)]
    cperl: bool,
    /// Its file's name without the folder.
    file: String,
    bias: u64,
    symbols: BTreeMap<String, (u64, u64)>,
}

/// Start, end, and which of `w`, `x`, `a` (anonymous) and `h` (heap) it is.
#[derive(Debug, Serialize, Deserialize)]
struct CapturedMapping(u64, u64, String);

/// Where one thread's stack is found in the captured memory.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ThreadFacts {
    /// The kernel's id.
    pub os_tid: Tid,
    /// Perl's.
    pub perl_tid: Option<u64>,
    /// Its interpreter's address; none where the variables are globals.
    interpreter: Option<u64>,
}

impl ThreadFacts {
    fn place(&self) -> Interpreter {
        self.interpreter
            .map_or(Interpreter::Globals, Interpreter::At)
    }
}

/// Attaches through `memory` and takes samples, of which everything that they read is kept.
///
/// # Errors
/// [`CaptureError::Perl`] where the threads or mappings cannot be listed, and
/// [`CaptureError::TooLarge`].
pub fn take<M: Memory>(
    target: &Target,
    memory: &RecordingMemory<M>,
    samples: usize,
    pause: std::time::Duration,
) -> Result<Capture, CaptureError> {
    let threads = target.threads().map_err(Box::new)?;
    let attach = memory.drain();
    let perl = &target.perl;
    let (mut names, mut table) = (Names::new(), FrameTable::default());
    let mut taken = Vec::new();
    for round in 0..samples {
        if round > 0 {
            std::thread::sleep(pause);
        }
        for thread in &threads {
            let mut sampler = ThreadSampler::new(&thread.runs.variables, thread.runs.compiling);
            // A torn sample is no loss: the next one may do.
            let _ = sampler.take(
                target.name_context(0),
                target.db_sub,
                &mut names,
                &mut table,
                &mut || {},
            );
        }
        let sample = memory.drain();
        if memory.is_cut() {
            // The samples before it are whole.
            break;
        }
        taken.push(sample);
    }
    if taken.is_empty() {
        return Err(CaptureError::TooLarge);
    }
    let mappings = target.process.mappings();
    let mappings = mappings.map_err(|e| Box::new(AttachError::from(e)))?;
    let identity = &perl.identity;
    let made = table::made_from(identity, &perl.resolved, &perl.image);
    Ok(Capture {
        format: FORMAT,
        made_by: concat!("p5-spy ", env!("CARGO_PKG_VERSION")).into(),
        pid: target.process.pid(),
        perl: PerlFacts {
            version: identity.version.to_string(),
            build: identity.build.to_string(),
            pointer_size: identity.abi.pointer_size,
            big_endian: identity.abi.big_endian,
            options: identity.options.clone(),
            interpreter_size: identity.interpreter_size,
            archname: identity.archname.clone(),
            cperl: identity.cperl,
            file: perl
                .image
                .path()
                .file_name()
                .map_or_else(String::new, |n| n.to_string_lossy().into_owned()),
            bias: perl.bias,
            symbols: perl
                .image
                .symbols()
                .filter(|(name, _)| name.starts_with("PL_"))
                .map(|(name, s)| (name.to_owned(), (s.address, s.size)))
                .collect(),
        },
        layout: table::write(identity, &perl.resolved.layout, &made),
        maps: mappings.iter().map(CapturedMapping::of).collect(),
        threads: threads
            .iter()
            .map(|t| ThreadFacts {
                os_tid: t.os_tid,
                perl_tid: t.perl_tid,
                interpreter: match t.runs.interpreter {
                    Interpreter::At(address) => Some(address),
                    Interpreter::Globals => None,
                },
            })
            .collect(),
        attach,
        samples: taken,
    })
}

impl CapturedMapping {
    fn of(map: &Mapping) -> Self {
        let flags = [
            (map.writable, 'w'),
            (map.executable, 'x'),
            (map.anonymous, 'a'),
            (map.heap, 'h'),
        ];
        let flags = flags.iter().filter(|(is, _)| *is).map(|(_, c)| *c);
        CapturedMapping(map.start, map.end, flags.collect())
    }

    fn mapping(&self) -> Mapping {
        Mapping {
            start: self.0,
            end: self.1,
            file_offset: 0,
            writable: self.2.contains('w'),
            executable: self.2.contains('x'),
            anonymous: self.2.contains('a'),
            heap: self.2.contains('h'),
        }
    }
}

/// What is wrong with a file may quote it.
fn damaged(reason: &dyn std::fmt::Display) -> CaptureError {
    CaptureError::Damaged(crate::text::message(&reason.to_string()))
}

impl Capture {
    /// Writes the compressed file.
    ///
    /// # Errors
    /// [`std::io::Error`] when `to` does not take it.
    pub fn write(&self, to: &mut dyn Write) -> std::io::Result<()> {
        let mut packed = GzEncoder::new(to, Compression::best());
        serde_json::to_writer(&mut packed, self)?;
        packed.finish()?.flush()
    }

    /// Reads a file.
    ///
    /// # Errors
    /// [`CaptureError`] when it cannot be read, is no capture or a damaged one, or unpacks to more than one
    /// may hold.
    pub fn read(path: &Path) -> Result<Self, CaptureError> {
        let file = std::fs::File::open(path)?;
        let likely = file.metadata()?.len().saturating_mul(UNPACKED);
        let most = likely.saturating_add(ALWAYS).min(MAX_CAPTURE);
        let mut unpacked = GzDecoder::new(file).take(most);
        let read = serde_json::from_reader(&mut unpacked);
        if unpacked.limit() == 0 {
            return Err(CaptureError::Damaged(format!(
                "unpacked it is larger than {most} bytes, and honest ones are not"
            )));
        }
        let capture: Capture = read.map_err(|e| damaged(&e))?;
        if capture.samples.len() > MAX_SAMPLES {
            return Err(CaptureError::Damaged("it has too many samples".into()));
        }
        if capture.format == FORMAT {
            Ok(capture)
        } else {
            Err(CaptureError::Damaged(format!(
                "its format is {}, not {FORMAT}",
                capture.format
            )))
        }
    }

    /// Which perl it is of.
    ///
    /// # Errors
    /// [`CaptureError::Damaged`] when what it says of its perl is no identity.
    pub fn identity(&self) -> Result<Identity, CaptureError> {
        let facts = &self.perl;
        let version: Version = facts.version.parse().map_err(|e: String| damaged(&e))?;
        let build = [Build::Threaded, Build::Multiplicity, Build::Unthreaded]
            .into_iter()
            .find(|b| b.to_string() == facts.build)
            .ok_or_else(|| damaged(&format_args!("build {}", facts.build)))?;
        if ![4, 8].contains(&facts.pointer_size) {
            return Err(CaptureError::Damaged("its pointer size".into()));
        }
        Ok(Identity {
            version,
            build,
            abi: Abi {
                pointer_size: facts.pointer_size,
                big_endian: facts.big_endian,
            },
            options: facts.options.clone(),
            interpreter_size: facts.interpreter_size,
            // Whoever wrote the file may have put anything into it.
            archname: facts
                .archname
                .as_ref()
                .map(|a| crate::text::from_utf8(a.as_bytes())),
            machine: None,
            cperl: facts.cperl,
        })
    }

    /// The layout that it was taken with.
    ///
    /// # Errors
    /// [`CaptureError::Damaged`] when its table is none, or lacks something.
    pub fn own_layout(&self) -> Result<Resolved, CaptureError> {
        let table = Table::parse(&self.layout, Path::new("its layout")).map_err(|e| damaged(&e))?;
        let layout = table.layout().clone();
        let bound = layout.bind().map_err(|e| damaged(&e))?;
        Ok(Resolved {
            layout,
            bound,
            source: Origin::Table(table.made.from.as_str().into()),
        })
    }

    /// The memory as it was at one of the samples.
    ///
    /// # Errors
    /// [`CaptureError::Damaged`] when the bytes of a sample up to it are none.
    pub fn memory(&self, sample: usize) -> Result<CapturedMemory, CaptureError> {
        let mut memory = self.attached()?;
        for earlier in 0..=sample {
            self.advance(&mut memory, earlier)?;
        }
        Ok(memory)
    }

    /// The memory before the first sample.
    ///
    /// # Errors
    /// [`CaptureError::Damaged`] when the attach's bytes are none.
    pub fn attached(&self) -> Result<CapturedMemory, CaptureError> {
        let mut memory = CapturedMemory::default();
        memory.add(&self.attach)?;
        Ok(memory)
    }

    /// Makes the memory at a sample of the one before it.
    ///
    /// # Errors
    /// [`CaptureError::Damaged`] when the sample's bytes are none.
    pub fn advance(&self, memory: &mut CapturedMemory, sample: usize) -> Result<(), CaptureError> {
        let bytes = self.samples.get(sample);
        bytes.map_or(Ok(()), |bytes| memory.add(bytes))
    }

    /// How many samples there are.
    pub fn samples(&self) -> usize {
        self.samples.len()
    }

    /// The memory map at the time.
    pub fn mappings(&self) -> Vec<Mapping> {
        self.maps.iter().map(CapturedMapping::mapping).collect()
    }

    /// The perl, under a layout that may be another than its own.
    ///
    /// # Errors
    /// [`CaptureError`] when its identity is damaged, or it is no perl under this layout.
    pub fn perl(&self, memory: &CapturedMemory, layout: &Resolved) -> Result<Perl, CaptureError> {
        let identity = self.identity()?;
        let facts = &self.perl;
        let symbols = facts.symbols.iter().map(|(name, (address, size))| {
            let (address, size) = (*address, *size);
            (name.clone(), Symbol { address, size })
        });
        let symbols = symbols.collect();
        let loaded = Loaded {
            image: Image::without_file(Path::new(&facts.file), identity.abi, symbols),
            bias: facts.bias,
        };
        let perl = Perl::assemble(self.pid, memory, &loaded, identity, layout);
        Ok(perl.map_err(Box::new)?)
    }

    /// One stack of one thread.
    ///
    /// # Errors
    /// [`SampleError`] when there is none under this layout, or what was captured ends before it.
    pub fn stack(
        &self,
        perl: &Perl,
        memory: &CapturedMemory,
        thread: &ThreadFacts,
        options: NameOptions,
        table: &mut FrameTable,
    ) -> Result<Vec<FrameId>, SampleError> {
        perl.stack(memory, thread.place(), options, table)
    }

    /// Holds the probe against the main thread's interpreter.
    ///
    /// # Errors
    /// What did not fit, in words, and that there is no thread.
    pub fn examine(&self, perl: &Perl, memory: &CapturedMemory) -> Result<(), String> {
        let main = self.threads.first().ok_or("no thread")?;
        perl.examine(memory, &self.mappings(), main.place())
            .map_err(|e| e.to_string())
    }
}
