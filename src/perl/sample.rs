//! One stack of one thread, from copy to frames: what a dump takes once and a recording many times.

use super::names::{FrameId, FrameTable, NameContext, NameError, Names};
use super::stack::{StackError, StackReader, Variables};
use super::walk::{RawStack, WalkError, WalkRules, drop_unfinished};

/// Why a sample gave no stack. The text of a kind is what `--stats` counts under.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SampleError {
    /// The copy failed.
    #[error(transparent)]
    Stack(#[from] StackError),
    /// The contexts make no sense.
    #[error(transparent)]
    Walk(#[from] WalkError),
    /// A name could not be had.
    #[error(transparent)]
    Name(#[from] NameError),
}

impl SampleError {
    /// True when the target moved: no error, but no stack either.
    pub fn is_torn(&self) -> bool {
        matches!(self, SampleError::Stack(StackError::Torn))
    }

    /// The read error at the bottom, if it was one.
    pub fn read_error(&self) -> Option<crate::memory::ReadError> {
        match self {
            SampleError::Stack(StackError::Read(e)) | SampleError::Name(NameError::Read(e)) => {
                Some(*e)
            }
            _ => None,
        }
    }

    /// A word for the kind, stable enough for programs.
    pub fn kind(&self) -> &'static str {
        use crate::memory::ReadError;
        match (self.read_error(), self) {
            (Some(ReadError::NoPermission), _) => "no permission",
            (Some(ReadError::NoSuchProcess), _) => "process ended",
            (Some(_), _) => "unreadable",
            (None, SampleError::Stack(StackError::NoStack)) => "no stack",
            (None, SampleError::Stack(_)) => "stack nonsense",
            (None, SampleError::Walk(_)) => "context nonsense",
            (None, SampleError::Name(_)) => "name nonsense",
        }
    }
}

/// Tries of one sample before it counts as failed or torn.
const MAX_TRIES: usize = 3;

/// Takes samples of one interpreter.
#[derive(Debug)]
pub struct ThreadSampler {
    reader: StackReader,
    compiling: u64,
    raw: RawStack,
}

impl ThreadSampler {
    /// A sampler of the interpreter with these variables.
    pub fn new(variables: &Variables, compiling: u64) -> Self {
        ThreadSampler {
            reader: StackReader::new(variables),
            compiling,
            raw: RawStack::default(),
        }
    }

    /// One stack, innermost frame first. `again` is called before every further try: there a
    /// caller moves to the CPU that the target went to.
    ///
    /// # Errors
    /// [`SampleError`], torn samples included.
    pub fn take(
        &mut self,
        target: NameContext<'_>,
        db_sub: u64,
        names: &mut Names,
        table: &mut FrameTable,
        out: &mut Vec<FrameId>,
        again: &mut dyn FnMut(),
    ) -> Result<(), SampleError> {
        let target = NameContext {
            compiling: self.compiling,
            ..target
        };
        let mut last = SampleError::Stack(StackError::Torn);
        for attempt in 0..MAX_TRIES {
            if attempt > 0 {
                again();
            }
            match self.attempt(&target, db_sub, names, table, out) {
                Ok(true) => return Ok(()),
                Ok(false) => last = SampleError::Stack(StackError::Torn),
                Err(e) if matches!(e.read_error(), Some(r) if !matches!(r, crate::memory::ReadError::BadAddress { .. })) =>
                {
                    return Err(e);
                }
                Err(e) => last = e,
            }
        }
        Err(last)
    }

    /// Where the contexts of the last copy were entered from: `blk_oldcop` of each, whatever its
    /// type. With a wrong layout they are no statements.
    pub fn entered_from(&self, target: &NameContext<'_>) -> Vec<u64> {
        let cx = &target.layout.context;
        let size = cx.sizeof.offset as usize;
        self.reader
            .infos()
            .iter()
            .flat_map(|info| {
                let bytes = self.reader.contexts(info);
                bytes.chunks_exact(size.max(1)).take(info.count)
            })
            .filter_map(|context| cx.blk_oldcop.get(target.abi, context))
            .collect()
    }

    /// `Ok(false)` when names were learned while the target moved on.
    fn attempt(
        &mut self,
        target: &NameContext<'_>,
        db_sub: u64,
        names: &mut Names,
        table: &mut FrameTable,
        out: &mut Vec<FrameId>,
    ) -> Result<bool, SampleError> {
        self.reader.take(target.memory, target.abi, target.layout)?;
        let rules = WalkRules {
            abi: target.abi,
            layout: target.layout,
            ops: target.ops,
            db_sub,
        };
        rules.walk(&self.reader, &mut self.raw)?;
        match self.name(target, names, table, out) {
            Ok(()) if !names.has_learned() || self.still(target)? => Ok(true),
            // What was learned while the target moved on may be of two moments.
            Ok(()) => {
                names.forget_learned();
                Ok(false)
            }
            Err(e) => {
                names.forget_learned();
                if self.still(target)? {
                    Err(e.into())
                } else {
                    Ok(false)
                }
            }
        }
    }

    fn name(
        &mut self,
        target: &NameContext<'_>,
        names: &mut Names,
        table: &mut FrameTable,
        out: &mut Vec<FrameId>,
    ) -> Result<(), NameError> {
        names.verify(target, &self.raw)?;
        let header = self.reader.header();
        if let Some(depth) = self.raw.frames.first().and_then(|top| names.depth(top.cv)) {
            let leaving = || {
                target
                    .op_type(header.op)
                    .is_ok_and(|t| target.ops.leaving.contains(&t))
            };
            let sort_type = target.layout.constants.PERLSI_SORT;
            drop_unfinished(&mut self.raw, &header, sort_type, depth, leaving);
        }
        names.frames(target, &self.raw, table, out)
    }

    fn still(&self, target: &NameContext<'_>) -> Result<bool, SampleError> {
        Ok(self.reader.still(target.memory, target.abi)?)
    }
}
