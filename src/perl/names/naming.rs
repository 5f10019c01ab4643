//! What a stack's frames are called and where they are: from raw frames to those that are shown.

use super::callback::{MULTICALL, is_protected, may_be_multicall};
use super::{CvEntry, Names, SourceSpot, StringId, of_this_object};
use crate::frames::label::{LabelParts, Naming, module};
use crate::frames::{Frame, FrameId, FrameKind, FrameTable, Place, UNKNOWN};
use crate::perl::stack::walk::{Callback, ContextKind, Position, RawFrame, RawStack};
use crate::perl::values::context::{NameError, PerlView};

/// Where a frame is executing.
#[derive(Debug, Clone, Copy)]
struct FrameSpots {
    /// As `caller` has it.
    given: SourceSpot,
    /// As people are shown it.
    shown: SourceSpot,
    /// Where the string eval is whose file this is.
    eval_at: Option<SourceSpot>,
    is_compiling: bool,
}

/// All that a frame is made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(in crate::perl) struct FrameKey {
    kind: FrameKind,
    naming: Naming,
    name: StringId,
    detail: Option<StringId>,
    given: (StringId, u32),
    shown: (StringId, u32),
    eval_at: Option<(StringId, u32)>,
    start: (StringId, u32),
    loads: Option<StringId>,
    is_compiling: bool,
}

/// What a frame is, wherever it is executing.
#[derive(Debug, Clone, Copy)]
struct FrameIdentity {
    kind: FrameKind,
    naming: Naming,
    name: StringId,
    detail: Option<StringId>,
    start: SourceSpot,
    loads: Option<StringId>,
}

/// One raw frame, named.
#[derive(Debug, Clone, Copy)]
struct NamedFrame {
    /// Where it was when it was named.
    position: Position,
    /// It was the innermost then, which may be shown at another place than its own.
    is_innermost: bool,
    spots: FrameSpots,
    /// So many ids belong to it and those further out.
    ids: usize,
    /// The same, without those of what it calls as the innermost.
    own_ids: usize,
    /// Of a string eval: its file's number and where it is.
    eval: Option<(u32, SourceSpot)>,
    /// The next string eval further out.
    outer_eval: Option<usize>,
}

/// The frames of an interpreter's last stack: what has not changed since is not named again.
#[derive(Debug, Default)]
pub struct NamedStack {
    /// One for each raw frame, outermost first.
    frames: Vec<NamedFrame>,
    ids: Vec<FrameId>,
}

impl NamedStack {
    /// The frames that are shown, outermost first.
    pub fn ids(&self) -> &[FrameId] {
        &self.ids
    }

    /// Forgets everything.
    pub fn clear(&mut self) {
        self.truncate(0);
    }

    fn truncate(&mut self, frames: usize) {
        self.frames.truncate(frames);
        self.ids.truncate(self.frames.last().map_or(0, |s| s.ids));
    }

    /// Forgets what has changed, `kept` of the outermost frames being the same; says which frame is
    /// the first that has to be named.
    pub fn keep(&mut self, stack: &RawStack, kept: usize) -> usize {
        let mut kept = kept.min(self.frames.len());
        // Only of the last kept frame can the position be another.
        if let Some(last) = kept.checked_sub(1)
            && !self.is_same(stack, last)
        {
            kept = last;
        }
        let kind = |index: usize| stack.frames.get(index).map(|f| f.kind);
        let is_eval = |kind: Option<ContextKind>| {
            matches!(kind, Some(ContextKind::EvalBlock | ContextKind::EvalFromC))
        };
        let inner = |kept: usize| kept.checked_sub(1).and_then(kind);
        // Whether a BEGIN block and perl's eval around it are shown depends on what they run.
        if kind(kept) == Some(ContextKind::Require) && inner(kept) == Some(ContextKind::Sub) {
            kept -= 1;
        }
        if kind(kept) == Some(ContextKind::Sub) && is_eval(inner(kept)) {
            kept -= 1;
        }
        // What a unit is called depends on the BEGIN block that it runs, and between the two stands
        // an eval of perl's.
        if is_eval(kind(kept)) {
            kept = kept.saturating_sub(1);
        }
        self.truncate(kept);
        kept
    }

    fn is_same(&self, stack: &RawStack, index: usize) -> bool {
        let is_innermost = index + 1 == stack.frames.len();
        match (self.frames.get(index), stack.frames.get(index)) {
            (Some(frame), Some(raw)) => {
                let is_same = !frame.is_innermost && frame.position == raw.position;
                // The hooks of code that is compiled stand where those of code that runs do.
                let callee = stack.frames.get(index + 1);
                let may_run = callee.is_none_or(|c| c.place.0 == raw.place.0);
                !is_innermost && is_same && (may_run || !raw.kind.is_unit())
            }
            _ => false,
        }
    }

    /// Where the string eval is in whose file, of that number, a frame is that has not been added.
    fn eval_at(&self, number: u32) -> Option<SourceSpot> {
        /// String evals that are compared.
        const MAX_TRIED: usize = 16;
        let mut at = self.innermost_eval();
        for _ in 0..MAX_TRIED {
            let frame = self.frames.get(at?)?;
            match frame.eval {
                Some((file, spot)) if file == number => return Some(spot),
                _ => at = frame.outer_eval,
            }
        }
        None
    }

    /// How many frames stand for so many of the outermost that perl has, without what these call.
    pub(in crate::perl) fn ids_of(&self, frames: usize) -> usize {
        let last = frames.checked_sub(1).and_then(|last| self.frames.get(last));
        last.map_or(0, |frame| frame.own_ids)
    }

    fn innermost_eval(&self) -> Option<usize> {
        let last = self.frames.len().checked_sub(1)?;
        let frame = self.frames.get(last)?;
        frame.eval.map(|_| last).or(frame.outer_eval)
    }
}

impl Names {
    /// Names a frame of a stack that was verified, and the callbacks that led to it. Those further
    /// out are in `named`.
    ///
    /// # Errors
    /// [`NameError`] when a COP, CV or glob of it is none, or not mapped: most often as perl has freed it.
    pub fn name(
        &mut self,
        view: &PerlView<'_>,
        stack: &RawStack,
        index: usize,
        named: &mut NamedStack,
        table: &mut FrameTable,
    ) -> Result<(), NameError> {
        let Some(frame) = stack.frames.get(index).copied() else {
            return Ok(());
        };
        let outer = index.checked_sub(1);
        let caller = outer.and_then(|i| stack.frames.get(i).copied());
        let called_at = outer.and_then(|i| named.frames.get(i)).map(|s| s.spots);
        let called = caller.zip(called_at);
        let is_innermost = index + 1 == stack.frames.len();
        let position = if is_innermost {
            self.entered_position(view, &frame, caller.map_or(0, |c| c.cv))?
        } else {
            frame.position
        };
        let mut at = self.spots(view, stack, index, position)?;
        let eval = match (frame.kind, at.shown.eval, called_at) {
            (ContextKind::EvalString, Some(number), Some(from)) => Some((number, from.shown)),
            _ => None,
        };
        at.eval_at = match (eval, at.shown.eval) {
            (Some((_, spot)), _) => Some(spot),
            (None, Some(number)) => named.eval_at(number),
            (None, None) => None,
        };
        if let Some((caller, from)) = called {
            let between = (caller.place.0 + 1)..=frame.place.0;
            self.callbacks(view, stack, between, (caller.position, from), named, table)?;
        }
        let called = called.map(|(caller, from)| (caller, from.shown));
        let identity = self.identity(view, stack, index, called, &at)?;
        if !self.is_within_use(stack, index, &identity) {
            named.ids.push(self.intern(&identity, &at, table));
        }
        let own_ids = named.ids.len();
        if is_innermost {
            let rest = (frame.place.0 + 1)..=stack.callbacks.len();
            self.callbacks(view, stack, rest, (position, at), named, table)?;
        }
        let outer_eval = named.innermost_eval();
        named.frames.push(NamedFrame {
            position: frame.position,
            is_innermost,
            spots: at,
            ids: named.ids.len(),
            own_ids,
            eval,
            outer_eval,
        });
        Ok(())
    }

    /// Adds the frames of some callbacks that were made `from` a frame.
    fn callbacks(
        &mut self,
        view: &PerlView<'_>,
        stack: &RawStack,
        numbers: std::ops::RangeInclusive<usize>,
        from: (Position, FrameSpots),
        named: &mut NamedStack,
        table: &mut FrameTable,
    ) -> Result<(), NameError> {
        for callback in numbers.filter_map(|number| stack.callbacks.get(number)) {
            let id = self.synthetic(view, callback, from.0, from.1, table)?;
            named.ids.extend(id);
        }
        Ok(())
    }

    fn spots(
        &mut self,
        view: &PerlView<'_>,
        stack: &RawStack,
        index: usize,
        position: Position,
    ) -> Result<FrameSpots, NameError> {
        let frame = stack.frames.get(index);
        let given = self.spot(view, position)?;
        let begin = match running(stack, index) {
            Some(sub) => self.begins_at(view, sub)?,
            None => None,
        };
        // Before 5.36 all units that are being compiled share PL_compiling, so that `caller` gives
        // them the line of the innermost. Where the BEGIN block is that they run is known.
        let is_shared = view.compiling != 0 && position.cop == view.compiling;
        let shown = begin.filter(|_| is_shared).unwrap_or(given);
        // After the main program was compiled, PL_compiling has no line.
        let is_parser = given.line != 0 && self.is_copy(position);
        let is_unit = frame.is_none_or(|f| f.kind.is_unit());
        let is_stated = is_unit && (is_parser || begin.is_some());
        let is_compiled = frame.is_some_and(|f| f.is_compiled);
        let is_compiling = is_stated || is_compiled;
        // The statement is one that perl optimises: the parser is further down.
        let shown = match is_compiled && !is_stated && stack.is_innermost_unit(index) {
            true => self.parser_spot(view)?.unwrap_or(shown),
            false => shown,
        };
        Ok(FrameSpots {
            given,
            shown,
            eval_at: None,
            is_compiling,
        })
    }

    /// Where the parser is; `None` where that is not known.
    fn parser_spot(&mut self, view: &PerlView<'_>) -> Result<Option<SourceSpot>, NameError> {
        if view.compiling == 0 {
            return Ok(None);
        }
        self.learn_statement(view, view.compiling)?;
        let cop = Position {
            cop: view.compiling,
            ..Position::default()
        };
        Ok(Some(self.spot(view, cop)?).filter(|spot| spot.line != 0))
    }

    /// Where a BEGIN block is; `None` for other subs.
    fn begins_at(&mut self, view: &PerlView<'_>, cv: u64) -> Result<Option<SourceSpot>, NameError> {
        let naming = self.cvs.get(&cv).map(|entry| entry.naming);
        if naming != Some(Naming::Begin) {
            return Ok(None);
        }
        let first = self.first(view, cv)?.map(|first| first.spot);
        Ok(first.filter(|spot| spot.line != 0))
    }

    /// The frame of a callback, if it is shown. It is where its caller is.
    fn synthetic(
        &mut self,
        view: &PerlView<'_>,
        callback: &Callback,
        from: Position,
        at: FrameSpots,
        table: &mut FrameTable,
    ) -> Result<Option<FrameId>, NameError> {
        let numbers = &view.layout.constants;
        let Some(mut name) = self.options.synthetic.name(callback, numbers) else {
            return Ok(None);
        };
        if may_be_multicall(callback, numbers)
            && let Some(tree) = self.tree(view, from.cop)?
            && !tree.has_sort
        {
            name = MULTICALL;
        }
        let identity = self.plain(FrameKind::Synthetic, name, at.shown);
        let at = FrameSpots {
            is_compiling: false,
            ..at
        };
        Ok(Some(self.intern(&identity, &at, table)))
    }

    /// What is called by its name and begins nowhere in particular.
    fn plain(&mut self, kind: FrameKind, name: &str, at: SourceSpot) -> FrameIdentity {
        FrameIdentity {
            kind,
            naming: Naming::Plain,
            name: self.string(name),
            detail: None,
            start: SourceSpot { line: 0, ..at },
            loads: None,
        }
    }

    /// What a frame is.
    fn identity(
        &mut self,
        view: &PerlView<'_>,
        stack: &RawStack,
        index: usize,
        called: Option<(RawFrame, SourceSpot)>,
        at: &FrameSpots,
    ) -> Result<FrameIdentity, NameError> {
        let called_at = called.map_or(at.shown, |(_, spot)| spot);
        let eval = |names: &mut Self, naming, detail: &str| FrameIdentity {
            kind: FrameKind::Eval,
            naming,
            name: names.string("(eval)"),
            detail: Some(names.string(detail)),
            start: called_at,
            loads: None,
        };
        let Some(frame) = stack.frames.get(index) else {
            return Ok(self.plain(FrameKind::Main, UNKNOWN, at.shown));
        };
        Ok(match frame.kind {
            ContextKind::Main => self.plain(FrameKind::Main, "(main)", at.shown),
            ContextKind::Sub | ContextKind::Format => {
                self.sub(view, frame, stack.frames.get(index + 1), called_at)?
            }
            ContextKind::EvalBlock if self.is_perls_own(view, stack, index, called) => {
                eval(self, Naming::EvalFromC, "block")
            }
            ContextKind::EvalBlock => eval(self, Naming::Plain, "block"),
            // Before 5.24 eval BLOCK is entered first, and then told where it goes on.
            ContextKind::EvalFromC
                if index + 1 == stack.frames.len()
                    && !self.is_perls_own(view, stack, index, called) =>
            {
                eval(self, Naming::Plain, "block")
            }
            ContextKind::EvalFromC => eval(self, Naming::EvalFromC, "block"),
            ContextKind::EvalString => eval(self, Naming::Plain, "string"),
            ContextKind::Require => {
                let from = called.map(|(caller, _)| caller.position);
                let from = from.unwrap_or_default();
                let naming = match self.tree(view, from.cop)? {
                    Some(tree) if tree.is_dofile(from.op) => Naming::DoFile,
                    _ if self.options.single_use && self.is_begin(called.map(|(c, _)| c)) => {
                        Naming::Use
                    }
                    _ => Naming::Plain,
                };
                FrameIdentity {
                    naming,
                    detail: self.file_of_require(view, frame),
                    ..self.plain(FrameKind::Require, "(eval)", called_at)
                }
            }
        })
    }

    /// Before 5.10 nothing in the context of an eval says that it is perl's own, but what is around
    /// it does.
    fn is_perls_own(
        &self,
        view: &PerlView<'_>,
        stack: &RawStack,
        index: usize,
        called: Option<(RawFrame, SourceSpot)>,
    ) -> bool {
        let frame = stack.frames.get(index);
        let number = frame.map_or(0, |f| f.place.0);
        let is_first = called.is_some_and(|(caller, _)| caller.place.0 != number);
        let callback = stack.callbacks.get(number).filter(|_| is_first);
        // What is called from PL_compiling itself is called by perl: BEGIN blocks, END blocks. So is
        // what computes a constant, from a copy of it.
        let is_phase = frame.is_some_and(|f| f.position.cop == view.compiling);
        let is_phase = is_phase || called.is_some_and(|(caller, _)| self.is_copy(caller.position));
        callback.is_some_and(|c| is_protected(c, &view.layout.constants))
            || view.compiling != 0 && is_phase
    }

    /// Whether a position is in `PL_compiling`, or a copy of it.
    fn is_copy(&self, position: Position) -> bool {
        let entry = self.cops.get(&position.cop);
        entry.is_some_and(|e| e.check.op_type == 0)
    }

    fn file_of_require(&mut self, view: &PerlView<'_>, frame: &RawFrame) -> Option<StringId> {
        let file = view.string_value(frame.namesv).unwrap_or(None)?;
        Some(self.string(&file))
    }

    fn sub(
        &mut self,
        view: &PerlView<'_>,
        frame: &RawFrame,
        inner: Option<&RawFrame>,
        called_at: SourceSpot,
    ) -> Result<FrameIdentity, NameError> {
        let kind = match frame.kind {
            ContextKind::Format => FrameKind::Format,
            _ => FrameKind::Sub,
        };
        let Some(CvEntry { name, naming, .. }) = self.cvs.get(&frame.cv).copied() else {
            return Ok(self.plain(kind, UNKNOWN, called_at));
        };
        let first = self.first(view, frame.cv)?.map(|first| first.spot);
        let is_of_eval = first.is_some_and(|spot| spot.eval.is_some());
        let (naming, detail) = match naming {
            Naming::Anonymous if is_of_eval => {
                let made = self.made(view, frame.cv)?;
                match made.kept_as {
                    Some(name) => (Naming::Kept, Some(name)),
                    None => (naming, made.fingerprint),
                }
            }
            _ => (naming, None),
        };
        let loads = match inner {
            Some(inner) if naming == Naming::Begin => self.loads(view, frame.cv, inner)?,
            _ => None,
        };
        Ok(FrameIdentity {
            kind,
            naming,
            name,
            detail,
            start: first.unwrap_or(called_at),
            loads,
        })
    }

    /// The file that a BEGIN block loads, or whose `import` it has called.
    fn loads(
        &mut self,
        view: &PerlView<'_>,
        begin: u64,
        inner: &RawFrame,
    ) -> Result<Option<StringId>, NameError> {
        match inner.kind {
            ContextKind::Require => Ok(self.file_of_require(view, inner)),
            ContextKind::Sub if self.options.single_use && self.is_import(inner.cv) => {
                let file = of_this_object(view.required_by(begin))?;
                Ok(file.map(|file| self.string(&file)))
            }
            _ => Ok(None),
        }
    }

    fn is_import(&self, cv: u64) -> bool {
        let name = self.cvs.get(&cv).map(|entry| self.text(entry.name));
        name.is_some_and(|name| name.ends_with("::import") || name.ends_with("::unimport"))
    }

    fn is_begin(&self, frame: Option<RawFrame>) -> bool {
        let is_sub = |f: &RawFrame| f.kind == ContextKind::Sub;
        let cv = frame.filter(is_sub).map_or(0, |f| f.cv);
        self.cvs.get(&cv).is_some_and(|e| e.naming == Naming::Begin)
    }

    /// Whether a frame is one of those that perl makes of `use` beside that of the file or of its
    /// `import`: the BEGIN block, and around it C code that catches exceptions.
    fn is_within_use(&self, stack: &RawStack, index: usize, is: &FrameIdentity) -> bool {
        if !self.options.single_use {
            return false;
        }
        let inner = index.checked_add(1).and_then(|i| stack.frames.get(i));
        match (is.kind, is.naming, inner) {
            (FrameKind::Eval, Naming::EvalFromC, inner) => self.is_begin(inner.copied()),
            (FrameKind::Sub, Naming::Begin, Some(inner)) => {
                let file = is.loads.map(|file| self.text(file));
                inner.kind == ContextKind::Require && file.is_some_and(|f| module(&f).is_some())
            }
            _ => false,
        }
    }

    fn intern(&mut self, is: &FrameIdentity, at: &FrameSpots, table: &mut FrameTable) -> FrameId {
        let pair = |spot: SourceSpot| (spot.file, spot.line);
        // Of a require, a sub without statements and the like only the file is known, at best.
        let start = match is.start.line {
            0 => (at.shown.file, 0),
            _ => pair(is.start),
        };
        let key = FrameKey {
            kind: is.kind,
            naming: is.naming,
            name: is.name,
            detail: is.detail,
            given: pair(at.given),
            shown: pair(at.shown),
            eval_at: at.eval_at.map(pair),
            start,
            loads: is.loads,
            is_compiling: at.is_compiling,
        };
        if let Some(id) = self.frames.get(&key) {
            return *id;
        }
        let frame = self.frame(&key);
        let id = table.intern(frame);
        self.frames.insert(key, id);
        id
    }

    fn frame(&self, key: &FrameKey) -> Frame {
        let place = |(file, line)| Place {
            file: self.text(file),
            line,
        };
        let (name, start) = (self.text(key.name), place(key.start));
        let detail = key.detail.map(|d| self.text(d));
        let loads = key.loads.map(|d| self.text(d));
        let said = LabelParts {
            kind: key.kind,
            naming: key.naming,
            name: &name,
            detail: detail.as_deref(),
            start: &start,
            loads: loads.as_deref(),
            is_compiling: key.is_compiling,
        };
        let mut shown = place(key.shown);
        if let Some(eval) = key.eval_at {
            shown.file = format!("{}[{}]", shown.file, place(eval)).into();
        }
        Frame {
            kind: key.kind,
            label: said.label().into(),
            file: self.text(key.given.0),
            line: key.given.1,
            place: shown,
            name,
            detail,
            start,
        }
    }
}

/// The sub that the frame at `index` has called, perhaps with C code that catches its exceptions in
/// between, as around BEGIN blocks.
fn running(stack: &RawStack, index: usize) -> Option<u64> {
    let inner = |by: usize| stack.frames.get(index.checked_add(by)?);
    let sub = match inner(1)?.kind {
        ContextKind::EvalBlock | ContextKind::EvalFromC => inner(2)?,
        _ => inner(1)?,
    };
    (sub.kind == ContextKind::Sub).then_some(sub.cv)
}
