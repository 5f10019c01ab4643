//! From contexts to frames: what `caller` would report, by the rules of pp_caller (pp_ctl.c).

use super::doing::OpPhase;
use super::{Header, StackReader};
use crate::layout::BoundLayout;
use crate::layout::schema::Constants;
use crate::memory::Abi;
use crate::perl::values::ops::OpNumbers;

/// What kind of context a frame is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ContextKind {
    /// None: the main program, below all contexts.
    Main,
    /// A sub, method, closure, BEGIN block, handler …
    Sub,
    /// A format that `write` runs.
    Format,
    /// eval BLOCK.
    EvalBlock,
    /// C code that catches exceptions: perl's own around DESTROY, BEGIN and signal handlers, or an
    /// XS module's. Before 5.10 it looks like eval BLOCK.
    EvalFromC,
    /// eval STRING.
    EvalString,
    /// `require`, `use` or `do FILE`.
    Require,
}

impl ContextKind {
    /// Its code is compiled as a whole: all but subs, and blocks of other code.
    pub(in crate::perl) fn is_unit(self) -> bool {
        use ContextKind::{EvalString, Main, Require};
        matches!(self, Main | EvalString | Require)
    }
}

/// Where a frame is executing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Position {
    /// The statement; 0 when there is none.
    pub cop: u64,
    /// The op within the statement, to refine its line by; 0 for none.
    pub op: u64,
    /// True when `op` is the one that will run after the op in question, as for a call.
    pub op_is_next: bool,
}

impl Position {
    /// Where the interpreter with this header is.
    pub(in crate::perl) fn now(header: &Header) -> Self {
        Position {
            cop: header.curcop,
            op: header.op,
            op_is_next: false,
        }
    }
}

/// Where a context is: the number of its stack info, the outermost being 0, and its own.
pub type ContextPlace = (usize, usize);

/// One frame, still as addresses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RawFrame {
    /// What it is.
    pub kind: ContextKind,
    /// The CV of a sub or format, 0 for others.
    pub cv: u64,
    /// The SV with the file name, of a [`ContextKind::Require`].
    pub namesv: u64,
    /// Where it is executing.
    pub position: Position,
    /// The statement that called it.
    pub call_site: u64,
    /// `si_type` of the stack info that it is on.
    pub si_type: i64,
    /// Its context.
    pub place: ContextPlace,
    /// Its code is being compiled, and the statement that it stands in is one of that code.
    pub is_compiled: bool,
}

/// What a stack info was made for. Beyond the outermost, perl's C code called Perl there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Callback {
    /// `si_type` of the stack info (`PERLSI_…`, cop.h).
    pub si_type: i64,
    /// A sub is the first thing on it, and not a block.
    pub calls_sub: bool,
    /// No callback: frames are left out there.
    pub is_cut: bool,
}

impl Callback {
    /// A hook for warnings or errors.
    pub(in crate::perl) fn is_warning(&self, number: &Constants) -> bool {
        let si_type = u64::try_from(self.si_type).ok();
        !self.is_cut
            && si_type.is_some()
            && [number.PERLSI_WARNHOOK, number.PERLSI_DIEHOOK].contains(&si_type)
    }
}

/// The frames of one copy of a stack.
#[derive(Debug, Clone, Default)]
pub struct RawStack {
    /// Outermost first; the first is the main program.
    pub frames: Vec<RawFrame>,
    /// The stack infos, outermost first. There can be some without a frame: the block of a `sort`
    /// is none.
    pub callbacks: Vec<Callback>,
    /// So many of the outermost frames come from contexts that are as they were in the walk before;
    /// of the last of these the position may be another.
    pub kept: usize,
    /// The CVs of as many of the outermost frames as were asked about: frames are large, and a deep
    /// stack of them takes long to look through.
    pub(in crate::perl) cvs: Vec<u64>,
}

impl RawStack {
    /// Whether no code further in is compiled as a whole.
    pub(in crate::perl) fn is_innermost_unit(&self, index: usize) -> bool {
        let inner = self.frames.get(index + 1..).unwrap_or_default();
        !inner.iter().any(|f| f.kind.is_unit())
    }

    /// How many frames execute this sub.
    pub(in crate::perl) fn count(&mut self, cv: u64) -> u64 {
        self.cvs.truncate(self.frames.len());
        let new = self.frames.iter().skip(self.cvs.len());
        self.cvs.extend(new.map(|f| f.cv));
        self.cvs.iter().filter(|c| **c == cv).count() as u64
    }
}

/// A context that no perl makes: the layout is wrong, or the copy is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a context of the stack makes no sense: {0}")]
pub struct WalkError(&'static str);

/// What the walk needs to know beside the bytes.
#[derive(Debug, Clone, Copy)]
pub struct WalkRules<'a> {
    /// Pointer size and byte order.
    pub abi: Abi,
    /// Offsets and constants.
    pub layout: &'a BoundLayout,
    /// Op numbers.
    pub ops: &'a OpNumbers,
    /// The CV of `&DB::sub`, 0 where there is none.
    pub db_sub: u64,
    /// What the current op has to do with contexts.
    pub doing: OpPhase,
}

#[derive(Debug, Clone, Copy)]
struct ParsedContext {
    kind: ContextKind,
    cv: u64,
    oldcop: u64,
    retop: u64,
    namesv: u64,
}

impl WalkRules<'_> {
    /// Turns the reader's last copy into frames. `out` holds those of the copy before, or nothing;
    /// what has not changed is not looked at again.
    ///
    /// # Errors
    /// [`WalkError`] when a context is of no known type, or names what lies outside of its stack.
    pub fn walk(&self, stack: &StackReader, out: &mut RawStack) -> Result<(), WalkError> {
        let header = stack.header();
        let size = self.layout.context.sizeof.offset as usize;
        // Of the innermost frame so far; for others, what called the frame above it.
        let now = Position::now(&header);
        keep_unchanged(stack, out, now);
        let start = match out.frames.last() {
            Some(RawFrame {
                kind: ContextKind::Main,
                ..
            })
            | None => (0, 0),
            Some(last) => (last.place.0, last.place.1 + 1),
        };
        // &DB::sub stands between a sub and its caller: it decides where the caller is.
        let mut decided = false;
        // A sub that is being left or made: it is no frame, and nothing can be above it.
        let mut gone = false;
        let mut left: Option<Position> = None;
        out.callbacks.truncate(start.0);
        for (number, info) in stack.infos().iter().enumerate().skip(start.0) {
            let bytes = stack.contexts(info);
            if let Some(index) = info.cxsubix {
                self.check_newest(bytes, index, size)?;
            }
            out.callbacks.push(Callback {
                si_type: info.si_type,
                calls_sub: self.is_sub(bytes.get(..size).unwrap_or_default()),
                is_cut: info.is_cut,
            });
            if info.is_cut && number > start.0 {
                let site = self.call_site_behind(stack, number.checked_sub(1));
                set_position(out, site.unwrap_or_default());
                decided = true;
            }
            let first = if number == start.0 { start.1 } else { 0 };
            for index in first..info.count {
                let context = index
                    .checked_mul(size)
                    .and_then(|start| bytes.get(start..start + size))
                    .ok_or(WalkError("it lies outside the context stack"))?;
                let Some(found) = self.context(context)? else {
                    continue;
                };
                let call_site = Position {
                    cop: found.oldcop,
                    op: found.retop,
                    op_is_next: true,
                };
                if found.kind == ContextKind::Sub && found.cv != 0 && found.cv == self.db_sub {
                    // DB's own frame is not shown.
                    set_position(out, call_site);
                    decided = true;
                    gone = false;
                    left = None;
                    continue;
                }
                if gone {
                    return Err(WalkError("a sub below the top has no CV"));
                }
                let is_sub = found.kind == ContextKind::Sub;
                if info.frames_end.is_some_and(|end| index >= end) || (is_sub && found.cv == 0) {
                    // Since 5.24 a sub that is being left loses its CV before PL_curcop is set back
                    // (cx_popsub, inline.h), and since 5.32 its place in si_cxsubix. Others have
                    // not been filled yet.
                    gone = true;
                    left = (is_sub && self.doing == OpPhase::Leaving)
                        .then_some(Position { op: 0, ..call_site });
                    continue;
                }
                if !decided {
                    set_position(out, call_site);
                }
                decided = false;
                out.frames.push(RawFrame {
                    kind: found.kind,
                    cv: found.cv,
                    namesv: found.namesv,
                    position: now,
                    call_site: found.oldcop,
                    si_type: info.si_type,
                    place: (number, index),
                    is_compiled: false,
                });
            }
        }
        if let Some(position) = left.filter(|_| !decided) {
            set_position(out, position);
        }
        Ok(())
    }

    /// Where the first of the frames that are left out behind a stack info was called.
    fn call_site_behind(&self, stack: &StackReader, number: Option<usize>) -> Option<Position> {
        let info = stack.infos().get(number?)?;
        let size = self.layout.context.sizeof.offset as usize;
        let contexts = stack.contexts(info).chunks_exact(size.max(1));
        let mut behind = contexts.skip(info.count);
        let found = behind.find_map(|bytes| self.context(bytes).ok()?)?;
        Some(Position {
            cop: found.oldcop,
            op: found.retop,
            op_is_next: true,
        })
    }

    /// The sub of the context behind the last one, which is not in use any more, and the statement
    /// that called it.
    pub(in crate::perl) fn sub_behind_the_last(&self, stack: &StackReader) -> Option<(u64, u64)> {
        let info = stack.infos().last()?;
        let size = self.layout.context.sizeof.offset as usize;
        let start = info.count.checked_mul(size)?;
        let context = stack.contexts(info).get(start..start.checked_add(size)?)?;
        let found = self.context(context).ok()??;
        (found.kind == ContextKind::Sub && found.cv != 0).then_some((found.cv, found.oldcop))
    }

    /// Since 5.32 a stack info knows the index of its newest sub, eval or format.
    fn check_newest(&self, bytes: &[u8], index: usize, size: usize) -> Result<(), WalkError> {
        let (cx, number) = (&self.layout.context, &self.layout.constants);
        let start = index.checked_mul(size);
        let context = start.and_then(|start| bytes.get(start..start + size));
        let word = context.and_then(|bytes| cx.cx_type.get(self.abi, bytes));
        let frames = [number.CXt_SUB, number.CXt_FORMAT, number.CXt_EVAL];
        match word.map(|w| w & number.CXTYPEMASK) {
            Some(cx_type) if frames.contains(&cx_type) => Ok(()),
            _ => Err(WalkError(
                "si_cxsubix leads to one that is no sub, format or eval",
            )),
        }
    }

    fn is_sub(&self, context: &[u8]) -> bool {
        let number = &self.layout.constants;
        let word = self.layout.context.cx_type.get(self.abi, context);
        word.map(|w| w & number.CXTYPEMASK) == Some(number.CXt_SUB)
    }

    /// One context, if `caller` would count it.
    fn context(&self, bytes: &[u8]) -> Result<Option<ParsedContext>, WalkError> {
        let (cx, number) = (&self.layout.context, &self.layout.constants);
        let short = WalkError("it is shorter than its members");
        let get = |field: crate::memory::Field| field.get(self.abi, bytes).ok_or(short);
        let maybe = |field: Option<crate::memory::Field>| field.map_or(Ok(0), get);
        let word = get(cx.cx_type)?;
        let has = |flag: u64| word & flag != 0;
        let returns_to_c = |retop: crate::memory::Field| retop.get(self.abi, bytes) == Some(0);
        let cx_type = word & number.CXTYPEMASK;
        if number.CXt_LAST.is_some_and(|last| cx_type > last) {
            return Err(WalkError("its type is none that perl has"));
        }
        let (kind, cv, retop, namesv) = if cx_type == number.CXt_SUB {
            if number.CXp_SUB_RE_FAKE.is_some_and(has) {
                return Ok(None);
            }
            (
                ContextKind::Sub,
                get(cx.blk_sub_cv)?,
                maybe(cx.blk_sub_retop)?,
                0,
            )
        } else if cx_type == number.CXt_FORMAT {
            (
                ContextKind::Format,
                get(cx.blk_sub_cv)?,
                maybe(cx.blk_sub_retop)?,
                0,
            )
        } else if cx_type == number.CXt_EVAL {
            if number.CXp_TRY.is_some_and(has) {
                return Ok(None);
            }
            let kind = if has(number.CXp_REAL) {
                ContextKind::EvalString
            } else if has(number.CXp_TRYBLOCK) && cx.blk_eval_retop.is_some_and(returns_to_c) {
                ContextKind::EvalFromC
            } else if has(number.CXp_TRYBLOCK) {
                ContextKind::EvalBlock
            } else {
                ContextKind::Require
            };
            let namesv = if kind == ContextKind::Require {
                maybe(cx.blk_eval_old_namesv)?
            } else {
                0
            };
            (kind, 0, maybe(cx.blk_eval_retop)?, namesv)
        } else {
            return Ok(None);
        };
        let oldcop = get(cx.blk_oldcop)?;
        if oldcop == 0 {
            return Err(WalkError("it was entered from no statement"));
        }
        Ok(Some(ParsedContext {
            kind,
            cv,
            oldcop,
            retop,
            namesv,
        }))
    }
}

/// Leaves of the frames of the copy before those whose contexts have not changed, the innermost of
/// them at `now`.
fn keep_unchanged(stack: &StackReader, out: &mut RawStack, now: Position) {
    let unchanged = |frame: &RawFrame| {
        let info = stack.infos().get(frame.place.0);
        frame.kind == ContextKind::Main || info.is_some_and(|i| frame.place.1 < i.unchanged)
    };
    // The frames below an unchanged one are unchanged.
    out.kept = out.frames.partition_point(unchanged);
    out.frames.truncate(out.kept);
    out.cvs.truncate(out.kept);
    if out.frames.is_empty() {
        out.frames.push(RawFrame {
            kind: ContextKind::Main,
            cv: 0,
            namesv: 0,
            position: now,
            call_site: 0,
            si_type: 0,
            place: (0, 0),
            is_compiled: false,
        });
    }
    set_position(out, now);
}

pub(in crate::perl) fn set_position(stack: &mut RawStack, position: Position) {
    if let Some(last) = stack.frames.last_mut() {
        last.position = position;
    }
}
