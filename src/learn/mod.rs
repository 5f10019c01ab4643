//! Learning the layout of a perl of which nothing is known: run it on a script whose subs,
//! statements and values are known, stop it at known places, and solve for the offsets.
//!
//! Everything that has two answers is an error: p5-spy does not guess.
//!
//! It runs the same perl (`calibrate.rs`, `calibration.pl`), takes `snapshot.rs` of its writable memory at
//! some twenty stops, and solves: `values.rs` for heads, strings, subs, globs, hashes; `ops.rs` for ops and
//! statements; `contexts.rs` for stack infos and contexts; `variables.rs` for the interpreter. What only some
//! features need comes after: `calls.rs`, `bodies.rs`, `pads.rs`, `operands.rs`, `regexes.rs`, `globals.rs`.
//! Only the first three members of an SV head are taken for granted. Two answers to what every feature needs
//! are an error, two to anything else leave it out; and the result must read the known stack.
//! `attach/learning.rs` says what may be run, and as whom: what the kernel says is running, by its descriptor
//! (`platform/unix/execute.rs`), confined. `Examiner::trusts` says what may be remembered. Tables of
//! neighbours come last, because a stack that makes sense does not prove a line number.

mod bodies;
mod calibrate;
mod calls;
mod contexts;
pub(crate) mod facts;
mod globals;
mod operands;
mod ops;
mod pads;
mod regexes;
mod snapshot;
mod solution;
mod values;
mod variables;

use crate::examine::NoPerl;
use crate::frames::FrameTable;
use crate::identity::arrays::with_array_symbols;
use crate::identity::texts::FileFacts;
use crate::identity::{Build, Identity, IdentityError};
use crate::image::{Image, ImageError, Symbol};
use crate::layout::{
    BindError, BoundLayout, Layout, Origin, Resolved, TableSet, block_type_numbers,
};
use crate::memory::{Abi, ReadError, Reader};
use crate::perl::locate::{Interpreter, NoVariable, VariableMap};
use crate::perl::names::Names;
use crate::perl::sample::{SampleError, ThreadSampler};
use crate::perl::values::context::PerlView;
use crate::perl::values::ops::{NoSuchOp, OpNumbers};
use crate::platform::{
    LiveMemory, MappedFile, Mapping, ProcessError, data_ranges, own_data_ranges,
};
use calibrate::Calibration;
pub use calibrate::{PerlStart, Program};
use solution::Solution;
pub use solution::Unsolved;
use std::path::{Path, PathBuf};
use variables::Cells;

/// Why a layout cannot be learned.
#[derive(Debug, thiserror::Error)]
pub enum LearnError {
    /// The program did not do what a perl does.
    #[error("cannot learn from {program}: {reason}")]
    Run {
        /// The file that was run.
        program: PathBuf,
        /// What happened.
        reason: String,
    },
    /// A member has no place that fits, or several.
    #[error(
        "cannot learn from {program}: {source}. p5-spy does not guess; please report this perl with the output of perl -V"
    )]
    Unsolved {
        /// The file that was run.
        program: PathBuf,
        /// The member.
        source: Unsolved,
    },
    /// The layout was found, but with it the known stack does not come out.
    #[error("cannot learn from {program}: with what was found the stack reads {found}")]
    Wrong {
        /// The file that was run.
        program: PathBuf,
        /// What came out instead.
        found: String,
    },
    /// The program's file cannot be read.
    #[error(transparent)]
    Image(#[from] ImageError),
    /// It runs no perl.
    #[error(transparent)]
    NoPerl(#[from] NoPerl),
    /// The system would not tell.
    #[error(transparent)]
    Process(#[from] ProcessError),
    /// It ended, or may not be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// Its op names are not what they should be.
    #[error(transparent)]
    Ops(#[from] NoSuchOp),
    /// Something that no perl lacks was not found.
    #[error(transparent)]
    Bind(#[from] BindError),
    /// A variable was not found.
    #[error(transparent)]
    Variable(#[from] NoVariable),
}

/// A layout that was learned.
pub struct Learned {
    /// Which perl it is.
    pub identity: Identity,
    /// The file that defines it.
    pub image: Image,
    /// The same, as the process that was run has it mapped.
    pub file: MappedFile,
    /// The layout.
    pub resolved: Resolved,
    /// Symbols that the file itself does not have.
    pub symbols: Vec<(String, Symbol)>,
    /// What was not found, or in several places; some features do without it.
    pub left_out: Vec<Unsolved>,
}

/// Learns the layout of a perl by running it. `flags` has the numbers that perl's
/// headers define as macros.
///
/// # Errors
/// [`LearnError`] when it does not start or is no perl, a member that every perl has has no place or several,
/// or its own stack does not come out.
pub fn learn(start: &PerlStart, flags: &TableSet) -> Result<Learned, LearnError> {
    let program = start.name();
    let mut run = Calibration::run(start)?;
    let perl = run.perl.take();
    let mut lab = CalibratedPerl::new(program, &run, perl)?;
    let mut solution = lab.constants(flags)?;
    let unsolved = |source| LearnError::Unsolved {
        program: program.to_owned(),
        source,
    };
    let cells = lab.solve(&mut solution).map_err(unsolved)?;
    lab.place(&mut solution, &cells).map_err(unsolved)?;
    let bound = solution.layout.bind()?;
    lab.prove(&bound)?;
    Ok(Learned {
        identity: lab.identity(&solution)?,
        left_out: solution.left_out,
        resolved: Resolved {
            layout: solution.layout,
            bound,
            source: Origin::Learned,
        },
        symbols: lab.added,
        image: lab.image,
        file: lab.file,
    })
}

/// The calibrated process with everything known about its file.
struct CalibratedPerl<'a> {
    program: &'a Path,
    run: &'a Calibration,
    abi: Abi,
    memory: LiveMemory,
    image: Image,
    file: MappedFile,
    bias: u64,
    maps: Vec<Mapping>,
    names: Vec<Option<String>>,
    interpreter: Interpreter,
    added: Vec<(String, Symbol)>,
}

impl<'a> CalibratedPerl<'a> {
    fn new(
        program: &'a Path,
        run: &'a Calibration,
        perl: Option<(Image, MappedFile)>,
    ) -> Result<Self, LearnError> {
        let process = run.process;
        let memory = LiveMemory::new(process.pid());
        let no_perl = LearnError::Read(ReadError::NoSuchProcess);
        let (image, file) = perl.ok_or(no_perl)?;
        if FileFacts::by(&image).has_old_threads() {
            return Err(LearnError::Run {
                program: program.to_owned(),
                reason: IdentityError::OldThreads.to_string(),
            });
        }
        let abi = image.abi();
        let bias = image.load_bias(&file.maps).ok_or_else(|| LearnError::Run {
            program: program.to_owned(),
            reason: "its mappings do not fit its file".into(),
        })?;
        let reader = Reader::new(&memory, abi);
        let had = |image: &Image, name: &str| image.symbol(name).is_some();
        let before = ["PL_op_name", "PL_block_type"].map(|name| had(&image, name));
        let image = with_array_symbols(&image, &reader, bias)?;
        let mut added = Vec::new();
        for (name, was) in ["PL_op_name", "PL_block_type"].iter().zip(before) {
            if let (false, Some(symbol)) = (was, image.symbol(name)) {
                added.push(((*name).to_owned(), symbol));
            }
        }
        let names = image.live_strings(&reader, bias, "PL_op_name");
        Ok(CalibratedPerl {
            program,
            run,
            abi,
            image,
            file,
            bias,
            maps: process.mappings()?,
            names,
            interpreter: Interpreter::Globals,
            added,
            memory,
        })
    }

    /// The numbers that cannot be observed: those of the version, and what the target tells.
    fn constants(&self, flags: &TableSet) -> Result<Solution, LearnError> {
        let version = self.run.facts.version.ok_or_else(|| LearnError::Run {
            program: self.program.to_owned(),
            reason: "it does not tell its version".into(),
        })?;
        let mut layout = Layout::default();
        let reader = Reader::new(&self.memory, self.abi);
        let blocks = self.image.live_strings(&reader, self.bias, "PL_block_type");
        for (name, value) in block_type_numbers(&blocks) {
            layout.add_constant(name, value, &Origin::Target("PL_block_type"));
        }
        flags.add_flags(&mut layout, version);
        Ok(Solution::new(layout, self.abi))
    }

    /// Where the variables of perl's file are, and those of the program, which may have copies of them. What is
    /// behind the data of other files need not be theirs: musl's heap lies between them.
    fn data(&self) -> Vec<(u64, u64)> {
        let all = data_ranges(&self.maps);
        // The program is below its libraries.
        let touches = |pair: &&[(u64, u64)]| matches!(pair, [(_, end), (start, _)] if end == start);
        let program = 1 + all.windows(2).take_while(touches).count();
        let mut found: Vec<(u64, u64)> = own_data_ranges(&self.file.maps, &self.maps).collect();
        found.extend(all.into_iter().take(program));
        found.sort_unstable();
        found.dedup();
        let cut = |range| self.image.cut_to_data(self.bias, range);
        found.into_iter().map(cut).collect()
    }

    /// Where the interpreter's variables are that are globals. With threads none is.
    fn globals(&self) -> Vec<(u64, u64)> {
        match self.run.facts.threads {
            true => Vec::new(),
            false => self.data(),
        }
    }

    /// Where functions are. An emulator only reads the code that it runs.
    fn code(&self) -> Vec<(u64, u64)> {
        let own = self.file.maps.iter();
        let read = own.filter(|m| !m.writable);
        let executable = self.maps.iter().filter(|m| m.executable);
        match self.file.maps.iter().any(|m| m.executable) {
            true => executable.map(|m| (m.start, m.end)).collect(),
            false => read.map(|m| (m.start, m.end)).collect(),
        }
    }

    fn solve(&self, out: &mut Solution) -> Result<Cells, Unsolved> {
        let numbers = ops::OpIndex(&self.names);
        let last = self.run.stop("last")?;
        values::solve(last, &self.run.facts, out)?;
        ops::solve(last, &self.run.facts, &numbers, out)?;
        let infos = contexts::solve(self.run, &numbers, out)?;
        let mut cells = variables::solve(self.run, &numbers, infos, &self.globals(), out)?;
        bodies::solve(last, &self.run.facts, &self.code(), out);
        operands::solve(self.run, &numbers, out)?;
        pads::solve(self.run, &numbers, out)?;
        operands::in_pad(self.run, &numbers, out)?;
        calls::solve(self.run, infos.stack, out)?;
        globals::solve(self.run, &numbers, out, &mut cells)?;
        regexes::solve(self.run, &numbers, out, &mut cells)?;
        Ok(cells)
    }

    /// Turns the cells into members of the interpreter, or where they are in the file's data into
    /// symbols.
    fn place(&mut self, out: &mut Solution, cells: &Cells) -> Result<(), Unsolved> {
        let lowest = cells.cells.values().min().copied().unwrap_or(0);
        if self
            .globals()
            .iter()
            .any(|(start, end)| (*start..*end).contains(&lowest))
        {
            for (name, address) in &cells.cells {
                let Some(plain) = name.strip_prefix('I') else {
                    continue;
                };
                let size = cells
                    .sizes
                    .get(name)
                    .copied()
                    .unwrap_or(self.abi.pointer_size);
                let symbol = Symbol {
                    address: address.wrapping_sub(self.bias),
                    size: u64::from(size),
                };
                self.add_symbol(&format!("PL_{plain}"), symbol)?;
            }
            return Ok(());
        }
        let base = self.interpreter_base(lowest)?;
        self.interpreter = Interpreter::At(base);
        for (name, address) in &cells.cells {
            let offset = address.wrapping_sub(base);
            match cells.sizes.get(name) {
                Some(size) => out.int("interpreter", name, offset, *size),
                None if *name == "Icompiling" => out.embedded("interpreter", name, offset),
                None => out.pointer("interpreter", name, offset),
            }
        }
        Ok(())
    }

    /// Adds a symbol that was found; one that the file has already must agree.
    fn add_symbol(&mut self, name: &str, symbol: Symbol) -> Result<(), Unsolved> {
        match self.image.symbol(name) {
            Some(known) if known.address == symbol.address => Ok(()),
            Some(_) => Err(Unsolved::new(
                "a variable that is not where its symbol is",
                2,
            )),
            None => {
                let found = [(name.to_owned(), symbol)];
                self.image = self.image.with_symbols(found);
                self.added.push((name.to_owned(), symbol));
                Ok(())
            }
        }
    }

    /// The address of the interpreter: `PL_curinterp`, or the word of the file's data that points
    /// to the lowest variable (`PL_stack_sp` comes first in all versions) or a little below.
    fn interpreter_base(&mut self, lowest: u64) -> Result<u64, Unsolved> {
        let reader = Reader::new(&self.memory, self.abi);
        if let Some(symbol) = self.image.symbol("PL_curinterp") {
            let place = self.bias.wrapping_add(symbol.address);
            return reader
                .pointer(place)
                .map_err(|_| Unsolved::new("PL_curinterp", 0));
        }
        let last = self.run.stop("last")?;
        let ranges = self.data();
        let mut found = Vec::new();
        last.each_word(|address, word| {
            let near = word <= lowest && lowest - word <= 64;
            if near && ranges.iter().any(|(a, b)| (*a..*b).contains(&address)) {
                found.push((address, word));
            }
        });
        // perlmain.c has a variable of its own, my_perl, with the same pointer.
        found.dedup_by_key(|(_, base)| *base);
        let (address, base) = solution::only("PL_curinterp", found)?;
        let symbol = Symbol {
            address: address.wrapping_sub(self.bias),
            size: u64::from(self.abi.pointer_size),
        };
        self.add_symbol("PL_curinterp", symbol)?;
        Ok(base)
    }

    fn identity(&self, solution: &Solution) -> Result<Identity, LearnError> {
        if self.added.is_empty()
            && let Ok(identity) = Identity::of(&self.image)
        {
            return Ok(identity);
        }
        let version = self.run.facts.version.ok_or_else(|| LearnError::Run {
            program: self.program.to_owned(),
            reason: "it does not tell its version".into(),
        })?;
        let build = match self.interpreter {
            Interpreter::Globals => Build::Unthreaded,
            Interpreter::At(_) if self.run.facts.threads => Build::Threaded,
            Interpreter::At(_) => Build::Multiplicity,
        };
        Ok(Identity::without_symbols(
            &self.image,
            version,
            build,
            solution.iv_size,
        ))
    }

    /// Reads the stack of the last stop as any other, and compares it with what it must be.
    fn prove(&self, bound: &BoundLayout) -> Result<(), LearnError> {
        let wrong = |found: String| LearnError::Wrong {
            program: self.program.to_owned(),
            found,
        };
        let map = VariableMap {
            image: &self.image,
            bias: self.bias,
            layout: bound,
            interpreter: self.interpreter,
        };
        let ops = OpNumbers::from_names(&self.names)?;
        let context = PerlView {
            memory: &self.memory,
            abi: self.abi,
            layout: bound,
            ops: &ops,
            compiling: 0,
            pads: None,
        };
        let compiling = map.by_name("Icompiling").map_or(0, |v| v.address);
        let mut sampler = ThreadSampler::new(&map.moving()?, compiling);
        let (mut names, mut table) = (Names::new(), FrameTable::default());
        sampler
            .take(context, 0, &mut names, &mut table, &mut || {})
            .map_err(|e: SampleError| wrong(e.to_string()))?;
        let frames = sampler.frames().iter().rev();
        let found: Vec<String> = frames
            .filter_map(|id| table.get(*id))
            .map(|f| format!("{} ({}:{})", f.name, f.file, f.line))
            .collect();
        let expected: Vec<String> = facts::NEST
            .iter()
            .rev()
            .map(|(name, file, line)| format!("{name} ({file}:{line})"))
            .collect();
        let (main, subs) = found.split_last().ok_or_else(|| wrong("empty".into()))?;
        if subs == expected && main.starts_with("(main)") {
            Ok(())
        } else {
            Err(wrong(found.join(" < ")))
        }
    }
}
