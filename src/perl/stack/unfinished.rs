//! Top frames that are only half there. A sample can fall into the middle of a call or a return:
//! perl exposes a context before it fills it, so that what an earlier one left there shows, and it
//! takes a context away before it says that the caller goes on.

use super::doing::OpPhase;
use super::walk::{ContextKind, Position, RawStack, WalkRules, set_position};
use super::{Header, StackReader};
use crate::layout::schema::Constants;
use crate::memory::Paged;
use crate::perl::names::Names;
use crate::perl::values::context::{NameError, PerlView};

/// What is known of subs that a sort compares with.
#[derive(Debug, Clone, Copy)]
pub struct Comparators {
    /// `si_type` of their stack infos.
    pub si_type: Option<u64>,
    /// Their depth is counted, as that of other subs (since 5.8).
    pub have_depth: bool,
}

impl Comparators {
    /// What a perl with these numbers has.
    pub(in crate::perl) fn of(number: &Constants) -> Self {
        Comparators {
            si_type: number.PERLSI_SORT,
            // That has come with 5.8, too.
            have_depth: number.HVhek_UTF8.is_some(),
        }
    }
}

/// What is asked about a comparator.
pub trait Subs {
    /// Whether a sub is in C.
    fn is_xsub(&self, cv: u64) -> bool;
    /// Whether a statement is one of a sub's body.
    fn has_statement(&self, cv: u64, cop: u64) -> bool;
}

impl Subs for PerlView<'_> {
    fn is_xsub(&self, cv: u64) -> bool {
        PerlView::is_xsub(self, cv).unwrap_or(false)
    }

    fn has_statement(&self, cv: u64, cop: u64) -> bool {
        /// Bytes of its ops.
        const MAX_READ: usize = 1 << 20;
        let paged = Paged::new(self.memory, MAX_READ);
        let here = PerlView {
            memory: &paged,
            ..*self
        };
        here.has_op(cv, cop).unwrap_or(false)
    }
}

fn drop_top(stack: &mut RawStack, position: Position) {
    stack.frames.pop();
    stack.kept = stack.kept.min(stack.frames.len());
    set_position(stack, position);
}

/// Removes a top frame whose sub is none: the context was not filled yet. False where that cannot
/// be the reason.
pub(in crate::perl) fn drop_unfilled(
    stack: &mut RawStack,
    header: &Header,
    doing: OpPhase,
) -> bool {
    let top = stack.frames.last().map(|top| top.kind);
    let unfilled = top == Some(ContextKind::Sub) && doing.pushes();
    if unfilled {
        drop_top(stack, Position::now(header));
    }
    unfilled
}

/// Removes a top sub that is not counted as active: perl takes a sub's depth back before it removes
/// its context. `depth` is `CvDEPTH` of the top frame's CV. Comparators are taken as they are, each
/// the first on a stack info of its own kind: they are entered once per sort, not once per call.
/// While the sort op itself is the current one, its comparator has not begun. Until perl 5.22
/// (pp_sort, pp_sort.c) the context for it says already where it is called, but has the sub of
/// whoever had that place before; for a moment all of it is of before.
pub fn drop_inactive(
    stack: &mut RawStack,
    header: &Header,
    comparators: Comparators,
    depth: u64,
    doing: OpPhase,
    subs: &dyn Subs,
) {
    let Some(top) = stack.frames.last().copied() else {
        return;
    };
    let is_comparator = top.place.1 == 0
        && u64::try_from(top.si_type).is_ok_and(|t| Some(t) == comparators.si_type);
    let is_sorting = doing == OpPhase::Sorting;
    if top.kind != ContextKind::Sub || (is_comparator && !is_sorting) {
        return;
    }
    // One that sorts itself stands there while that sort begins: its depth tells, where perl counts
    // it; else that the sort is in a statement of its own. One in C runs under the sort op, and has
    // no depth.
    let is_active = if is_comparator && subs.is_xsub(top.cv) {
        top.call_site == header.curcop
    } else if is_comparator && !comparators.have_depth {
        top.call_site != header.curcop && subs.has_statement(top.cv, header.curcop)
    } else {
        stack.count(top.cv) <= depth
    };
    if is_active {
        return;
    }
    // While perl leaves the sub, the statement that called it is the current one already.
    let position = match doing {
        OpPhase::Leaving => Position {
            cop: top.call_site,
            op: 0,
            op_is_next: false,
        },
        _ => Position::now(header),
    };
    drop_top(stack, position);
}

/// Removes a top eval that an earlier one left in a context that is just being made. An eval that
/// is there has the current statement within it, or has only just begun. Since 5.32 `si_cxsubix`
/// tells, and the walk has heeded it.
pub(in crate::perl) fn drop_stale_eval(
    stack: &mut RawStack,
    header: &Header,
    doing: OpPhase,
    names: &mut Names,
    view: &PerlView<'_>,
) -> Result<(), NameError> {
    if view.layout.stackinfo.si_cxsubix.is_some() || !doing.pushes() {
        return Ok(());
    }
    let Some((top, below)) = stack.frames.split_last() else {
        return Ok(());
    };
    let has_retop = view.layout.context.blk_eval_retop.is_some();
    let from_c = match has_retop {
        true => top.kind == ContextKind::EvalFromC,
        false => doing == OpPhase::CallingFromC,
    };
    let here = header.curcop;
    let is_real = match top.kind {
        ContextKind::Main | ContextKind::Sub | ContextKind::Format => return Ok(()),
        _ if top.call_site == here => from_c || doing == OpPhase::Evaluating,
        ContextKind::EvalFromC => false,
        ContextKind::EvalBlock => {
            let goes_on = below.last().map(|f| f.position);
            let goes_on = goes_on.filter(|p| p.op_is_next && p.cop == top.call_site);
            names.is_in_eval(view, top.call_site, goes_on.map_or(0, |p| p.op), here)?
        }
        ContextKind::EvalString | ContextKind::Require => names.is_other_file(top.call_site, here),
    };
    if !is_real {
        drop_top(stack, Position::now(header));
    }
    Ok(())
}

/// Before 5.24 a sub that returns loses its context first, and then `PL_curcop` is set back
/// (POPBLOCK, cop.h): meanwhile its caller would be on a line of its. Such a sub is still counted as
/// active, and its context is still there, behind the last one. The comparators of 5.6 are not counted,
/// and no op runs when the sort is over: there the statement tells that it is one of theirs.
pub(in crate::perl) fn after_return(
    stack: &mut RawStack,
    header: &Header,
    doing: OpPhase,
    copy: &StackReader,
    rules: &WalkRules<'_>,
    names: &mut Names,
    view: &PerlView<'_>,
) -> Result<(), NameError> {
    let comparators = Comparators::of(&view.layout.constants);
    let has_sorted = !comparators.have_depth
        && header.op == 0
        && copy.infos().last().is_some_and(|info| {
            info.count == 0
                && u64::try_from(info.si_type).is_ok_and(|t| Some(t) == comparators.si_type)
        });
    if doing != OpPhase::Leaving && !has_sorted {
        return Ok(());
    }
    let Some((cv, oldcop)) = rules.sub_behind_the_last(copy) else {
        return Ok(());
    };
    if oldcop == header.curcop
        || stack
            .frames
            .last()
            .is_none_or(|f| f.position != Position::now(header))
    {
        return Ok(());
    }
    let was_left = if has_sorted {
        view.has_statement(cv, header.curcop)
    } else {
        let depth = view.depth_of(cv);
        depth.is_ok_and(|depth| depth > stack.count(cv))
    };
    if !was_left {
        return Ok(());
    }
    names.know_statement(view, oldcop)?;
    set_position(
        stack,
        Position {
            cop: oldcop,
            op: 0,
            op_is_next: false,
        },
    );
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::perl::stack::walk::{ContextPlace, RawFrame};

    const SORT: u64 = 3;

    fn frame(kind: ContextKind, cv: u64, place: ContextPlace) -> RawFrame {
        RawFrame {
            kind,
            cv,
            namesv: 0,
            position: Position::default(),
            call_site: 24,
            si_type: if place.0 == 0 { 1 } else { SORT as i64 },
            place,
            is_compiled: false,
        }
    }

    /// All subs are in C, or none, and have one statement.
    struct Alike {
        are_xsubs: bool,
        statement: u64,
    }

    impl Subs for Alike {
        fn is_xsub(&self, _: u64) -> bool {
            self.are_xsubs
        }

        fn has_statement(&self, _: u64, cop: u64) -> bool {
            cop == self.statement
        }
    }

    /// The CVs that are left when the innermost sub has that depth, and where the top one is.
    fn active_at(
        depth: u64,
        have_depth: bool,
        is_xsub: bool,
        curcop: u64,
        frames: Vec<RawFrame>,
        doing: OpPhase,
    ) -> (Vec<u64>, u64) {
        let mut stack = RawStack {
            frames,
            ..RawStack::default()
        };
        let comparators = Comparators {
            si_type: Some(SORT),
            have_depth,
        };
        let mut header = Header::default();
        header.curcop = curcop;
        let subs = Alike {
            are_xsubs: is_xsub,
            statement: 25,
        };
        drop_inactive(&mut stack, &header, comparators, depth, doing, &subs);
        let top = stack.frames.last().map_or(0, |f| f.position.cop);
        (stack.frames.iter().map(|f| f.cv).collect(), top)
    }

    fn active(frames: Vec<RawFrame>, doing: OpPhase) -> (Vec<u64>, u64) {
        active_at(0, true, false, 0, frames, doing)
    }

    /// A comparator that sorts is there while its sort begins; one whose own sort begins is not, and
    /// neither is whoever had its place.
    #[test]
    fn a_comparator_has_not_begun_while_its_sort_begins() {
        let main = frame(ContextKind::Main, 0, (0, 0));
        let comparator = frame(ContextKind::Sub, 7, (1, 0));
        let cvs = |depth, have_depth, is_xsub, curcop| {
            let frames = vec![main, comparator];
            active_at(depth, have_depth, is_xsub, curcop, frames, OpPhase::Sorting).0
        };
        let (own, other) = (comparator.call_site, comparator.call_site + 1);
        for curcop in [own, other] {
            assert_eq!(cvs(0, true, false, curcop), [0]);
            assert_eq!(cvs(1, true, false, curcop), [0, 7]);
        }
        assert_eq!(cvs(0, false, false, own), [0]);
        assert_eq!(cvs(0, false, false, other), [0, 7]);
        // Everything in its context is of before.
        assert_eq!(cvs(0, false, false, other + 1), [0]);
        assert_eq!(cvs(0, true, true, own), [0, 7]);
        assert_eq!(cvs(0, true, true, other), [0]);
    }

    #[test]
    fn only_comparators_need_no_depth() {
        let main = frame(ContextKind::Main, 0, (0, 0));
        let comparator = frame(ContextKind::Sub, 7, (1, 0));
        let called = frame(ContextKind::Sub, 8, (1, 1));
        let cvs = |frames, doing| active(frames, doing).0;
        assert_eq!(cvs(vec![main, comparator], OpPhase::Other), [0, 7]);
        assert_eq!(cvs(vec![main, comparator], OpPhase::Sorting), [0]);
        assert_eq!(cvs(vec![main, comparator, called], OpPhase::Other), [0, 7]);
    }

    #[test]
    fn a_sub_that_is_left_was_called_where_its_context_says() {
        let main = frame(ContextKind::Main, 0, (0, 0));
        let sub = frame(ContextKind::Sub, 9, (0, 0));
        assert_eq!(active(vec![main, sub], OpPhase::Leaving), (vec![0], 24));
        assert_eq!(active(vec![main, sub], OpPhase::Calling), (vec![0], 0));
    }
}
