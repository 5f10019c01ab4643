//! Solving for what a context has beside what every feature needs: the depth and the arguments of
//! a call, the text and the sub of an eval.

use super::calibrate::Calibration;
use super::contexts::{ContextStack, indexes};
use super::facts::{EVALS, NEST};
use super::snapshot::{Offset, Snapshot};
use super::solution::{Solution, Unsolved};

/// Contexts of one stop, each with what a member must have there.
struct Expected<'a, T> {
    s: &'a Snapshot,
    contexts: Vec<(u64, T)>,
}

impl<T> Expected<'_, T> {
    fn fits(&self, o: u64, holds: impl Fn(&Snapshot, u64, &T) -> bool) -> bool {
        let mut contexts = self.contexts.iter();
        !self.contexts.is_empty() && contexts.all(|(at, wanted)| holds(self.s, at.at(o), wanted))
    }

    fn pointers(&self, size: u64) -> Vec<u64>
    where
        T: Copy + Into<u64>,
    {
        let equal = |s: &Snapshot, at: u64, wanted: &T| s.word(at) == Some((*wanted).into());
        let offsets = (0..size).step_by(self.s.width() as usize);
        offsets.filter(|o| self.fits(*o, equal)).collect()
    }
}

/// Addresses of the contexts that hold the CVs of these subs.
fn contexts(
    run: &Calibration,
    s: &Snapshot,
    stack: ContextStack,
    out: &Solution,
    names: &[&str],
) -> Vec<u64> {
    let size = out.get("context", "sizeof").unwrap_or(1);
    let indexes = indexes(run, s, stack, out, names);
    indexes.iter().map(|i| stack.start.at(i * size)).collect()
}

/// Solves for the members of `struct context` that only some features need.
///
/// # Errors
/// [`Unsolved`] when the script lacks a stop.
pub fn solve(run: &Calibration, stack: ContextStack, out: &mut Solution) -> Result<(), Unsolved> {
    depth(run, stack, out)?;
    arguments(run, stack, out)?;
    evals(run, stack, out)
}

/// `blk_sub_olddepth`, in a sub that calls itself.
fn depth(run: &Calibration, stack: ContextStack, out: &mut Solution) -> Result<(), Unsolved> {
    let s = run.stop("save1-6")?;
    let size = out.get("context", "sizeof").unwrap_or(1);
    let place = out.get("context", "blk_sub_cv").unwrap_or(0);
    let cv = run.facts.sub("P5spyA::save1").map(|f| f.cv);
    // Outermost first.
    let calls: Vec<u64> = (0..64)
        .map(|index| stack.start.at(index * size))
        .filter(|at| cv.is_some() && s.word(at.at(place)) == cv)
        .take(7)
        .collect();
    let expected = Expected {
        s,
        contexts: calls.into_iter().zip(0u64..).collect(),
    };
    // 5.6 has 16 bits.
    for bytes in [4usize, 2] {
        let equal = |s: &Snapshot, at: u64, wanted: &u64| s.uint(at, bytes) == Some(*wanted);
        let offsets = (0..size).step_by(bytes);
        let found: Vec<u64> = offsets.filter(|o| expected.fits(*o, equal)).collect();
        if bytes == 2 || !found.is_empty() {
            if let Some(place) = out.extra("context.blk_sub_olddepth", found) {
                out.int("context", "blk_sub_olddepth", place, bytes as u8);
            }
            break;
        }
    }
    Ok(())
}

/// `@_` of the caller and of the sub itself, and whether it has one.
fn arguments(run: &Calibration, stack: ContextStack, out: &mut Solution) -> Result<(), Unsolved> {
    let (deep, kinds) = (run.stop("deep")?, run.stop("kinds")?);
    let size = out.get("context", "sizeof").unwrap_or(1);
    let names: Vec<&str> = NEST.iter().map(|(name, ..)| *name).collect();
    let nest = contexts(run, deep, stack, out, &names);
    // The first entry of a pad.
    let own: Option<Vec<u64>> = run
        .facts
        .nest()
        .into_iter()
        .map(|f| deep.word(out.array_of(deep, out.pad(deep, f.cv, 1)?)?))
        .collect();
    let own = own.unwrap_or_default();
    let of_caller = Expected {
        s: deep,
        contexts: nest
            .iter()
            .skip(1)
            .copied()
            .zip(own.iter().copied())
            .collect(),
    };
    if let Some(place) = out.extra("context.blk_sub_savearray", of_caller.pointers(size)) {
        out.pointer("context", "blk_sub_savearray", place);
    }
    let of_sub = Expected {
        s: deep,
        contexts: nest.iter().copied().zip(own).collect(),
    };
    // Since 5.24 only the pad has it.
    if let [place] = of_sub.pointers(size).as_slice() {
        out.pointer("context", "blk_sub_argarray", *place);
    }
    if out.get_constant("CXp_HASARGS").is_some() {
        return Ok(());
    }
    let with = [
        "P5spyB::block",
        "P5spyA::string",
        "P5spyB::again",
        "P5spyB::bare",
    ];
    let (with, without) = (
        contexts(run, kinds, stack, out, &with),
        contexts(run, kinds, stack, out, &["P5spyA::noargs"]),
    );
    let has = |s: &Snapshot, at: &u64, o: u64| s.uint(at.at(o), 1);
    let found = (0..size).filter(|o| {
        nest.iter().all(|at| has(deep, at, *o) == Some(1))
            && with.iter().all(|at| has(kinds, at, *o) == Some(1))
            && without.iter().all(|at| has(kinds, at, *o) == Some(0))
    });
    if let Some(place) = out.extra("context.blk_sub_hasargs", found.collect()) {
        out.int("context", "blk_sub_hasargs", place, 1);
    }
    Ok(())
}

/// The text of an eval, and its CV, whose outer sub is the one that has it.
fn evals(run: &Calibration, stack: ContextStack, out: &mut Solution) -> Result<(), Unsolved> {
    let s = run.stop("kinds")?;
    let size = out.get("context", "sizeof").unwrap_or(1);
    let width = s.width();
    let names = EVALS.map(|(name, _)| name);
    let above = contexts(run, s, stack, out, &names);
    let texts = Expected {
        s,
        contexts: above.iter().map(|at| at.at(size)).zip(EVALS).collect(),
    };
    let room = run.facts.body_room(s, |f| f.cv);
    let is_text = |s: &Snapshot, at: u64, (_, text): &(&str, &str)| {
        let start = s.word(at).and_then(|sv| out.text_of(s, sv));
        start.and_then(|start| s.bytes(start, text.len())) == Some(text.as_bytes())
    };
    let is_within = |s: &Snapshot, at: u64, (name, _): &(&str, &str)| {
        let outer = run.facts.sub(name).map(|f| f.cv);
        let body = s.word(at).and_then(|cv| {
            let is_sub = out.sv_type(s, cv) == out.get_constant("SVt_PVCV");
            is_sub.then(|| s.word(cv))?
        });
        let mut members = (0..room).step_by(width as usize);
        body.is_some_and(|body| members.any(|o| outer.is_some() && s.word(body.at(o)) == outer))
    };
    let offsets = || (0..size).step_by(width as usize);
    let text: Vec<u64> = offsets().filter(|o| texts.fits(*o, is_text)).collect();
    let subs: Vec<u64> = offsets().filter(|o| texts.fits(*o, is_within)).collect();
    if let Some(place) = out.extra("context.blk_eval_cur_text", text) {
        out.pointer("context", "blk_eval_cur_text", place);
    }
    // 5.6 has none.
    if let [place] = subs.as_slice() {
        out.pointer("context", "blk_eval_cv", *place);
    }
    Ok(())
}
