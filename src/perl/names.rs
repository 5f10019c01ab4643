//! From addresses to names: CV, GV, HEK and COP into text. Everything is cached, and what is
//! cached is compared with the target at every use: perl frees and reuses these structures.

use super::ops::OpNumbers;
use super::walk::{ContextKind, Position, RawFrame, RawStack};
use crate::layout::BoundLayout;
use crate::memory::{Abi, Batch, Field, Memory, ReadError, Reader, Slot};
use crate::text;
use indexmap::IndexSet;
use std::collections::{HashMap, HashSet};
use std::sync::Arc;

/// What a frame is, for people and for `--json`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum FrameKind {
    /// The main program: the outermost frame of every stack.
    Main,
    /// A sub.
    Sub,
    /// A format.
    Format,
    /// eval BLOCK or eval STRING.
    Eval,
    /// `require`, `use` or `do FILE`.
    Require,
}

/// One frame as it is shown.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Frame {
    /// What it is.
    pub kind: FrameKind,
    /// Its name as `caller` gives it: `Package::sub`, `(eval)`, `(main)`.
    pub name: Arc<str>,
    /// What the name does not say: `block` or `string` of an eval, the file of a `require`.
    pub detail: Option<Arc<str>>,
    /// The file in which it is executing.
    pub file: Arc<str>,
    /// The line on which it is executing; 0 where perl has none.
    pub line: u32,
}

/// Names one frame of a [`FrameTable`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct FrameId(u32);

impl FrameId {
    /// Its place in the table.
    pub fn index(self) -> usize {
        self.0 as usize
    }
}

/// Every frame seen, once.
#[derive(Debug, Default)]
pub struct FrameTable {
    frames: IndexSet<Frame>,
}

impl FrameTable {
    /// The id of a frame, new or known.
    pub fn intern(&mut self, frame: Frame) -> FrameId {
        FrameId(u32::try_from(self.frames.insert_full(frame).0).unwrap_or(u32::MAX))
    }

    /// Every frame, by its index.
    pub fn iter(&self) -> impl Iterator<Item = &Frame> {
        self.frames.iter()
    }

    /// The frame of an id of this table.
    pub fn get(&self, id: FrameId) -> Option<&Frame> {
        self.frames.get_index(id.0 as usize)
    }
}

/// Longest name of a sub or package that is believed.
const MAX_NAME: u64 = 4096;
/// Longest file name that is believed.
const MAX_FILE: usize = 4096;
/// Ops of one statement that are looked at; the largest seen in CPAN modules have some thousand.
const MAX_OPS: usize = 8192;
/// Ops from a sub's entry to its first statement: signatures and `my` come in between.
const MAX_STEPS: usize = 512;
/// Cached entries, each under 200 bytes, before everything is forgotten.
const MAX_CACHED: usize = 1 << 18;

/// What a name could not be had from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NameError {
    /// An object is not what it should be: freed, or not yet made.
    #[error("{0}")]
    Nonsense(&'static str),
    /// The target cannot be read.
    #[error(transparent)]
    Read(#[from] ReadError),
}

/// The parts of a COP that tell whether it is still the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct CopCheck {
    op_type: u64,
    line: u64,
    file: u64,
    seq: u64,
}

/// One of the strings of a [`Names`].
type StringId = u32;

#[derive(Debug, Clone)]
struct CopEntry {
    check: CopCheck,
    file: StringId,
    /// `None` until somebody asks.
    tree: Option<Arc<StatementTree>>,
}

/// The ops of a statement, in the order in which perl's closest_cop (util.c) meets them.
/// Empty when no inner statement was optimised away: then there is nothing to refine.
#[derive(Debug, Default)]
struct StatementTree {
    ops: Vec<TreeOp>,
}

#[derive(Debug, Clone, Copy)]
struct TreeOp {
    address: u64,
    next: u64,
    is_scope: bool,
    line: u64,
}

/// The parts of a CV that tell whether it is still the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct CvCheck {
    any: u64,
    flags: u64,
    gv: u64,
    cv_flags: u64,
    root: u64,
}

#[derive(Debug, Clone, Copy)]
struct CvEntry {
    check: CvCheck,
    name: StringId,
    /// The first statement; `None` until somebody asks, 0 where there is none.
    first_statement: Option<u64>,
    /// `CvDEPTH` as last read.
    depth: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct FrameKey {
    kind: FrameKind,
    name: StringId,
    detail: Option<StringId>,
    file: StringId,
    line: u32,
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
    merge_evals: bool,
}

/// What resolving needs to know of the target.
#[derive(Clone, Copy)]
pub struct NameContext<'a> {
    /// Its memory.
    pub memory: &'a dyn Memory,
    /// Pointer size and byte order.
    pub abi: Abi,
    /// Offsets and constants.
    pub layout: &'a BoundLayout,
    /// Op numbers.
    pub ops: &'a OpNumbers,
    /// The address of `PL_compiling`, whose contents change all the time; 0 where unknown.
    pub compiling: u64,
}

/// What is shown where perl itself has no name any more, as `caller` does.
pub const UNKNOWN: &str = "(unknown)";

impl Names {
    /// Nothing cached yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Like [`Names::new`], but every string eval is in a file called `(eval)`: perl numbers
    /// them, and a program that compiles one again and again would have no two stacks alike.
    pub fn merging_evals() -> Self {
        Names {
            merge_evals: true,
            ..Self::default()
        }
    }

    fn file_string(&mut self, file: &str) -> StringId {
        let merged = if self.merge_evals {
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
        let (head_size, cop_size) = (target.layout.sv.sizeof, target.layout.cop.sizeof);
        self.batch.clear();
        self.asked.clear();
        self.subs.clear();
        self.statements.clear();
        // Recursion puts the same CV and the same COP on the stack again and again.
        for cv in stack.frames.iter().map(|f| f.cv) {
            if cv == 0 || !self.asked.insert(cv) {
                continue;
            }
            let head = self.batch.push(cv, head_size.offset as usize);
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
                let slot = self.batch.push(cop, cop_size.offset as usize);
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
                        first_statement: None,
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
        let file = self.file_string(&file);
        let tree = None;
        self.cops.insert(cop, CopEntry { check, file, tree });
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
        for (index, frame) in stack.frames.iter().enumerate() {
            let caller = stack.frames.get(index + 1).map_or(0, |f| f.cv);
            let position = match index {
                0 => self.entered_position(target, frame, caller)?,
                _ => frame.position,
            };
            let id = self.frame(target, frame, position, table)?;
            out.push(id);
        }
        let (file, line) = self.place(target, stack.main)?;
        let name = self.string("(main)");
        out.push(self.intern(
            FrameKey {
                kind: FrameKind::Main,
                name,
                detail: None,
                file,
                line,
            },
            table,
        ));
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
        let Some(entry) = self.cvs.get_mut(&frame.cv).filter(|_| entered) else {
            return Ok(frame.position);
        };
        let first = match entry.first_statement {
            Some(first) => first,
            None => {
                let any = entry.check.any;
                let first = target.first_statement(any)?.unwrap_or(0);
                entry.first_statement = Some(first);
                self.learned_cvs.push(frame.cv);
                first
            }
        };
        if first == 0 {
            return Ok(frame.position);
        }
        self.learn_statement(target, first)?;
        Ok(Position {
            cop: first,
            op: 0,
            op_is_next: false,
        })
    }

    fn learn_statement(&mut self, target: &NameContext<'_>, cop: u64) -> Result<(), NameError> {
        let size = target.layout.cop.sizeof.offset as usize;
        let bytes = target.reader().bytes(cop, size)?;
        self.verify_statement(target, cop, target.cop_check(&bytes)?)
    }

    fn frame(
        &mut self,
        target: &NameContext<'_>,
        frame: &RawFrame,
        position: Position,
        table: &mut FrameTable,
    ) -> Result<FrameId, NameError> {
        let (file, line) = self.place(target, position)?;
        let (kind, name, detail) = match frame.kind {
            ContextKind::Sub | ContextKind::Format => {
                let kind = if frame.kind == ContextKind::Sub {
                    FrameKind::Sub
                } else {
                    FrameKind::Format
                };
                let name = self.cvs.get(&frame.cv).map(|entry| entry.name);
                (kind, name.unwrap_or_else(|| self.string(UNKNOWN)), None)
            }
            ContextKind::EvalBlock => (
                FrameKind::Eval,
                self.string("(eval)"),
                Some(self.string("block")),
            ),
            ContextKind::EvalString => (
                FrameKind::Eval,
                self.string("(eval)"),
                Some(self.string("string")),
            ),
            ContextKind::Require => {
                let detail = target.string_value(frame.namesv).unwrap_or(None);
                let detail = detail.map(|text| self.string(&text));
                (FrameKind::Require, self.string("(eval)"), detail)
            }
        };
        Ok(self.intern(
            FrameKey {
                kind,
                name,
                detail,
                file,
                line,
            },
            table,
        ))
    }

    fn intern(&mut self, key: FrameKey, table: &mut FrameTable) -> FrameId {
        if let Some(id) = self.frames.get(&key) {
            return *id;
        }
        let id = table.intern(Frame {
            kind: key.kind,
            name: self.text(key.name),
            detail: key.detail.map(|d| self.text(d)),
            file: self.text(key.file),
            line: key.line,
        });
        self.frames.insert(key, id);
        id
    }

    /// File and line of a position, the line refined within the statement.
    fn place(
        &mut self,
        target: &NameContext<'_>,
        position: Position,
    ) -> Result<(StringId, u32), NameError> {
        let Some(entry) = self.cops.get(&position.cop) else {
            return Ok((self.string(UNKNOWN), 0));
        };
        let (file, own) = (entry.file, entry.check.line);
        // Copies of PL_compiling have no op tree behind them.
        let plain =
            position.op == 0 || entry.check.op_type == 0 || position.cop == target.compiling;
        let line = if plain {
            own
        } else {
            let tree = match &entry.tree {
                Some(tree) => tree.clone(),
                None => {
                    let tree = Arc::new(target.statement_tree(position.cop)?);
                    if let Some(entry) = self.cops.get_mut(&position.cop) {
                        entry.tree = Some(tree.clone());
                    }
                    self.learned_cops.push(position.cop);
                    tree
                }
            };
            tree.line_of(position.op, position.op_is_next)
                .unwrap_or(own)
        };
        Ok((file, u32::try_from(line).unwrap_or(u32::MAX)))
    }
}

/// The name of a string eval's file without its number: `(eval 17)` (pp_entereval, pp_ctl.c) and
/// before 5.18 `(re_eval 17)` (regcomp.c).
fn merged_file(file: &str) -> &str {
    let number = |kind: &str| file.strip_prefix(kind)?.strip_suffix(')');
    let is_number = |text: Option<&str>| {
        text.is_some_and(|t| !t.is_empty() && t.bytes().all(|b| b.is_ascii_digit()))
    };
    if is_number(number("(eval ")) {
        "(eval)"
    } else if is_number(number("(re_eval ")) {
        "(re_eval)"
    } else {
        file
    }
}

impl StatementTree {
    fn line_of(&self, op: u64, is_next: bool) -> Option<u64> {
        let found = self.ops.iter().find(|o| {
            if is_next {
                o.next == op && !o.is_scope
            } else {
                o.address == op
            }
        });
        found.map(|o| o.line)
    }
}

/// Which bytes of a body are read: no more than the members, as perl allocates some bodies
/// without their unused ends.
#[derive(Debug, Clone, Copy)]
struct BodySpan {
    start: usize,
    length: usize,
}

impl BodySpan {
    fn of(fields: &[Field]) -> Self {
        let start = fields.iter().map(|f| f.offset as usize).min().unwrap_or(0);
        let end = fields.iter().map(|f| f.end()).max().unwrap_or(start);
        BodySpan {
            start,
            length: end - start,
        }
    }

    fn of_cv(layout: &BoundLayout) -> Self {
        let cv = &layout.xpvcv;
        Self::of(&[
            cv.xcv_stash,
            cv.xcv_start,
            cv.xcv_root,
            cv.xcv_gv,
            cv.xcv_flags,
            cv.xcv_depth,
        ])
    }
}

/// The copied bytes of a sub.
struct Cv<'b> {
    head: &'b [u8],
    body: &'b [u8],
    /// Where in the body the copy starts.
    start: usize,
}

impl Cv<'_> {
    fn get(&self, target: &NameContext<'_>, field: Field) -> Result<u64, NameError> {
        let offset = (field.offset as usize)
            .checked_sub(self.start)
            .and_then(|o| u32::try_from(o).ok());
        let moved = Field {
            offset: offset.ok_or(SHORT)?,
            ..field
        };
        target.get(moved, self.body)
    }

    fn check(&self, target: &NameContext<'_>) -> Result<CvCheck, NameError> {
        let (sv, cv, number) = (
            &target.layout.sv,
            &target.layout.xpvcv,
            &target.layout.constants,
        );
        let flags = target.get(sv.sv_flags, self.head)?;
        let sv_type = flags & number.SVTYPEMASK;
        if sv_type != number.SVt_PVCV && sv_type != number.SVt_PVFM {
            return Err(NameError::Nonsense(
                "what should be a sub is another kind of value",
            ));
        }
        Ok(CvCheck {
            any: target.get(sv.sv_any, self.head)?,
            flags: sv_type,
            gv: self.get(target, cv.xcv_gv)?,
            cv_flags: self.get(target, cv.xcv_flags)?,
            root: self.get(target, cv.xcv_root)?,
        })
    }

    /// As cv_name (pad.c, since 5.22) and before that pp_caller have it.
    fn name(&self, target: &NameContext<'_>, check: &CvCheck) -> Result<String, NameError> {
        let number = &target.layout.constants;
        let has = |flag: Option<u64>| flag.is_some_and(|flag| check.cv_flags & flag != 0);
        if check.gv == 0 {
            return Ok(UNKNOWN.into());
        }
        if has(number.CVf_NAMED) {
            let name = target.hek(check.gv)?;
            if has(number.CVf_LEXICAL) {
                return Ok(name);
            }
            let stash = self.get(target, target.layout.xpvcv.xcv_stash)?;
            return Ok(format!("{}::{name}", target.package(stash)?));
        }
        target.glob_name(check.gv)
    }
}

const SHORT: NameError = NameError::Nonsense("a structure is shorter than its members");

impl<'a> NameContext<'a> {
    fn reader(&self) -> Reader<'a> {
        Reader::new(self.memory, self.abi)
    }

    fn get(&self, field: Field, bytes: &[u8]) -> Result<u64, NameError> {
        field.get(self.abi, bytes).ok_or(SHORT)
    }

    /// One member of the structure at `base`.
    fn member(&self, base: u64, field: Field) -> Result<u64, NameError> {
        let bytes = self.reader().bytes(
            base.wrapping_add(u64::from(field.offset)),
            usize::from(field.size),
        )?;
        self.get(Field { offset: 0, ..field }, &bytes)
    }

    fn pointer_at(&self, address: u64) -> Result<u64, NameError> {
        Ok(self.reader().pointer(address)?)
    }

    fn cop_check(&self, bytes: &[u8]) -> Result<CopCheck, NameError> {
        let cop = &self.layout.cop;
        let file = cop.cop_file.or(cop.cop_filegv).ok_or(SHORT)?;
        Ok(CopCheck {
            op_type: self.get(self.layout.op.op_type, bytes)?,
            line: self.get(cop.cop_line, bytes)?,
            file: self.get(file, bytes)?,
            seq: self.get(cop.cop_seq, bytes)?,
        })
    }

    /// The type of the op at an address.
    ///
    /// # Errors
    /// [`NameError::Read`].
    pub fn op_type(&self, op: u64) -> Result<u64, NameError> {
        self.member(op, self.layout.op.op_type)
    }

    /// What `cop_file` or `cop_filegv` names (CopFILE, cop.h).
    fn file_name(&self, pointer: u64) -> Result<String, NameError> {
        if pointer == 0 {
            return Ok(UNKNOWN.into());
        }
        if self.layout.cop.cop_file.is_some() {
            return Ok(text::from_utf8(&self.reader().c_string(pointer, MAX_FILE)?));
        }
        let name = self.glob_own_name(pointer)?;
        Ok(name
            .strip_prefix("_<")
            .map_or_else(|| name.clone(), str::to_owned))
    }

    /// The type and flags of a value's head, and its body.
    fn head(&self, sv: u64) -> Result<(u64, u64), NameError> {
        let bytes = self
            .reader()
            .bytes(sv, self.layout.sv.sizeof.offset as usize)?;
        Ok((
            self.get(self.layout.sv.sv_flags, &bytes)?,
            self.get(self.layout.sv.sv_any, &bytes)?,
        ))
    }

    fn sv_u(&self, sv: u64) -> Result<u64, NameError> {
        let place = self.layout.sv.sv_u.ok_or(SHORT)?;
        self.pointer_at(sv.wrapping_add(u64::from(place.offset)))
    }

    /// The body of a glob, once it is sure that it is one (isGV_with_GP, sv.h).
    fn glob_body(&self, gv: u64) -> Result<u64, NameError> {
        let number = &self.layout.constants;
        let (flags, any) = self.head(gv)?;
        let sv_type = flags & number.SVTYPEMASK;
        let is_glob = (sv_type == number.SVt_PVGV || sv_type == number.SVt_PVLV)
            && number.SVpgv_GP.is_none_or(|flag| flags & flag != 0);
        if is_glob {
            Ok(any)
        } else {
            Err(NameError::Nonsense(
                "what should be a glob is another kind of value",
            ))
        }
    }

    /// The address of a glob's GP; 0 while it has none.
    fn gp(&self, gv: u64, body: u64) -> Result<u64, NameError> {
        match self.layout.xpvgv.xgv_gp {
            Some(field) => self.member(body, field),
            None => self.sv_u(gv),
        }
    }

    /// The CV of the glob at `gv`; 0 when it has none.
    ///
    /// # Errors
    /// [`NameError`] when it is no glob.
    pub fn glob_cv(&self, gv: u64) -> Result<u64, NameError> {
        let gp = self.gp(gv, self.glob_body(gv)?)?;
        if gp == 0 {
            Ok(0)
        } else {
            self.member(gp, self.layout.gp.gp_cv)
        }
    }

    /// `Package::name` of a glob, aliases undone (gv_efullname, gv.c).
    fn glob_name(&self, gv: u64) -> Result<String, NameError> {
        let body = self.glob_body(gv)?;
        let gp = self.gp(gv, body)?;
        let egv = if gp == 0 {
            0
        } else {
            self.member(gp, self.layout.gp.gp_egv)?
        };
        let (gv, body) = match self.glob_body(egv) {
            Ok(own) if egv != 0 => (egv, own),
            _ => (gv, body),
        };
        let stash = self.member(body, self.layout.xpvgv.xgv_stash)?;
        Ok(format!(
            "{}::{}",
            self.package(stash)?,
            self.glob_own_name(gv)?
        ))
    }

    /// The name of a glob without its package.
    fn glob_own_name(&self, gv: u64) -> Result<String, NameError> {
        let body = self.glob_body(gv)?;
        let xpvgv = &self.layout.xpvgv;
        match (xpvgv.xgv_namehek, xpvgv.xgv_name, xpvgv.xgv_namelen) {
            (Some(field), ..) => self.hek(self.member(body, field)?),
            (None, Some(name), Some(len)) => {
                let length = self.member(body, len)?.min(MAX_NAME);
                let start = self.member(body, name)?;
                Ok(text::from_utf8(
                    &self.reader().bytes(start, length as usize)?,
                ))
            }
            _ => Err(SHORT),
        }
    }

    /// A hash key's text (hv.h): Latin-1 unless its flags say UTF-8.
    fn hek(&self, hek: u64) -> Result<String, NameError> {
        if hek == 0 {
            return Err(NameError::Nonsense("a name is NULL"));
        }
        let layout = &self.layout.hek;
        let length = self.member(hek, layout.hek_len)?;
        if length > MAX_NAME {
            return Err(NameError::Nonsense("the length of a name is absurd"));
        }
        let start = hek.wrapping_add(u64::from(layout.hek_key.offset));
        let bytes = self.reader().bytes(start, length as usize + 2)?;
        if bytes.first().is_none_or(|first| *first == 0) {
            return Err(NameError::Nonsense("a name is empty"));
        }
        let (name, end) = bytes.split_at_checked(length as usize).ok_or(SHORT)?;
        match (end.first(), end.get(1), self.layout.constants.HVhek_UTF8) {
            (Some(0), Some(flags), Some(utf8)) => Ok(if u64::from(*flags) & utf8 != 0 {
                text::from_utf8(name)
            } else {
                text::from_latin1(name)
            }),
            // 5.6 has no flags.
            (Some(0), _, None) => Ok(text::from_utf8(name)),
            _ => Err(NameError::Nonsense(
                "a name does not end where its length says",
            )),
        }
    }

    /// The name of a package, `__ANON__` for one that has lost it (HvNAME, hv.h).
    fn package(&self, stash: u64) -> Result<String, NameError> {
        let name = if stash == 0 {
            None
        } else {
            self.package_name(stash)?
        };
        Ok(name.unwrap_or_else(|| "__ANON__".into()))
    }

    fn package_name(&self, stash: u64) -> Result<Option<String>, NameError> {
        let (layout, number) = (self.layout, &self.layout.constants);
        let (flags, body) = self.head(stash)?;
        if flags & number.SVTYPEMASK != number.SVt_PVHV {
            return Err(NameError::Nonsense(
                "what should be a package is another kind of value",
            ));
        }
        if let Some(field) = layout.xpvhv.xhv_name {
            let name = self.member(body, field)?;
            return match name {
                0 => Ok(None),
                _ => Ok(Some(text::from_utf8(
                    &self.reader().c_string(name, MAX_NAME as usize)?,
                ))),
            };
        }
        if number.SVf_OOK.is_some_and(|flag| flags & flag == 0) {
            return Ok(None);
        }
        let aux = match layout.xpvhv_with_aux.xhv_aux {
            Some(place) => body.wrapping_add(u64::from(place.offset)),
            None => {
                let buckets = self.member(body, layout.xpvhv.xhv_max)?.wrapping_add(1);
                let width = u64::from(self.abi.pointer_size);
                self.sv_u(stash)?.wrapping_add(buckets.wrapping_mul(width))
            }
        };
        let field = layout.xpvhv_aux.xhv_name_u.ok_or(SHORT)?;
        let mut name = self.member(aux, field)?;
        let several = match layout.xpvhv_aux.xhv_name_count {
            Some(count) => self.member(aux, count)? != 0,
            None => false,
        };
        if several && name != 0 {
            name = self.pointer_at(name)?;
        }
        if name == 0 {
            Ok(None)
        } else {
            self.hek(name).map(Some)
        }
    }

    /// The text of a string value, cut at a sane length; `None` where there is none.
    fn string_value(&self, sv: u64) -> Result<Option<String>, NameError> {
        if sv == 0 {
            return Ok(None);
        }
        let (flags, body) = self.head(sv)?;
        let start = match self.layout.xpv.xpv_pv {
            Some(field) => self.member(body, field)?,
            None => self.sv_u(sv)?,
        };
        let length = self.member(body, self.layout.xpv.xpv_cur)?;
        if start == 0 || length > MAX_FILE as u64 {
            return Ok(None);
        }
        let bytes = self.reader().bytes(start, length as usize)?;
        let utf8 = flags & self.layout.constants.SVf_UTF8 != 0;
        Ok(Some(if utf8 || std::str::from_utf8(&bytes).is_ok() {
            text::from_utf8(&bytes)
        } else {
            text::from_latin1(&bytes)
        }))
    }

    /// The integer in a value of type IV or above.
    ///
    /// # Errors
    /// [`NameError::Read`].
    pub fn integer_value(&self, sv: u64) -> Result<u64, NameError> {
        let (_, body) = self.head(sv)?;
        self.member(body, self.layout.xpviv.xiv_iv)
    }

    /// The value of the first key of a hash that starts with `prefix`.
    pub fn hash_value(&self, hv: u64, prefix: &[u8]) -> Option<u64> {
        const MAX_BUCKETS: u64 = 1 << 16;
        const MAX_CHAIN: usize = 64;
        let (_, body) = self.head(hv).ok()?;
        let array = match self.layout.sv.sv_u {
            Some(_) => self.sv_u(hv).ok()?,
            None => self.pointer_at(body).ok()?,
        };
        let buckets = self
            .member(body, self.layout.xpvhv.xhv_max)
            .ok()?
            .checked_add(1)?;
        if array == 0 || buckets > MAX_BUCKETS {
            return None;
        }
        let he = &self.layout.he;
        for mut entry in self.reader().pointers(array, buckets as usize).ok()? {
            for _ in 0..MAX_CHAIN {
                if entry == 0 {
                    break;
                }
                let key = self.member(entry, he.hent_hek).ok()?;
                let start = key.wrapping_add(u64::from(self.layout.hek.hek_key.offset));
                if self
                    .reader()
                    .bytes(start, prefix.len())
                    .is_ok_and(|bytes| bytes == prefix)
                {
                    return self.member(entry, he.hent_val).ok();
                }
                entry = self.member(entry, he.hent_next).ok()?;
            }
        }
        None
    }

    /// The first statement of the sub with this body: `CvSTART` and on from there.
    fn first_statement(&self, body: u64) -> Result<Option<u64>, NameError> {
        let op = &self.layout.op;
        let mut at = self.member(body, self.layout.xpvcv.xcv_start)?;
        for _ in 0..MAX_STEPS {
            if at == 0 {
                return Ok(None);
            }
            if self.ops.is_statement(self.member(at, op.op_type)?) {
                return Ok(Some(at));
            }
            at = self.member(at, op.op_next)?;
        }
        Ok(None)
    }

    /// The ops that follow a statement, for finding out on which line of it an op is.
    fn statement_tree(&self, cop: u64) -> Result<StatementTree, NameError> {
        let (op, unop) = (&self.layout.op, &self.layout.unop);
        let mut fields = vec![
            op.op_next,
            op.op_sibling,
            op.op_targ,
            op.op_type,
            op.op_flags,
            unop.op_first,
        ];
        fields.extend(op.op_moresib);
        let length =
            BodySpan::of(&fields).start + fields.iter().map(|f| f.end()).max().unwrap_or(0);
        let mut nodes: HashMap<u64, Node> = HashMap::new();
        let mut wanted = vec![cop];
        let mut batch = Batch::new();
        while !wanted.is_empty() && nodes.len() < MAX_OPS {
            batch.clear();
            let slots: Vec<(u64, Slot)> = wanted
                .drain(..)
                .map(|at| (at, batch.push(at, length)))
                .collect();
            self.memory.fill(&mut batch)?;
            for (at, slot) in slots {
                // An op at the very end of a mapping has no op_first behind it, and needs none.
                let Ok(bytes) = batch.bytes(slot) else {
                    continue;
                };
                let node = self.node(bytes, at == cop)?;
                // Of the statement itself only the op behind it counts.
                let first = if at == cop { 0 } else { node.first };
                let sibling = if at == cop || nodes.get(&cop).is_none_or(|c| c.sibling != at) {
                    node.sibling
                } else {
                    0
                };
                nodes.insert(at, node);
                wanted.extend(
                    [first, sibling]
                        .into_iter()
                        .filter(|a| *a != 0 && !nodes.contains_key(a)),
                );
            }
        }
        let optimised: Vec<u64> = nodes
            .iter()
            .filter(|(at, n)| n.was_statement && **at != cop)
            .map(|(at, _)| *at)
            .collect();
        let Some(root) = nodes
            .get(&cop)
            .map(|c| c.sibling)
            .filter(|root| *root != 0 && !optimised.is_empty())
        else {
            return Ok(StatementTree::default());
        };
        let mut lines = HashMap::from([(cop, self.member(cop, self.layout.cop.cop_line)?)]);
        for at in optimised {
            lines.insert(at, self.member(at, self.layout.cop.cop_line)?);
        }
        Ok(flatten(&nodes, &lines, cop, root))
    }

    fn node(&self, bytes: &[u8], is_cop: bool) -> Result<Node, NameError> {
        let op = &self.layout.op;
        let op_type = self.get(op.op_type, bytes)?;
        let has_sibling = match op.op_moresib {
            Some(flag) => self.get(flag, bytes)? != 0,
            None => true,
        };
        let has_kids =
            !is_cop && self.get(op.op_flags, bytes)? & self.layout.constants.OPf_KIDS != 0;
        Ok(Node {
            next: self.get(op.op_next, bytes)?,
            sibling: if has_sibling {
                self.get(op.op_sibling, bytes)?
            } else {
                0
            },
            first: if has_kids {
                self.get(self.layout.unop.op_first, bytes)?
            } else {
                0
            },
            is_scope: Some(op_type) == self.ops.scope,
            was_statement: op_type == self.ops.null
                && self.get(op.op_targ, bytes)? == self.ops.nextstate,
        })
    }
}

#[derive(Debug, Clone, Copy)]
struct Node {
    next: u64,
    sibling: u64,
    first: u64,
    is_scope: bool,
    was_statement: bool,
}

/// Lists the tree below `root` in the order of perl's own search, each op with the line of the
/// statement that closest_cop would name for it.
fn flatten(
    nodes: &HashMap<u64, Node>,
    lines: &HashMap<u64, u64>,
    cop: u64,
    root: u64,
) -> StatementTree {
    let mut ops = Vec::new();
    let own = lines.get(&cop).copied().unwrap_or(0);
    // (op, line inherited from the left, whether its siblings follow)
    let mut stack = vec![(root, own, false)];
    while let Some((at, inherited, with_siblings)) = stack.pop() {
        let Some(node) = nodes.get(&at).filter(|_| ops.len() < MAX_OPS) else {
            continue;
        };
        let line = match lines.get(&at) {
            Some(line) if with_siblings && node.was_statement => *line,
            _ => inherited,
        };
        ops.push(TreeOp {
            address: at,
            next: node.next,
            is_scope: node.is_scope,
            line,
        });
        if with_siblings && node.sibling != 0 {
            stack.push((node.sibling, line, true));
        }
        if node.first != 0 {
            stack.push((node.first, line, true));
        }
    }
    StatementTree { ops }
}

#[cfg(test)]
mod tests {
    use super::merged_file;

    #[test]
    fn only_what_perl_numbers_is_merged() {
        assert_eq!(merged_file("(eval 17)"), "(eval)");
        assert_eq!(merged_file("(re_eval 3)"), "(re_eval)");
        for other in [
            "(eval )",
            "(eval 1",
            "(eval x)",
            "lib/(eval 1).pm",
            "(eval 1)[a.pl:3]",
        ] {
            assert_eq!(merged_file(other), other);
        }
    }
}
