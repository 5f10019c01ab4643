//! Solving for the context stack and the stack infos, from stops at known depths.

use super::calibrate::Calibration;
use super::facts::{DONE_FILE, NEST};
use super::ops::{OpIndex, execution};
use super::snapshot::{Offset, Snapshot};
use super::solution::{Solution, Unsolved, only};
use std::collections::HashSet;

/// No context is larger.
const MAX_CONTEXT: u64 = 512;
/// Bytes that perl sets aside for the first contexts (perl.c, init_stacks), and some.
const MAX_ROOM: u64 = 16 << 10;
/// No stack info is larger.
const MAX_INFO: u64 = 96;

/// What the variables are looked for with: the stack infos' addresses.
#[derive(Debug, Clone, Copy)]
pub struct Infos {
    /// Address of that of the program (PERLSI_MAIN).
    pub main: u64,
    /// That of the comparator.
    pub sort: u64,
    /// The main one's contexts.
    pub stack: ContextStack,
}

/// A context stack: where it starts, and the cell that says so.
#[derive(Debug, Clone, Copy)]
pub struct ContextStack {
    /// The first context.
    pub start: u64,
    /// Address of `si_cxstack`.
    cell: u64,
    /// Distance from that cell to `si_cxix`.
    cxix: i64,
}

/// Distances within a context, counted from its CV.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Nest {
    /// Where the outermost of the twelve CVs stands.
    first: u64,
    stride: u64,
    /// From the CV to `blk_oldcop`.
    oldcop: i64,
}

fn shift(address: u64, by: i64) -> u64 {
    address.wrapping_add_signed(by)
}

/// Solves for `struct context` and `struct stackinfo`.
///
/// # Errors
/// [`Unsolved`] for the first thing that has no answer, or two.
pub fn solve(
    run: &Calibration,
    numbers: &OpIndex<'_>,
    out: &mut Solution,
) -> Result<Infos, Unsolved> {
    let mut found = Vec::new();
    for nest in nests(run, out)? {
        for stack in stacks(run, nest)? {
            found.push((nest, stack));
        }
    }
    let (nest, stack) = only("context and stackinfo.si_cxix", found)?;
    let cv = (nest.first - stack.start) % nest.stride;
    out.embedded("context", "sizeof", nest.stride);
    out.pointer("context", "blk_sub_cv", cv);
    let oldcop = u64::try_from(cv as i64 + nest.oldcop)
        .ok()
        .filter(|o| *o < nest.stride)
        .ok_or(Unsolved::new("context.blk_oldcop", 0))?;
    out.pointer("context", "blk_oldcop", oldcop);
    let infos = infos(run, nest, cv, stack, out)?;
    kinds(run, stack, out)?;
    depth(run, out)?;
    returns(run, numbers, stack, out)?;
    Ok(infos)
}

/// The words that stand at equal distances and are the CVs of the nest; the call sites beside
/// them tell the context stack from other stacks.
fn nests(run: &Calibration, out: &Solution) -> Result<Vec<Nest>, Unsolved> {
    let s = run.stop("deep")?;
    let cvs: Vec<u64> = run.facts.nest().iter().map(|f| f.cv).collect();
    let start = out.get("xpvcv", "xcv_start").unwrap_or(0);
    let cops: Vec<Option<u64>> = cvs
        .iter()
        .map(|cv| s.word(s.word(*cv)?.checked_add(start)?))
        .collect();
    let places = s.places(&cvs.iter().copied().collect::<HashSet<u64>>());
    let of = |index: usize| cvs.get(index).and_then(|cv| places.get(cv));
    let (Some(firsts), Some(seconds)) = (of(0), of(1)) else {
        return Err(Unsolved::new("context.blk_sub_cv", 0));
    };
    let mut found = Vec::new();
    for first in firsts {
        for second in seconds.iter().filter(|p| *p > first) {
            let stride = second - first;
            let all = |k: u64| {
                let cv = cvs.get(k as usize).copied();
                s.word(first.at(k * stride)) == cv
            };
            if stride > MAX_CONTEXT || !(2..12).all(all) {
                continue;
            }
            let reach = stride as i64;
            for oldcop in (-reach..reach).step_by(s.width() as usize) {
                let calls = (1..12u64).all(|k| {
                    let cop = cops.get(k as usize - 1).copied().flatten();
                    cop.is_some() && s.word(shift(first + k * stride, oldcop)) == cop
                });
                if calls {
                    found.push(Nest {
                        first: *first,
                        stride,
                        oldcop,
                    });
                }
            }
        }
    }
    Ok(found)
}

/// Cells that point to the start of that stack with an index near them that follows its depth.
fn stacks(run: &Calibration, nest: Nest) -> Result<Vec<ContextStack>, Unsolved> {
    let (deep, five, eight, looped) = (
        run.stop("deep")?,
        run.stop("five")?,
        run.stop("eight")?,
        run.stop("looped")?,
    );
    let top = nest.first + 11 * nest.stride;
    let mut cells = Vec::new();
    deep.each_word(|cell, start| {
        if start <= nest.first && nest.first - start < MAX_ROOM {
            cells.push((cell, start));
        }
    });
    let mut found = Vec::new();
    for (cell, start) in cells {
        let index = ((top - start) / nest.stride) as i64;
        for cxix in (-64..64).step_by(4) {
            let value = |s: &Snapshot| s.int(shift(cell, cxix));
            let follows = value(deep) == Some(index)
                && value(five) == Some(index - 7)
                && value(eight) == Some(index - 4);
            // In a loop the top context is the loop's, while si_cxsubix stays with the sub.
            if follows && value(looped).is_some_and(|i| i > index - 11) {
                found.push(ContextStack { start, cell, cxix });
            }
        }
    }
    Ok(found)
}

/// The stack infos: the comparator's is linked to the main one both ways.
fn infos(
    run: &Calibration,
    nest: Nest,
    cv: u64,
    stack: ContextStack,
    out: &mut Solution,
) -> Result<Infos, Unsolved> {
    let (s, deep) = (run.stop("sort")?, run.stop("deep")?);
    let width = s.width();
    let compare = run.facts.sub("P5spyA::compare").map_or(0, |f| f.cv);
    let places = s.places(&HashSet::from([compare]));
    let mut cells = HashSet::new();
    for place in places.get(&compare).into_iter().flatten() {
        s.each_word(|cell, start| {
            let near = start <= *place && place - start < MAX_ROOM;
            if near && (place - start) % nest.stride == cv && cell != stack.cell {
                let index = ((place - start) / nest.stride) as i64;
                if s.int(shift(cell, stack.cxix)) == Some(index) {
                    cells.insert(cell);
                }
            }
        });
    }
    let mut found = Vec::new();
    for cell in cells {
        for cxstack in (0..=32).step_by(width as usize) {
            let (main, sort) = (stack.cell.wrapping_sub(cxstack), cell.wrapping_sub(cxstack));
            let cxix = cxstack as i64 + stack.cxix;
            if cxix < 0 {
                continue;
            }
            let links = |from: u64, to: u64| -> Vec<u64> {
                (0..MAX_INFO)
                    .step_by(width as usize)
                    .filter(|o| s.word(from.at(o)) == Some(to))
                    .collect()
            };
            for prev in links(sort, main) {
                if s.word(main.at(prev)) == Some(0) {
                    let nexts = links(main, sort);
                    found.extend(
                        nexts
                            .into_iter()
                            .map(|next| (cxstack, main, sort, prev, next)),
                    );
                }
            }
        }
    }
    let (cxstack, main, sort, prev, next) = only("stackinfo.si_prev and si_next", found)?;
    let cxix = (cxstack as i64 + stack.cxix) as u64;
    out.pointer("stackinfo", "si_cxstack", cxstack);
    out.pointer("stackinfo", "si_prev", prev);
    out.pointer("stackinfo", "si_next", next);
    out.int("stackinfo", "si_cxix", cxix, 4);
    let pointers = [cxstack, prev, next];
    let free = |o: &u64| *o != cxix && !pointers.iter().any(|p| (*p..p + width).contains(o));
    let value = |s: &Snapshot, info: u64, o: u64| s.int(info.at(o));
    // The index of the newest sub follows the depth, but not the loop.
    let (five, eight, looped) = (run.stop("five")?, run.stop("eight")?, run.stop("looped")?);
    let index = value(deep, main, cxix).unwrap_or(0);
    let newest: Vec<u64> = (0..MAX_INFO)
        .step_by(4)
        .filter(free)
        .filter(|o| {
            value(deep, main, *o) == Some(index)
                && value(five, main, *o) == Some(index - 7)
                && value(eight, main, *o) == Some(index - 4)
                && value(looped, main, *o) == Some(index - 11)
        })
        .collect();
    if !newest.is_empty() {
        let place = only("stackinfo.si_cxsubix", newest)?;
        out.int("stackinfo", "si_cxsubix", place, 4);
    }
    let cxsubix = out.get("stackinfo", "si_cxsubix");
    let rest = |o: &u64| free(o) && Some(*o) != cxsubix;
    let main_type = out.get_constant("PERLSI_MAIN").unwrap_or(1) as i64;
    let sort_type = out.get_constant("PERLSI_SORT").unwrap_or(3) as i64;
    let end = cxstack.max(prev).max(next).max(cxix) + 24;
    let types = (0..end.min(MAX_INFO))
        .step_by(4)
        .filter(rest)
        .filter(|o| value(s, main, *o) == Some(main_type) && value(s, sort, *o) == Some(sort_type))
        .collect();
    let si_type = only("stackinfo.si_type", types)?;
    out.int("stackinfo", "si_type", si_type, 4);
    // The main stack info has room for 8 KiB of contexts, others for 2 KiB (perl.c, cop.h).
    let fitting = |bytes: u64| (bytes / nest.stride) as i64 - 1;
    let room_for = |info: u64, bytes: u64, o: u64| {
        value(s, info, o)
            .is_some_and(|max| (fitting(bytes) - 1..=fitting(bytes) + 1).contains(&max))
    };
    let maxima = (0..end.min(MAX_INFO))
        .step_by(4)
        .filter(|o| rest(o) && *o != si_type)
        .filter(|o| room_for(main, 8192, *o) && room_for(sort, 2048, *o))
        .collect();
    out.int(
        "stackinfo",
        "si_cxmax",
        only("stackinfo.si_cxmax", maxima)?,
        4,
    );
    Ok(Infos { main, sort, stack })
}

/// Indexes of the contexts that hold the CVs of these subs.
pub fn indexes(
    run: &Calibration,
    s: &Snapshot,
    stack: ContextStack,
    out: &Solution,
    names: &[&str],
) -> Vec<u64> {
    let size = out.get("context", "sizeof").unwrap_or(1);
    let cv_place = out.get("context", "blk_sub_cv").unwrap_or(0);
    let top = s.int(shift(stack.cell, stack.cxix)).unwrap_or(-1);
    names
        .iter()
        .filter_map(|name| {
            let cv = run.facts.sub(name)?.cv;
            (0..=u64::try_from(top).ok()?.min(64))
                .rev()
                .find(|i| s.word(stack.start.at(i * size + cv_place)) == Some(cv))
        })
        .collect()
}

/// `cx_type`: in a stack of subs, an eval BLOCK and an eval STRING.
fn kinds(run: &Calibration, stack: ContextStack, out: &mut Solution) -> Result<(), Unsolved> {
    let s = run.stop("kinds")?;
    let names = [
        "P5spyB::block",
        "P5spyA::string",
        "P5spyB::bare",
        "P5spyA::noargs",
    ];
    let found = indexes(run, s, stack, out, &names);
    let [block, string, bare, noargs] = found.as_slice() else {
        return Err(Unsolved::new("context.cx_type", 0));
    };
    let constant = |name: &'static str| out.get_constant(name).ok_or(Unsolved::new(name, 0));
    let mask = constant("CXTYPEMASK")?;
    let (sub, eval) = (constant("CXt_SUB")?, constant("CXt_EVAL")?);
    let (real, tryblock) = (constant("CXp_REAL")?, constant("CXp_TRYBLOCK")?);
    let size = out.get("context", "sizeof").unwrap_or(1);
    let bytes = if real > 0xff { 2u8 } else { 1 };
    let word = |index: u64, o: u64, bytes: u8| {
        s.uint(stack.start.at(index * size + o), usize::from(bytes))
    };
    let is_sub = |index: u64, o: u64| word(index, o, bytes).map(|w| w & mask) == Some(sub);
    let is_eval = |index: u64, o: u64, has: u64, has_not: u64| {
        word(index, o, bytes).is_some_and(|w| w & mask == eval && w & has != 0 && w & has_not == 0)
    };
    let places = (0..16u64)
        .step_by(usize::from(bytes))
        .filter(|o| {
            [block, string, bare, noargs]
                .iter()
                .all(|i| is_sub(**i, *o))
                && is_eval(block + 1, *o, tryblock, real)
                && is_eval(string + 1, *o, real, tryblock)
        })
        .collect();
    let place = only("context.cx_type", places)?;
    // In 5.6 and 5.8 it has 32 bits; in 5.10 the number of the op stands behind it.
    let evals = [block + 1, string + 1];
    let start = s.twice_as_wide(place, 2);
    let same = |i: &u64| word(*i, start, 4) == word(*i, place, 2);
    match bytes == 2 && start <= place && evals.iter().all(same) {
        true => out.int("context", "cx_type", start, 4),
        false => out.int("context", "cx_type", place, bytes),
    }
    Ok(())
}

/// `xcv_depth`, in a sub that calls itself.
fn depth(run: &Calibration, out: &mut Solution) -> Result<(), Unsolved> {
    let (six, two, done) = (
        run.stop("save1-6")?,
        run.stop("save1-2")?,
        run.stop("last")?,
    );
    let body = |s: &Snapshot| s.word(run.facts.sub("P5spyA::save1")?.cv);
    let is = |s: &Snapshot, o: u64, depth: i64| body(s).and_then(|b| s.int(b.at(o))) == Some(depth);
    let places = (0..run.facts.body_room(done, |f| f.cv))
        .step_by(4)
        .filter(|o| is(six, *o, 7) && is(two, *o, 3) && is(done, *o, 0))
        .collect();
    out.int("xpvcv", "xcv_depth", only("xpvcv.xcv_depth", places)?, 4);
    Ok(())
}

/// Where subs and evals return to (since 5.10), and the file of `do FILE`.
fn returns(
    run: &Calibration,
    numbers: &OpIndex<'_>,
    stack: ContextStack,
    out: &mut Solution,
) -> Result<(), Unsolved> {
    let (deep, kinds, parse) = (run.stop("deep")?, run.stop("kinds")?, run.stop("parse")?);
    let size = out.get("context", "sizeof").unwrap_or(1);
    let width = deep.width();
    let behind = |s: &Snapshot, cv: u64, op: &str| {
        let number = numbers.get(op)?;
        let ops = execution(s, out, cv);
        let at = ops.iter().position(|(_, t)| *t == number)?;
        Some(ops.get(at + 1)?.0)
    };
    let members = |pairs: &[(&Snapshot, u64, Option<u64>)]| -> Vec<u64> {
        (0..size)
            .step_by(width as usize)
            .filter(|o| {
                pairs.iter().all(|(s, index, wanted)| {
                    wanted.is_some() && s.word(stack.start.at(index * size + o)) == *wanted
                })
            })
            .collect()
    };
    let names: Vec<&str> = NEST.iter().map(|(name, ..)| *name).collect();
    let nest = indexes(run, deep, stack, out, &names);
    let calls: Vec<(&Snapshot, u64, Option<u64>)> = nest
        .iter()
        .skip(1)
        .zip(run.facts.nest())
        .map(|(index, caller)| (deep, *index, behind(deep, caller.cv, "entersub")))
        .collect();
    let sub = members(&calls);
    let frames = indexes(run, kinds, stack, out, &["P5spyB::block", "P5spyA::string"]);
    let evals: Vec<(&Snapshot, u64, Option<u64>)> = frames
        .iter()
        .zip([
            ("P5spyB::block", "leavetry"),
            ("P5spyA::string", "entereval"),
        ])
        .map(|(index, (name, op))| {
            let cv = run.facts.sub(name).map_or(0, |f| f.cv);
            (kinds, index + 1, behind(kinds, cv, op))
        })
        .collect();
    let eval = members(&evals);
    let loader = indexes(run, parse, stack, out, &["P5spyA::loader"]);
    // Other evals have none; without that, something left over in the context might fit too.
    let unnamed = |o: u64| {
        frames
            .iter()
            .all(|index| kinds.word(stack.start.at((index + 1) * size + o)) == Some(0))
    };
    let names: Vec<u64> = (0..size)
        .step_by(width as usize)
        .filter(|o| unnamed(*o))
        .filter(|o| {
            loader.first().is_some_and(|index| {
                let sv = parse.word(stack.start.at((index + 1) * size + o));
                sv.is_some_and(|sv| sv != 0 && out.is_string(parse, sv, DONE_FILE))
            })
        })
        .collect();
    for (member, places) in [
        ("blk_sub_retop", sub),
        ("blk_eval_retop", eval),
        ("blk_eval_old_namesv", names),
    ] {
        // 5.6 and 5.8 have some of them elsewhere, and then they are left out.
        if let Ok(place) = only("", places) {
            out.pointer("context", member, place);
        }
    }
    Ok(())
}
