//! Where C called Perl: the frames of a stack that no op of Perl's entered.

use super::names::NamedStack;
use super::stack::StackReader;
use super::stack::walk::{ContextKind, RawFrame, RawStack};
use crate::layout::BoundLayout;
use crate::layout::schema::Constants;
use crate::memory::Abi;

/// How Perl was entered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EnteredBy {
    /// A call: `call_sv`, an overloaded operator, a destructor, `eval_sv`.
    Call,
    /// A call, or the last op of a comparator or of a pattern's code: both return to no op.
    CallOrLastOp,
    /// A function that calls a comparator or a block again and again, in one context (`sort`, MULTICALL).
    Multicall,
}

/// A place where it was entered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PerlEntry {
    /// How.
    pub by: EnteredBy,
    /// So many of the frames that are given lie below it.
    pub below: usize,
}

/// All of a stack that was just read, outermost first. Before 5.10, where contexts do not say what they return to, only
/// those with a stack info of their own.
pub(in crate::perl) fn entries(
    abi: Abi,
    layout: &BoundLayout,
    reader: &StackReader,
    raw: &RawStack,
    named: &NamedStack,
) -> Vec<PerlEntry> {
    let number = &layout.constants;
    let returns_nowhere = |frame: &RawFrame| {
        let field = match frame.kind {
            ContextKind::Sub | ContextKind::Format => layout.context.blk_sub_retop,
            ContextKind::EvalFromC | ContextKind::EvalString | ContextKind::Require => {
                layout.context.blk_eval_retop
            }
            ContextKind::Main | ContextKind::EvalBlock => None,
        };
        let bytes = field.and_then(|_| reader.context_at(frame.place, layout));
        let retop = field.zip(bytes).and_then(|(f, bytes)| f.get(abi, bytes));
        retop == Some(0)
    };
    let mut found = Vec::new();
    let mut frames = raw.frames.iter().enumerate().peekable();
    for (place, info) in reader.infos().iter().enumerate() {
        let is_multicall = info.count > 0 && calls_again(info.si_type, number);
        let mut first = |index: usize, by: EnteredBy| {
            let below = named.ids_of(index);
            found.push(PerlEntry { by, below });
        };
        let start = frames.peek().map_or(raw.frames.len(), |(index, _)| *index);
        if is_multicall {
            first(start, EnteredBy::Multicall);
        }
        let mut number_here = 0;
        // perl's own eval around a call (G_EVAL).
        let mut catching = None;
        while let Some((index, frame)) = frames.next_if(|(_, frame)| frame.place.0 == place) {
            let caught = catching.take();
            number_here += 1;
            let is_own = is_multicall && frame.place.1 == 0;
            if is_own || frame.kind == ContextKind::Main || !returns_nowhere(frame) {
                let is_new = place > 0 && !is_multicall && number_here == 1;
                let knows = layout.context.blk_sub_retop.is_some();
                if is_new && !knows && frame.kind == ContextKind::Sub {
                    first(index, EnteredBy::Call);
                }
                continue;
            }
            if frame.kind == ContextKind::EvalFromC {
                catching = Some(index);
                continue;
            }
            let is_first = number_here == 1 + usize::from(is_multicall && start_is_own(raw, start));
            let by = match is_multicall && is_first {
                true => EnteredBy::CallOrLastOp,
                false => EnteredBy::Call,
            };
            first(caught.unwrap_or(index), by);
        }
    }
    found
}

/// The outermost frame of a stack info of MULTICALL is its block; that of a sort with a block is something else.
fn start_is_own(raw: &RawStack, start: usize) -> bool {
    raw.frames
        .get(start)
        .is_some_and(|frame| frame.place.1 == 0)
}

/// Stack infos of this type have a comparator or a block at their bottom.
fn calls_again(si_type: i64, number: &Constants) -> bool {
    let types = [number.PERLSI_SORT, number.PERLSI_MULTICALL];
    si_type > 0 && types.contains(&u64::try_from(si_type).ok())
}
