//! One stack of one thread, from copy to frames: what a dump takes once and a recording many times. Here is decided
//! whether a stack is believed: copy, contexts and names each have their verdict, [`ThreadSampler::take`] tries again.

use super::entries::{PerlEntry, entries};
use super::leaf::LeafReader;
use super::leaf::level::LeafLevel;
use super::leaf::running::{EnteredFrom, Moment};
use super::locate::Located;
use super::names::recheck::Recheck;
use super::names::{NamedStack, Names};
use super::stack::doing::OpPhase;
use super::stack::header::Compiling;
use super::stack::unfinished::Comparators;
use super::stack::walk::{RawFrame, RawStack, WalkError, WalkRules};
use super::stack::{Current, StackError, StackReader, Variables, unfinished};
use super::values::context::{NameError, PerlView};
use super::values::op_types::OpTypes;
use super::values::ops::OpKind;
use super::values::pads::Pads;
use crate::frames::{FrameId, FrameTable};
use crate::layout::BoundLayout;
use crate::memory::{Abi, ReadError};

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

    /// The interpreter that the thread runs, where that is not the one that was asked about.
    pub fn other_interpreter(&self) -> Option<u64> {
        match self {
            SampleError::Stack(StackError::Another(address)) => Some(*address),
            _ => None,
        }
    }

    /// What was read is no stack, or not a whole one. Not so where the target moved or is gone.
    pub fn is_about_stack(&self) -> bool {
        let is_readable = |e| matches!(e, ReadError::BadAddress { .. });
        !self.is_torn() && self.read_error().is_none_or(is_readable)
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

    /// Another try would fail as well: the process has ended, or may not be read.
    pub fn is_final(&self) -> bool {
        use crate::memory::ReadError::{NoPermission, NoSuchProcess};
        matches!(self.read_error(), Some(NoPermission | NoSuchProcess))
    }

    /// A word for the kind, stable enough for programs.
    pub fn kind(&self) -> &'static str {
        use crate::memory::ReadError;
        match (self.read_error(), self) {
            (Some(ReadError::NoPermission), _) => "no permission",
            (Some(ReadError::NoSuchProcess), _) => "process ended",
            (Some(_), _) => "unreadable",
            (None, SampleError::Stack(StackError::NoStack | StackError::Another(_))) => "no stack",
            (None, SampleError::Stack(_)) => "stack nonsense",
            (None, SampleError::Walk(_)) => "context nonsense",
            (None, SampleError::Name(_)) => "name nonsense",
        }
    }
}

/// Tries of one sample before it counts as failed or torn.
const MAX_TRIES: usize = 3;

/// Takes samples of one interpreter. What has not changed since the sample before is neither walked
/// nor named again: most of a deep stack stands still from one sample to the next.
#[derive(Debug)]
pub struct ThreadSampler {
    reader: StackReader,
    compiling: u64,
    units: Compiling,
    raw: RawStack,
    recheck: Recheck,
    /// Frames whose names may change while all else stays: of each sub the outermost.
    given: Vec<usize>,
    /// The frames that are verified.
    verified: Vec<RawFrame>,
    named: NamedStack,
    leaf_reader: LeafReader,
    entered: Option<EnteredFrom>,
    is_strict: bool,
    /// Every sub and file must have a name.
    demands_names: bool,
    op_types: OpTypes,
    /// Of the op of the last copy.
    op_kind: Option<OpKind>,
    leaf: Option<FrameId>,
    unchanged: usize,
    /// `PL_cop_seqmax` when all frames were verified last; `None` when that must be done anew.
    verified_at: Option<u64>,
}

impl ThreadSampler {
    /// A sampler of the interpreter with these variables, which gives Perl's own frames, and believes
    /// nothing that may come of a wrong layout: that looks like a stack caught in the middle of a
    /// call.
    pub fn new(variables: &Variables, compiling: u64) -> Self {
        let nothing = Pads {
            curpad: None,
            regex_pad: None,
            stack_base: None,
            savestack: None,
            has_stack: false,
        };
        ThreadSampler {
            is_strict: true,
            demands_names: true,
            ..Self::with_leaf(variables, compiling, LeafLevel::Nothing, nothing)
        }
    }

    /// A sampler of this interpreter that also tells what the innermost Perl frame is doing.
    pub fn of(perl: &Located, beyond: LeafLevel) -> Self {
        Self::with_leaf(&perl.variables, perl.compiling, beyond, perl.pads)
    }

    /// Like [`ThreadSampler::of`], of these variables.
    pub fn with_leaf(variables: &Variables, compiling: u64, beyond: LeafLevel, pads: Pads) -> Self {
        ThreadSampler {
            reader: StackReader::new(variables),
            compiling,
            units: variables.compiling,
            raw: RawStack::default(),
            recheck: Recheck::default(),
            given: Vec::new(),
            verified: Vec::new(),
            named: NamedStack::default(),
            leaf_reader: LeafReader::new(beyond, pads),
            entered: None,
            is_strict: false,
            demands_names: false,
            op_types: OpTypes::default(),
            op_kind: None,
            leaf: None,
            unchanged: 0,
            verified_at: None,
        }
    }

    /// Whether a sub or file whose name makes no sense is an error, and not called `(unknown)`.
    pub fn demand_names(&mut self, yes: bool) {
        self.demands_names = yes;
    }

    /// Whether a sample may be approximate; see [`StackReader::accept_moving`].
    pub fn accept_moving(&mut self, yes: bool) {
        self.reader.accept_moving(yes);
    }

    /// What [`ThreadSampler::accept_moving`] said last.
    pub fn takes_moving(&self) -> bool {
        self.reader.takes_moving()
    }

    /// Only the stack of an interpreter that its thread runs counts; see
    /// [`StackReader::only_current`].
    pub fn only_current(&mut self, current: Option<Current>) {
        self.reader.only_current(current);
    }

    /// In the last good sample the interpreter was in the middle of something.
    pub fn has_contexts(&self) -> bool {
        self.reader.infos().iter().any(|info| info.count > 0)
    }

    /// The frames of the last good sample, outermost first: `(main)` and what it called.
    pub fn frames(&self) -> &[FrameId] {
        self.named.ids()
    }

    /// What stands on top of these: a sub written in C, or the op.
    pub fn leaf(&self) -> Option<FrameId> {
        self.leaf
    }

    /// So many of the outermost frames are the same as in the good sample before.
    pub fn unchanged(&self) -> usize {
        self.unchanged
    }

    /// Where C called Perl, outermost first, on the stack of the last good sample.
    pub fn entries(&self, abi: Abi, layout: &BoundLayout) -> Vec<PerlEntry> {
        entries(abi, layout, &self.reader, &self.raw, &self.named)
    }

    /// The op that ran at the last good sample; 0 for none.
    pub fn op(&self) -> u64 {
        self.reader.header().op
    }

    /// Takes a sample. `again` is called before every further try: there a caller moves to the CPU
    /// that the target went to.
    ///
    /// # Errors
    /// [`SampleError`], torn samples included.
    pub fn take(
        &mut self,
        view: PerlView<'_>,
        db_sub: u64,
        names: &mut Names,
        table: &mut FrameTable,
        again: &mut dyn FnMut(),
    ) -> Result<(), SampleError> {
        let view = PerlView {
            compiling: self.compiling,
            pads: Some(self.leaf_reader.pads()),
            ..view
        };
        names.demand_names(self.demands_names);
        self.unchanged = self.named.ids().len();
        let mut last = SampleError::Stack(StackError::Torn);
        for attempt in 0..MAX_TRIES {
            if attempt > 0 {
                again();
            }
            let result = self.attempt(&view, db_sub, names, table);
            if let Err(e) = result
                && e.other_interpreter().is_some()
            {
                return Err(e);
            }
            if !matches!(result, Ok(true)) {
                self.verified_at = None;
                self.recheck.start_anew();
            }
            match result {
                Ok(true) => return self.read_leaf(&view, table),
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

    /// Where the subs, evals and formats of the last copy were entered from: `blk_oldcop` of each.
    /// With a wrong layout they are no statements.
    pub fn entered_from(&self, view: &PerlView<'_>) -> Vec<u64> {
        let (cx, number) = (&view.layout.context, &view.layout.constants);
        let frames = [number.CXt_SUB, number.CXt_FORMAT, number.CXt_EVAL];
        let size = cx.sizeof.offset as usize;
        self.reader
            .infos()
            .iter()
            .flat_map(|info| {
                let bytes = self.reader.contexts(info);
                bytes.chunks_exact(size.max(1)).take(info.count)
            })
            .filter(|context| {
                let word = cx.cx_type.get(view.abi, context);
                frames.contains(&word.map_or(u64::MAX, |word| word & number.CXTYPEMASK))
            })
            .filter_map(|context| cx.blk_oldcop.get(view.abi, context))
            .collect()
    }

    /// `Ok(false)` when names were learned while the target moved on.
    fn attempt(
        &mut self,
        view: &PerlView<'_>,
        db_sub: u64,
        names: &mut Names,
        table: &mut FrameTable,
    ) -> Result<bool, SampleError> {
        let extra = self.recheck.ranges(view);
        self.reader
            .take(view.memory, view.abi, view.layout, extra)?;
        let doing = self.doing(view);
        let rules = WalkRules {
            abi: view.abi,
            layout: view.layout,
            ops: view.ops,
            db_sub,
            doing: if self.is_strict || self.reader.header().op == 0 {
                // Where the op is not known, or is not to be believed, a sub without a CV has been
                // left, and it must make sense where it was called.
                OpPhase::Leaving
            } else {
                doing
            },
        };
        if let Err(e) = rules.walk(&self.reader, &mut self.raw) {
            self.forget_frames();
            return Err(e.into());
        }
        self.entered = EnteredFrom::of(&self.raw, view);
        match self.name(view, &rules, doing, names, table) {
            Ok(has_read) if !(has_read || names.has_learned()) || self.still(view)? => Ok(true),
            // What was learned while the target moved on may be of two moments.
            Ok(_) => {
                self.forget_frames();
                names.forget_learned();
                Ok(false)
            }
            Err(e) => {
                self.forget_frames();
                names.forget_learned();
                if self.still(view)? {
                    Err(e.into())
                } else {
                    Ok(false)
                }
            }
        }
    }

    fn read_leaf(
        &mut self,
        view: &PerlView<'_>,
        table: &mut FrameTable,
    ) -> Result<(), SampleError> {
        let (reader, header) = (&self.reader, self.reader.header());
        let moment = Moment {
            kind: self.op_kind,
            cop_seqmax: reader.cop_seqmax(),
        };
        let mut still = || matches!(reader.still(view.memory, view.abi), Ok(true));
        let running = self
            .leaf_reader
            .read(view, &header, moment, self.entered, &mut still)
            .map_err(NameError::Read)?;
        let innermost = self.named.ids().last();
        self.leaf = running
            .zip(innermost)
            .and_then(|(running, below)| self.leaf_reader.frame(&running, *below, table));
        Ok(())
    }

    /// Everything has to be found out anew.
    fn forget_frames(&mut self) {
        self.raw.frames.clear();
        self.named.clear();
        self.given.clear();
        self.unchanged = 0;
        self.verified_at = None;
        self.recheck.doubt();
    }

    /// True when something was read beside the copy and what [`Names`] knows of.
    fn name(
        &mut self,
        view: &PerlView<'_>,
        rules: &WalkRules<'_>,
        doing: OpPhase,
        names: &mut Names,
        table: &mut FrameTable,
    ) -> Result<bool, NameError> {
        let (header, cop_seqmax) = (self.reader.header(), self.reader.cop_seqmax());
        // While a frame's context and its caller's statement stay, so does its sub, unless code was
        // compiled: only then can another statement have come to the same address. What it is
        // called may be another matter.
        let is_old = cop_seqmax.is_some() && cop_seqmax == self.verified_at;
        let first = if is_old {
            self.raw.kept.saturating_sub(1)
        } else {
            0
        };
        self.given.retain(|index| *index < first);
        self.verify(view, doing, names, first)?;
        self.verified_at = cop_seqmax;
        self.note_given(names, first);
        let stack = &mut self.raw;
        // Its depth is of a later moment where the copy is of several.
        let top = stack.frames.last().filter(|_| !self.reader.takes_moving());
        if let Some(depth) = top.and_then(|top| names.depth(top.cv)) {
            let comparators = Comparators::of(&view.layout.constants);
            unfinished::drop_inactive(stack, &header, comparators, depth, doing, view);
        }
        if !self.is_strict {
            unfinished::drop_stale_eval(stack, &header, doing, names, view)?;
            unfinished::after_return(stack, &header, doing, &self.reader, rules, names, view)?;
        }
        let kept = if names.has_replaced() {
            0
        } else {
            self.raw.kept
        };
        let first = self.named.keep(&self.raw, kept);
        self.unchanged = self.unchanged.min(self.named.ids().len());
        let units = self.units;
        let has_read = units.mark(view, &mut self.raw, first, &self.reader, doing)?;
        for index in first..self.raw.frames.len() {
            names.name(view, &self.raw, index, &mut self.named, table)?;
            names.settle(view, &self.reader)?;
        }
        Ok(has_read)
    }

    fn note_given(&mut self, names: &Names, first: usize) {
        /// Subs of one stack.
        const MAX_GIVEN: usize = 32;
        let frames = &self.raw.frames;
        for (index, frame) in frames.iter().enumerate().skip(first) {
            if self.given.len() >= MAX_GIVEN {
                break;
            }
            let is_known = |known: &usize| frames.get(*known).is_some_and(|f| f.cv == frame.cv);
            if names.is_given(frame.cv) && !self.given.iter().any(is_known) {
                self.given.push(index);
            }
        }
    }

    /// Verifies the frames from `first` on, and below these all that may have another name. A top
    /// frame whose sub is none is dropped if it can be one that is just being made.
    fn verify(
        &mut self,
        view: &PerlView<'_>,
        doing: OpPhase,
        names: &mut Names,
        first: usize,
    ) -> Result<(), NameError> {
        let (reader, recheck) = (&self.reader, &mut self.recheck);
        let frames = &self.raw.frames;
        let given = self.given.iter().filter_map(|index| frames.get(*index));
        let changed = frames.get(first..).unwrap_or_default();
        self.verified.clear();
        self.verified.extend(given.chain(changed));
        let Err(error) = names.verify(view, &self.verified, reader, recheck) else {
            return Ok(());
        };
        let header = reader.header();
        if self.is_strict
            || !error.is_of_one_object()
            || !unfinished::drop_unfilled(&mut self.raw, &header, doing)
        {
            return Err(error);
        }
        names.forget_learned();
        recheck.doubt();
        names.verify(view, &self.raw.frames, reader, recheck)
    }

    /// What the current op has to do with contexts.
    fn doing(&mut self, view: &PerlView<'_>) -> OpPhase {
        let op = self.reader.header().op;
        self.op_kind = self.op_types.get(view, op, self.reader.cop_seqmax());
        self.op_kind
            .map_or(OpPhase::Other, |kind| OpPhase::of(view.ops, kind.op_type))
    }

    fn still(&self, view: &PerlView<'_>) -> Result<bool, SampleError> {
        Ok(self.reader.still(view.memory, view.abi)?)
    }
}
