//! From addresses to names: CV, GV, HEK and COP into text. Everything is cached, and what is
//! cached is compared with the target at every use: perl frees and reuses these structures.

pub use super::callback::Synthetic;
use super::callback::{MULTICALL, is_protected, may_be_multicall};
pub use super::frame::{Frame, FrameId, FrameKind, FrameTable, Function, Place, UNKNOWN, homes};
use super::label::{Naming, Said, eval_number, merged_file};
use super::objects::{BodySpan, CopCheck, Cv, CvCheck};
pub use super::objects::{NameContext, NameError};
use super::statement::StatementTree;
use super::walk::{Callback, ContextKind, Position, RawFrame, RawStack};
use crate::memory::{Batch, ReadError, Slot};
use indexmap::IndexSet;
use std::collections::{HashMap, HashSet};
use std::sync::Arc;

/// Cached entries, each under 200 bytes, before everything is forgotten.
const MAX_CACHED: usize = 1 << 18;

/// One of the strings of a [`Names`].
type StringId = u32;

#[derive(Debug, Clone)]
struct CopEntry {
    check: CopCheck,
    file: StringId,
    /// The number of the string eval that the file is.
    eval: Option<u32>,
    /// `None` until somebody asks.
    tree: Option<Arc<StatementTree>>,
}

#[derive(Debug, Clone, Copy)]
struct CvEntry {
    check: CvCheck,
    name: StringId,
    naming: Naming,
    /// `None` until somebody asks.
    first: Option<First>,
    /// `CvDEPTH` as last read.
    depth: u64,
}

/// The first statement of a sub.
#[derive(Debug, Clone, Copy)]
struct First {
    /// 0 where there is none.
    cop: u64,
    spot: Spot,
}

/// A line of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct Spot {
    file: StringId,
    /// The number of the string eval that the file is.
    eval: Option<u32>,
    line: u32,
}

/// Where a frame is executing.
#[derive(Debug, Clone, Copy)]
struct Located {
    /// As `caller` has it.
    given: Spot,
    /// As people are shown it.
    shown: Spot,
    /// Where the string eval is whose file this is.
    eval_at: Option<Spot>,
    is_compiling: bool,
}

/// All that a frame is made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct FrameKey {
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
struct Identity {
    kind: FrameKind,
    naming: Naming,
    name: StringId,
    detail: Option<StringId>,
    start: Spot,
    loads: Option<StringId>,
}

/// What a [`Names`] makes of what it reads.
#[derive(Debug, Clone, Copy, Default)]
pub struct NameOptions {
    /// Every string eval is in a file called `(eval)`: perl numbers them, and a program that
    /// compiles one again and again would have no two stacks alike.
    pub merge_evals: bool,
    /// Which frames are shown that `caller` does not give.
    pub synthetic: Synthetic,
}

/// A CV in the batch: its head, and where it was known its body's address and bytes.
type AskedSub = (u64, Slot, Option<(u64, Slot)>);

/// Names and lines of the frames of one process.
#[derive(Debug, Default)]
pub struct Names {
    cops: HashMap<u64, CopEntry>,
    cvs: HashMap<u64, CvEntry>,
    strings: IndexSet<Arc<str>>,
    frames: HashMap<FrameKey, FrameId>,
    batch: Batch,
    /// CVs asked for in the batch.
    subs: Vec<AskedSub>,
    /// COPs asked for in the batch.
    statements: Vec<(u64, Slot)>,
    asked: HashSet<u64>,
    learned_cops: Vec<u64>,
    learned_cvs: Vec<u64>,
    located: Vec<Located>,
    options: NameOptions,
}

impl Names {
    /// Nothing cached yet; frames as `caller` gives them and no others.
    pub fn new() -> Self {
        Self::with(NameOptions {
            merge_evals: false,
            synthetic: Synthetic::None,
        })
    }

    /// Nothing cached yet.
    pub fn with(options: NameOptions) -> Self {
        Names {
            options,
            ..Self::default()
        }
    }

    fn file_string(&mut self, file: &str) -> StringId {
        let merged = if self.options.merge_evals {
            merged_file(file)
        } else {
            file
        };
        self.string(merged)
    }

    /// Compares what is cached of the subs and statements of a stack with the target, and learns
    /// what is not cached.
    ///
    /// # Errors
    /// [`NameError`] when a structure is not what it should be.
    pub fn verify(&mut self, target: &NameContext<'_>, stack: &RawStack) -> Result<(), NameError> {
        self.learned_cops.clear();
        self.learned_cvs.clear();
        if self.cops.len() + self.cvs.len() > MAX_CACHED {
            self.cops.clear();
            self.cvs.clear();
        }
        self.ask(target, stack);
        target.memory.fill(&mut self.batch)?;
        self.verify_subs(target)?;
        self.verify_statements(target)
    }

    /// True when something was learned since [`Names::verify`] began: then the caller has to make
    /// sure that the target has not moved meanwhile.
    pub fn has_learned(&self) -> bool {
        !self.learned_cops.is_empty() || !self.learned_cvs.is_empty()
    }

    /// Takes back what was learned since [`Names::verify`] began.
    pub fn forget_learned(&mut self) {
        for cop in self.learned_cops.drain(..) {
            self.cops.remove(&cop);
        }
        for cv in self.learned_cvs.drain(..) {
            self.cvs.remove(&cv);
        }
    }

    /// `CvDEPTH` of a sub of the stack verified last.
    pub fn depth(&self, cv: u64) -> Option<u64> {
        self.cvs.get(&cv).map(|entry| entry.depth)
    }

    /// Asks for the words that tell whether the subs and statements of a stack are still what the
    /// cache says: one batch for all.
    fn ask(&mut self, target: &NameContext<'_>, stack: &RawStack) {
        let body = BodySpan::of_cv(target.layout);
        let head_size = target.layout.sv.span();
        // A COP starts with the members of an op.
        let cop_size = target.layout.cop.span().max(target.layout.op.span());
        self.batch.clear();
        self.asked.clear();
        self.subs.clear();
        self.statements.clear();
        // Recursion puts the same CV and the same COP on the stack again and again.
        for cv in stack.frames.iter().map(|f| f.cv) {
            if cv == 0 || !self.asked.insert(cv) {
                continue;
            }
            let head = self.batch.push(cv, head_size);
            let known = self.cvs.get(&cv).map(|entry| entry.check.any);
            let rest = known.map(|any| {
                let start = any.wrapping_add(body.start as u64);
                (any, self.batch.push(start, body.length))
            });
            self.subs.push((cv, head, rest));
        }
        let positions = stack.frames.iter().map(|f| f.position);
        for cop in positions.chain([stack.main]).map(|p| p.cop) {
            if cop != 0 && self.asked.insert(cop) {
                let slot = self.batch.push(cop, cop_size);
                self.statements.push((cop, slot));
            }
        }
    }

    fn verify_subs(&mut self, target: &NameContext<'_>) -> Result<(), NameError> {
        let span = BodySpan::of_cv(target.layout);
        for index in 0..self.subs.len() {
            let Some((cv, head, rest)) = self.subs.get(index).copied() else {
                break;
            };
            let head = self.batch.bytes(head)?;
            let any = target.get(target.layout.sv.sv_any, head)?;
            let fetched;
            let body = match rest {
                Some((known, slot)) if known == any => self.batch.bytes(slot)?,
                _ => {
                    let start = any.wrapping_add(span.start as u64);
                    fetched = target.reader().bytes(start, span.length)?;
                    &fetched
                }
            };
            let start = span.start;
            let sub = Cv { head, body, start };
            let check = sub.check(target)?;
            let depth = sub.get(target, target.layout.xpvcv.xcv_depth)?;
            match self.cvs.get_mut(&cv) {
                Some(entry) if entry.check == check => entry.depth = depth,
                _ => {
                    let name = sub.name(target, &check)?;
                    let entry = CvEntry {
                        check,
                        name: self.string(&name),
                        naming: Naming::of_sub(&name),
                        first: None,
                        depth,
                    };
                    self.cvs.insert(cv, entry);
                    self.learned_cvs.push(cv);
                }
            }
        }
        Ok(())
    }

    fn verify_statements(&mut self, target: &NameContext<'_>) -> Result<(), NameError> {
        for index in 0..self.statements.len() {
            let Some((cop, slot)) = self.statements.get(index).copied() else {
                break;
            };
            let check = target.cop_check(self.batch.bytes(slot)?)?;
            self.verify_statement(target, cop, check)?;
        }
        Ok(())
    }

    fn verify_statement(
        &mut self,
        target: &NameContext<'_>,
        cop: u64,
        check: CopCheck,
    ) -> Result<(), NameError> {
        // PL_compiling and its copies (type 0) change their file under the same address.
        let cached = self.cops.get(&cop).is_some_and(|e| e.check == check);
        if cached && check.op_type != 0 {
            return Ok(());
        }
        if check.op_type != 0 && !target.ops.is_statement(check.op_type) {
            let what = "what should be a statement is another op";
            return Err(NameError::Nonsense(what));
        }
        let file = target.file_name(check.file)?;
        let entry = CopEntry {
            check,
            file: self.file_string(&file),
            eval: eval_number(&file),
            tree: None,
        };
        self.cops.insert(cop, entry);
        self.learned_cops.push(cop);
        Ok(())
    }

    fn string(&mut self, text: &str) -> StringId {
        let known = self.strings.get_index_of(text);
        let index = known.unwrap_or_else(|| self.strings.insert_full(text.into()).0);
        StringId::try_from(index).unwrap_or(StringId::MAX)
    }

    fn text(&self, id: StringId) -> Arc<str> {
        self.strings
            .get_index(id as usize)
            .cloned()
            .unwrap_or_else(|| UNKNOWN.into())
    }

    /// The frames of a stack that was verified, innermost first, `(main)` last.
    ///
    /// # Errors
    /// [`NameError`].
    pub fn frames(
        &mut self,
        target: &NameContext<'_>,
        stack: &RawStack,
        table: &mut FrameTable,
        out: &mut Vec<FrameId>,
    ) -> Result<(), NameError> {
        out.clear();
        self.locate(target, stack)?;
        let mut callbacks = stack.callbacks.iter().peekable();
        let mut inner: Option<Identity> = None;
        for index in 0..=stack.frames.len() {
            let Some(at) = self.located.get(index).copied() else {
                break;
            };
            while let Some(callback) = callbacks.next_if(|c| c.frames <= index) {
                let from = stack.frames.get(index).map_or(stack.main, |f| f.position);
                out.extend(self.synthetic(target, callback, from, at, table)?);
            }
            let identity = match stack.frames.get(index) {
                Some(frame) => {
                    let caller = stack.frames.get(index + 1);
                    let from = caller.map_or(stack.main, |f| f.position);
                    let called_at = self.located.get(index + 1).copied().unwrap_or(at);
                    let mut identity =
                        self.identity(target, frame, inner.as_ref(), from, called_at.shown)?;
                    let numbers = &target.layout.constants;
                    let is_perls = callbacks
                        .peek()
                        .is_some_and(|c| c.frames == index + 1 && is_protected(c, numbers))
                        || inner.is_some_and(|i| i.naming == Naming::Begin);
                    if is_perls && frame.kind == ContextKind::EvalBlock {
                        identity.naming = Naming::EvalFromC;
                    }
                    identity
                }
                None => self.plain(FrameKind::Main, "(main)", at.shown),
            };
            out.push(self.intern(&identity, &at, table));
            inner = Some(identity);
        }
        Ok(())
    }

    /// Where the innermost frame is. A sub that was just entered has run no statement yet, and
    /// `PL_curcop` is still its caller's: then it is at its first statement. (A call from within
    /// the same sub looks the same when it is legitimate, so that is taken as it is.)
    fn entered_position(
        &mut self,
        target: &NameContext<'_>,
        frame: &RawFrame,
        caller: u64,
    ) -> Result<Position, NameError> {
        let entered = frame.kind == ContextKind::Sub
            && frame.position.cop == frame.call_site
            && !frame.position.op_is_next
            && frame.cv != caller;
        if !entered {
            return Ok(frame.position);
        }
        match self.first(target, frame.cv)? {
            Some(first) if first.cop != 0 => {
                self.learn_statement(target, first.cop)?;
                Ok(Position {
                    cop: first.cop,
                    op: 0,
                    op_is_next: false,
                })
            }
            _ => Ok(frame.position),
        }
    }

    /// Where a sub of the stack begins.
    fn first(&mut self, target: &NameContext<'_>, cv: u64) -> Result<Option<First>, NameError> {
        let Some(entry) = self.cvs.get(&cv) else {
            return Ok(None);
        };
        if entry.first.is_some() {
            return Ok(entry.first);
        }
        let first = match self.read_first(target, entry.check.any) {
            // A comparator written in C has no ops, and something else in their place.
            Err(NameError::Nonsense(_) | NameError::Read(ReadError::BadAddress { .. })) => None,
            read => read?,
        };
        let unknown = self.string(UNKNOWN);
        let first = first.unwrap_or(First {
            cop: 0,
            spot: Spot {
                file: unknown,
                eval: None,
                line: 0,
            },
        });
        if let Some(entry) = self.cvs.get_mut(&cv) {
            entry.first = Some(first);
            self.learned_cvs.push(cv);
        }
        Ok(Some(first))
    }

    fn read_first(
        &mut self,
        target: &NameContext<'_>,
        body: u64,
    ) -> Result<Option<First>, NameError> {
        let Some(cop) = target.first_statement(body)? else {
            return Ok(None);
        };
        self.learn_statement(target, cop)?;
        let entry = self.cops.get(&cop);
        Ok(entry.map(|entry| First {
            cop,
            spot: Spot {
                file: entry.file,
                eval: entry.eval,
                line: u32::try_from(entry.check.line).unwrap_or(u32::MAX),
            },
        }))
    }

    fn learn_statement(&mut self, target: &NameContext<'_>, cop: u64) -> Result<(), NameError> {
        let size = target.layout.cop.span().max(target.layout.op.span());
        let bytes = target.reader().bytes(cop, size)?;
        self.verify_statement(target, cop, target.cop_check(&bytes)?)
    }

    /// Finds out where every frame of a stack is executing, `(main)` last.
    fn locate(&mut self, target: &NameContext<'_>, stack: &RawStack) -> Result<(), NameError> {
        let mut located = std::mem::take(&mut self.located);
        located.clear();
        for (index, frame) in stack.frames.iter().enumerate() {
            let caller = stack.frames.get(index + 1).map_or(0, |f| f.cv);
            let position = match index {
                0 => self.entered_position(target, frame, caller)?,
                _ => frame.position,
            };
            located.push(self.located(target, stack, index, position)?);
        }
        located.push(self.located(target, stack, stack.frames.len(), stack.main)?);
        find_evals(stack, &mut located);
        self.located = located;
        Ok(())
    }

    fn located(
        &mut self,
        target: &NameContext<'_>,
        stack: &RawStack,
        index: usize,
        position: Position,
    ) -> Result<Located, NameError> {
        let given = self.spot(target, position)?;
        let begin = match running(stack, index) {
            Some(sub) => self.begins_at(target, sub)?,
            None => None,
        };
        // Before 5.36 all units that are being compiled share PL_compiling, so that `caller` gives
        // them the line of the innermost. Where the BEGIN block is that they run is known.
        let is_shared = target.compiling != 0 && position.cop == target.compiling;
        let shown = begin.filter(|_| is_shared).unwrap_or(given);
        // After the main program was compiled, PL_compiling has no line.
        let entry = self.cops.get(&position.cop);
        let is_parser = given.line != 0 && entry.is_some_and(|e| e.check.op_type == 0);
        let is_unit = stack
            .frames
            .get(index)
            .is_none_or(|f| matches!(f.kind, ContextKind::EvalString | ContextKind::Require));
        let is_compiling = is_unit && (is_parser || begin.is_some());
        Ok(Located {
            given,
            shown,
            eval_at: None,
            is_compiling,
        })
    }

    /// Where a BEGIN block is; `None` for other subs.
    fn begins_at(&mut self, target: &NameContext<'_>, cv: u64) -> Result<Option<Spot>, NameError> {
        let naming = self.cvs.get(&cv).map(|entry| entry.naming);
        if naming != Some(Naming::Begin) {
            return Ok(None);
        }
        let first = self.first(target, cv)?.map(|first| first.spot);
        Ok(first.filter(|spot| spot.line != 0))
    }

    /// The frame of a callback, if it is shown. It is where its caller is.
    fn synthetic(
        &mut self,
        target: &NameContext<'_>,
        callback: &Callback,
        from: Position,
        at: Located,
        table: &mut FrameTable,
    ) -> Result<Option<FrameId>, NameError> {
        let numbers = &target.layout.constants;
        let Some(mut name) = self.options.synthetic.name(callback, numbers) else {
            return Ok(None);
        };
        if may_be_multicall(callback, numbers)
            && let Some(tree) = self.tree(target, from.cop)?
            && !tree.has_sort
        {
            name = MULTICALL;
        }
        let identity = self.plain(FrameKind::Synthetic, name, at.shown);
        let at = Located {
            is_compiling: false,
            ..at
        };
        Ok(Some(self.intern(&identity, &at, table)))
    }

    /// What is called by its name and begins nowhere in particular.
    fn plain(&mut self, kind: FrameKind, name: &str, at: Spot) -> Identity {
        Identity {
            kind,
            naming: Naming::Plain,
            name: self.string(name),
            detail: None,
            start: Spot { line: 0, ..at },
            loads: None,
        }
    }

    /// What a frame is that was called from the position `from`, which is shown as `called_at`.
    fn identity(
        &mut self,
        target: &NameContext<'_>,
        frame: &RawFrame,
        inner: Option<&Identity>,
        from: Position,
        called_at: Spot,
    ) -> Result<Identity, NameError> {
        let eval = |names: &mut Self, naming, detail: &str| Identity {
            kind: FrameKind::Eval,
            naming,
            name: names.string("(eval)"),
            detail: Some(names.string(detail)),
            start: called_at,
            loads: None,
        };
        Ok(match frame.kind {
            ContextKind::Sub => self.sub(target, FrameKind::Sub, frame.cv, inner, called_at)?,
            ContextKind::Format => {
                self.sub(target, FrameKind::Format, frame.cv, inner, called_at)?
            }
            ContextKind::EvalBlock => eval(self, Naming::Plain, "block"),
            ContextKind::EvalFromC => eval(self, Naming::EvalFromC, "block"),
            ContextKind::EvalString => eval(self, Naming::Plain, "string"),
            ContextKind::Require => {
                let detail = target.string_value(frame.namesv).unwrap_or(None);
                let detail = detail.map(|text| self.string(&text));
                let naming = match self.tree(target, from.cop)? {
                    Some(tree) if tree.is_dofile(from.op) => Naming::DoFile,
                    _ => Naming::Plain,
                };
                Identity {
                    naming,
                    detail,
                    ..self.plain(FrameKind::Require, "(eval)", called_at)
                }
            }
        })
    }

    fn sub(
        &mut self,
        target: &NameContext<'_>,
        kind: FrameKind,
        cv: u64,
        inner: Option<&Identity>,
        called_at: Spot,
    ) -> Result<Identity, NameError> {
        let Some(CvEntry { name, naming, .. }) = self.cvs.get(&cv).copied() else {
            return Ok(self.plain(kind, UNKNOWN, called_at));
        };
        let first = self.first(target, cv)?.map(|first| first.spot);
        let loaded = inner.filter(|i| naming == Naming::Begin && i.kind == FrameKind::Require);
        Ok(Identity {
            kind,
            naming,
            name,
            detail: None,
            start: first.unwrap_or(called_at),
            loads: loaded.and_then(|i| i.detail),
        })
    }

    fn intern(&mut self, is: &Identity, at: &Located, table: &mut FrameTable) -> FrameId {
        let pair = |spot: Spot| (spot.file, spot.line);
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
        let said = Said {
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

    /// File and line of a position, the line refined within the statement.
    fn spot(&mut self, target: &NameContext<'_>, position: Position) -> Result<Spot, NameError> {
        let Some(entry) = self.cops.get(&position.cop) else {
            return Ok(Spot {
                file: self.string(UNKNOWN),
                eval: None,
                line: 0,
            });
        };
        let (file, eval, own) = (entry.file, entry.eval, entry.check.line);
        let refined = match position.op {
            0 => None,
            op => self
                .tree(target, position.cop)?
                .and_then(|tree| tree.line_of(op, position.op_is_next)),
        };
        let line = u32::try_from(refined.unwrap_or(own)).unwrap_or(u32::MAX);
        Ok(Spot { file, eval, line })
    }

    /// The ops of a statement; `None` where it has none.
    fn tree(
        &mut self,
        target: &NameContext<'_>,
        cop: u64,
    ) -> Result<Option<Arc<StatementTree>>, NameError> {
        let Some(entry) = self.cops.get_mut(&cop) else {
            return Ok(None);
        };
        // Copies of PL_compiling have no op tree behind them.
        if entry.check.op_type == 0 || cop == target.compiling {
            return Ok(None);
        }
        if entry.tree.is_none() {
            entry.tree = Some(Arc::new(target.statement_tree(cop)?));
            self.learned_cops.push(cop);
        }
        Ok(entry.tree.clone())
    }
}

/// The sub that the frame at `index` has called, perhaps with C code that catches its exceptions in
/// between, as around BEGIN blocks.
fn running(stack: &RawStack, index: usize) -> Option<u64> {
    let inner = |by: usize| stack.frames.get(index.checked_sub(by)?);
    let sub = match inner(1)?.kind {
        ContextKind::EvalBlock | ContextKind::EvalFromC => inner(2)?,
        _ => inner(1)?,
    };
    (sub.kind == ContextKind::Sub).then_some(sub.cv)
}

/// Finds out where the string evals are in whose files frames are executing.
fn find_evals(stack: &RawStack, located: &mut [Located]) {
    /// Evals on the stack that are compared with the file of a frame.
    const MAX_TRIED: usize = 16;
    let mut evals: Vec<(u32, Spot)> = Vec::new();
    for index in (0..stack.frames.len()).rev() {
        let caller = located.get(index + 1).map(|l| l.shown);
        let (Some(frame), Some(at)) = (stack.frames.get(index), located.get_mut(index)) else {
            continue;
        };
        let Some(number) = at.shown.eval else {
            continue;
        };
        if let (ContextKind::EvalString, Some(caller)) = (frame.kind, caller) {
            evals.push((number, caller));
        }
        let tried = evals.iter().rev().take(MAX_TRIED);
        at.eval_at = tried.into_iter().find(|e| e.0 == number).map(|e| e.1);
    }
}
