//! Which run loop of the C stack runs what of Perl's stack: where each has an entry from C into Perl, both are cut, and the
//! pieces put between one another. Both are known of one moment, and both tell of each entry: the C stack by a run loop
//! and who called it, Perl's by a context that returns to no op (`retop` NULL), or by what a stack info was made for.
//!
//! They are paired from the outside in, kind by kind. One may be missing where it is explained: a comparator between two
//! calls has its context and no loop, a call that is being made has its context before its loop, one that ends, or calls
//! a method in C, has a loop without a context. What is not explained is not woven.

use super::loops::{LoopKind, RunLoop};

/// How Perl was entered, as its stack tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EntryKind {
    /// By a call.
    Call,
    /// By a call, or from the last op of a sort's block: both return to no op.
    MaybeCall,
    /// By a function of C that calls it again and again.
    Multicall,
}

/// What became of an entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EntryLoop {
    /// The loop of this frame runs it.
    Runs(usize),
    /// Nothing runs it now: it waits for its next call.
    Idle,
    /// Its loop is about to start: the innermost call leads to it.
    Begins,
    /// It was no entry.
    None,
}

/// Pairs the loops of a C stack, innermost first, with the entries of Perl's stack, outermost first. `has_own_op` says that
/// the op that runs is one of C's own, or none: a loop that has no context yet, or no longer, is the innermost then.
/// `None` where they contradict each other.
pub fn weave(loops: &[RunLoop], entries: &[EntryKind], has_own_op: bool) -> Option<Vec<EntryLoop>> {
    let with_context = |one: &&RunLoop| one.kind != LoopKind::Folded;
    let mut loops: Vec<RunLoop> = loops.iter().rev().filter(with_context).copied().collect();
    if loops.first().is_some_and(|one| one.kind == LoopKind::Main) {
        loops.remove(0);
    }
    // The parts of the main program that run before it, or after its end, are called.
    if loops.iter().any(|one| one.kind == LoopKind::Main) {
        return None;
    }
    let woven = pairs(&loops, entries);
    if let Some((woven, rest)) = woven
        && (rest == 0 || (rest == 1 && has_own_op))
    {
        return Some(woven);
    }
    // A method in C that calls back has a loop and no context: which one is certain where there is one call only.
    let calls = |one: &&RunLoop| one.kind == LoopKind::Call;
    let entered = entries.iter().filter(|kind| **kind == EntryKind::Call);
    if loops.iter().filter(calls).count() == entered.count() + 1 {
        // Not the innermost: that one has a context, as the op that runs is Perl's.
        let outer = 0..loops.len().saturating_sub(1);
        let positions = outer.filter(|at| loops.get(*at).as_ref().is_some_and(calls));
        let mut fitting = positions.filter_map(|without| {
            let mut fewer = loops.clone();
            fewer.remove(without);
            pairs(&fewer, entries).filter(|(_, rest)| *rest == 0)
        });
        let first = fitting.next()?;
        return fitting.next().is_none().then_some(first.0);
    }
    None
}

/// Pairs from the outside in, and says how many loops are left.
fn pairs(loops: &[RunLoop], entries: &[EntryKind]) -> Option<(Vec<EntryLoop>, usize)> {
    let calls = |loops: &[RunLoop]| loops.iter().filter(|l| l.kind == LoopKind::Call).count();
    let mut rest = loops;
    let mut woven = Vec::with_capacity(entries.len());
    for (number, entry) in entries.iter().enumerate() {
        let inner = entries.get(number + 1..).unwrap_or_default();
        let next = rest.split_first();
        let found = match (entry, next) {
            (EntryKind::Call, Some((next, _))) if next.kind == LoopKind::Call => {
                EntryLoop::Runs(next.frame)
            }
            (EntryKind::Call, None) if inner.is_empty() => EntryLoop::Begins,
            (EntryKind::Call, _) => return None,
            (EntryKind::MaybeCall, Some((next, _))) if next.kind == LoopKind::Call => {
                let certain = inner
                    .iter()
                    .filter(|kind| **kind == EntryKind::Call)
                    .count();
                match calls(rest) > certain {
                    true => EntryLoop::Runs(next.frame),
                    false => EntryLoop::None,
                }
            }
            (EntryKind::MaybeCall, _) => EntryLoop::None,
            (EntryKind::Multicall, Some((next, _))) if next.kind == LoopKind::Multicall => {
                EntryLoop::Runs(next.frame)
            }
            (EntryKind::Multicall, _) => EntryLoop::Idle,
        };
        if let (EntryLoop::Runs(_), Some((_, inner))) = (found, next) {
            rest = inner;
        }
        woven.push(found);
    }
    Some((woven, rest.len()))
}

/// How many comparators and blocks wait for their next call, of what was not woven. `None` where that is not known: the
/// loops are not, or there are more than these.
pub fn idle_calls(loops: Option<&[RunLoop]>, entries: &[EntryKind]) -> Option<usize> {
    let all = entries.iter().filter(|kind| **kind == EntryKind::Multicall);
    let all = all.count();
    let Some(loops) = loops else {
        return (all == 0).then_some(0);
    };
    let running = loops.iter().filter(|one| one.kind == LoopKind::Multicall);
    all.checked_sub(running.count())
}

#[cfg(test)]
mod tests {
    use super::EntryKind::{Call, MaybeCall, Multicall};
    use super::*;

    /// Outermost first: `m` the main program's, `c` called, `s` a comparator's, `f` folded. The outermost has the highest
    /// number.
    fn woven(loops: &str, entries: &[EntryKind], has_own_op: bool) -> Option<Vec<EntryLoop>> {
        let count = loops.len();
        let loops: Vec<RunLoop> = loops
            .bytes()
            .enumerate()
            .map(|(number, kind)| RunLoop {
                frame: (count - 1 - number) * 10,
                kind: match kind {
                    b'm' => LoopKind::Main,
                    b'c' => LoopKind::Call,
                    b's' => LoopKind::Multicall,
                    _ => LoopKind::Folded,
                },
            })
            .rev()
            .collect();
        weave(&loops, entries, has_own_op)
    }

    use EntryLoop::{Begins, Idle, Runs};

    #[test]
    fn loops_and_entries_are_paired_from_the_outside_in() {
        assert_eq!(woven("m", &[], false), Some(vec![]));
        assert_eq!(woven("mc", &[Call], false), Some(vec![Runs(0)]));
        let both = Some(vec![Runs(20), Runs(0)]);
        assert_eq!(woven("mfcfs", &[Call, Multicall], false), both);
        // A perl inside of another program, and code that runs while the main program is compiled.
        assert_eq!(
            woven("cc", &[Call, Call], false),
            Some(vec![Runs(10), Runs(0)])
        );
    }

    #[test]
    fn what_is_missing_is_explained() {
        assert_eq!(woven("m", &[Multicall], false), Some(vec![Idle]));
        assert_eq!(
            woven("mc", &[Multicall, Call], false),
            Some(vec![Idle, Runs(0)])
        );
        assert_eq!(woven("m", &[Call], false), Some(vec![Begins]));
        assert_eq!(
            woven("ms", &[Multicall, Call], false),
            Some(vec![Runs(0), Begins])
        );
        assert_eq!(woven("mc", &[], true), Some(vec![]));
        let last_op = Some(vec![Runs(0), EntryLoop::None]);
        assert_eq!(woven("ms", &[Multicall, MaybeCall], false), last_op);
        let called = Some(vec![Runs(10), Runs(0)]);
        assert_eq!(woven("msc", &[Multicall, MaybeCall], false), called);
    }

    #[test]
    fn a_method_in_c_that_calls_back_has_a_loop_of_its_own() {
        assert_eq!(woven("mcc", &[Call], false), Some(vec![Runs(0)]));
        assert_eq!(woven("mcc", &[Call], true), Some(vec![Runs(10)]));
        // Here it may be either.
        assert_eq!(woven("mccc", &[Call, Call], false), None);
    }

    #[test]
    fn without_the_loops_nobody_knows_who_is_idle() {
        let running = [RunLoop {
            frame: 3,
            kind: LoopKind::Multicall,
        }];
        assert_eq!(idle_calls(None, &[Call]), Some(0));
        assert_eq!(idle_calls(None, &[Multicall]), None);
        assert_eq!(idle_calls(Some(&[]), &[Multicall]), Some(1));
        assert_eq!(idle_calls(Some(&running), &[Multicall]), Some(0));
        assert_eq!(idle_calls(Some(&running), &[Call]), None);
    }

    #[test]
    fn what_is_not_explained_is_not_woven() {
        assert_eq!(woven("ms", &[], false), None);
        assert_eq!(woven("m", &[Call, Call], false), None);
        assert_eq!(woven("ms", &[Call], false), None);
        assert_eq!(woven("mccc", &[Call], false), None);
        assert_eq!(woven("cm", &[Call], false), None);
    }
}
