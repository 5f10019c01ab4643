//! A perl in memory: its file, which one it is, how it is laid out. What a live target, a capture
//! and a candidate that is only being tried have in common.

use super::AttachError;
use crate::frames::{FrameId, FrameTable};
use crate::identity::{Build, Identity};
use crate::ids::Pid;
use crate::image::Image;
use crate::layout::schema::FIELDS;
use crate::layout::{Resolved, with_block_types};
use crate::memory::{Batch, Memory, Prefetched, ReadError, Reader};
use crate::perl::locate::{Interpreter, VariableMap};
use crate::perl::names::{NameOptions, Names};
use crate::perl::sample::{SampleError, ThreadSampler};
use crate::perl::stack::StackError;
use crate::perl::values::context::PerlView;
use crate::perl::values::ops::OpNumbers;
use crate::platform::Mapping;
use crate::probe::{Candidate, Probe, Refusal};

/// A perl with everything that reading its stacks needs but the memory itself.
pub struct Perl {
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
    probe: Probe,
}

/// What wraps every call under a debugger: the name of the glob that `PL_DBsub` leads to.
pub(super) const DEBUGGER_SUB: &str = "DB::sub";

/// Where a file lies in memory, and the file itself.
#[derive(Clone)]
pub struct Loaded {
    /// The file.
    pub image: Image,
    /// How far it was moved.
    pub bias: u64,
}

impl Perl {
    /// Puts a layout and what the target's own arrays tell together.
    ///
    /// # Errors
    /// [`AttachError::Starting`] while the dynamic linker has not filled the arrays.
    pub fn assemble(
        pid: Pid,
        memory: &dyn Memory,
        loaded: &Loaded,
        identity: Identity,
        resolved: &Resolved,
    ) -> Result<Self, AttachError> {
        let reader = Reader::new(memory, identity.abi);
        let strings = |name: &str| loaded.image.live_strings(&reader, loaded.bias, name);
        let resolved = with_block_types(resolved, &strings("PL_block_type"))?;
        let names = strings("PL_op_name");
        if names.iter().all(Option::is_none) {
            return Err(AttachError::Starting(pid));
        }
        Ok(Perl {
            image: loaded.image.clone(),
            bias: loaded.bias,
            identity,
            resolved,
            ops: OpNumbers::from_names(&names)?,
            probe: Probe::interpreter()?,
        })
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
    pub fn name_context<'a>(&'a self, memory: &'a dyn Memory, compiling: u64) -> PerlView<'a> {
        PerlView {
            memory,
            abi: self.identity.abi,
            layout: &self.resolved.bound,
            ops: &self.ops,
            compiling,
            pads: None,
        }
    }

    /// The main thread's interpreter: `PL_curinterp`, or the globals. `None` while perl has not
    /// made it.
    ///
    /// # Errors
    /// [`ReadError`] when the word that points at it is not mapped.
    pub fn main_interpreter(&self, memory: &dyn Memory) -> Result<Option<Interpreter>, ReadError> {
        let reader = Reader::new(memory, self.identity.abi);
        if self.identity.build == Build::Unthreaded {
            let info = self
                .variables(Interpreter::Globals)
                .by_name("Icurstackinfo");
            let info = info.map(|v| reader.pointer(v.address)).transpose()?;
            return Ok((info != Some(0)).then_some(Interpreter::Globals));
        }
        let Some(symbol) = self.image.symbol("PL_curinterp") else {
            return Ok(None);
        };
        let address = reader.pointer(self.bias.wrapping_add(symbol.address))?;
        Ok((address != 0).then_some(Interpreter::At(address)))
    }

    /// Holds the probe against an interpreter, once.
    ///
    /// # Errors
    /// [`Refusal`]: the first check of the probe that it does not pass.
    pub fn examine(
        &self,
        memory: &dyn Memory,
        maps: &[Mapping],
        interpreter: Interpreter,
    ) -> Result<(), Refusal> {
        let variables = self.variables(interpreter);
        // Where the target cannot be read, the probe says so.
        let ahead = self.read_ahead(memory, &variables);
        let memory = ahead.as_ref().map_or(memory, |ahead| ahead as &dyn Memory);
        self.probe.examine(&Candidate {
            reader: Reader::new(memory, self.identity.abi),
            layout: &self.resolved.layout,
            variables: &variables,
            maps,
        })
    }

    /// All variables of an interpreter and its stack info, by two calls: the probe asks for most of
    /// them, one by one.
    fn read_ahead<'a>(
        &self,
        memory: &'a dyn Memory,
        variables: &VariableMap<'_>,
    ) -> Option<Prefetched<'a>> {
        let of = |structure: &'static str| FIELDS.iter().filter(move |f| f.structure == structure);
        let places: Vec<(u64, usize)> = of("interpreter")
            .filter_map(|spec| variables.by_name(spec.name))
            .filter(|variable| variable.size > 0)
            .map(|variable| (variable.address, usize::from(variable.size)))
            .collect();
        let ahead = Prefetched::new(memory, &places).ok()?;
        let reader = Reader::new(&ahead, self.identity.abi);
        let info = variables.by_name("Icurstackinfo")?;
        let info = reader.pointer(info.address).ok()?;
        let mut members = Batch::new();
        for spec in of("stackinfo") {
            let field = self.resolved.layout.field(spec.structure, spec.name);
            if let Some(field) = field.filter(|f| f.size > 0) {
                let place = info.wrapping_add(u64::from(field.offset));
                members.push(place, usize::from(field.size));
            }
        }
        ahead.fill(&mut members).ok()?;
        Some(ahead)
    }

    /// One stack of an interpreter, innermost frame first, read once: nothing is believed that may
    /// come of a wrong layout.
    ///
    /// # Errors
    /// [`SampleError`], also where the interpreter has only just moved.
    pub fn stack(
        &self,
        memory: &dyn Memory,
        interpreter: Interpreter,
        options: NameOptions,
        table: &mut FrameTable,
    ) -> Result<Vec<FrameId>, SampleError> {
        let map = self.variables(interpreter);
        let variables = map.moving().map_err(|_| StackError::NoStack)?;
        let compiling = map.by_name("Icompiling").map_or(0, |v| v.address);
        let mut sampler = ThreadSampler::new(&variables, compiling);
        let context = self.name_context(memory, 0);
        let db_sub = self.debugger_sub(memory, interpreter);
        let mut names = Names::with(options);
        sampler.take(context, db_sub, &mut names, table, &mut || {})?;
        Ok(sampler.frames().iter().rev().copied().collect())
    }

    /// `&DB::sub`, which wraps every call under a debugger; 0 where there is none. The variable is
    /// believed when it leads to a glob of that name: it may be a neighbour's table that tells where
    /// it is.
    pub fn debugger_sub(&self, memory: &dyn Memory, main: Interpreter) -> u64 {
        let reader = Reader::new(memory, self.identity.abi);
        let glob = self
            .variables(main)
            .by_name("IDBsub")
            .and_then(|v| reader.pointer(v.address).ok());
        let context = self.name_context(memory, 0);
        glob.filter(|gv| *gv != 0)
            .filter(|gv| {
                context
                    .glob_name(*gv)
                    .is_ok_and(|name| name == DEBUGGER_SUB)
            })
            .and_then(|gv| context.glob_cv(gv).ok())
            .unwrap_or(0)
    }
}
