//! Solving for what ops refer to: branches, values, places in the pad, and methods.

use super::calibrate::Calibration;
use super::facts::{METHODS, UNFINISHED};
use super::ops::{OP, OpIndex, execution, follow, op_type};
use super::snapshot::{Offset, Snapshot};
use super::solution::{Solution, Unsolved};
use super::values::everywhere;
use std::collections::{HashMap, HashSet};

/// Solves for the members of ops that only some features need.
///
/// # Errors
/// [`Unsolved`] when the script lacks a stop.
pub fn solve(run: &Calibration, numbers: &OpIndex<'_>, out: &mut Solution) -> Result<(), Unsolved> {
    branches(run, numbers, out)?;
    lists(run, numbers, out)?;
    values(run, numbers, out)
}

/// `op_other`: from there, but neither from the condition nor from what comes next, a call is
/// reached.
fn branches(run: &Calibration, numbers: &OpIndex<'_>, out: &mut Solution) -> Result<(), Unsolved> {
    let s = run.stop("last")?;
    let next = out.get("op", "op_next").unwrap_or(0);
    let cv = run.facts.sub("P5spyA::branches").map_or(0, |f| f.cv);
    let kinds = ["and", "or", "cond_expr"].map(|name| numbers.get(name));
    let call = numbers.get("entersub");
    let ops = execution(s, out, cv);
    let branching: Vec<u64> = ops
        .iter()
        .copied()
        .filter(|(_, number)| kinds.contains(&Some(*number)))
        .map(|(op, _)| op)
        .collect();
    let calls = |op: u64, first: u64| {
        let after = s.word(op.at(next));
        let mut way = follow(s, first, next).into_iter();
        way.find_map(|step| {
            let over = step == op || Some(step) == after;
            let called = call.is_some() && op_type(s, out, step) == call;
            (over || called).then_some(called)
        })
    };
    // Ops stand close together, and one behind such an op may lead to the call, too.
    let gap = |op: &u64| {
        let behind = ops.iter().filter_map(|(other, _)| other.checked_sub(*op));
        behind.filter(|gap| *gap > 0).min()
    };
    let size = branching.iter().filter_map(gap).fold(OP, u64::min);
    let found = everywhere(&branching, size, s.width(), |op, o| {
        (o != next).then(|| calls(*op, s.word(op.at(o))?))?
    });
    if let Some(place) = out.extra("logop.op_other", found) {
        out.pointer("logop", "op_other", place);
    }
    Ok(())
}

/// `op_aux`: it leads to a list whose length stands before it, and which begins with some bits.
fn lists(run: &Calibration, numbers: &OpIndex<'_>, out: &mut Solution) -> Result<(), Unsolved> {
    /// The longest list of the script has fewer items.
    const MAX_ITEMS: u64 = 32;
    let Some(subscripts) = numbers.get("multideref") else {
        return Ok(());
    };
    let s = run.stop("last")?;
    // An item is a union of a pointer and an IV.
    let item = s.width().max(u64::from(out.iv_size));
    let cv = run.facts.sub("P5spyA::subscripts").map_or(0, |f| f.cv);
    let ops: Vec<u64> = execution(s, out, cv)
        .into_iter()
        .filter(|(_, number)| *number == subscripts)
        .map(|(op, _)| op)
        .collect();
    let lengths = |o: u64| -> Option<Vec<u64>> {
        let length = |op: &u64| {
            let list = s.word(op.at(o))?;
            let length = s.uint(list.checked_sub(item)?, item as usize)?;
            let begins = s.word(list)?;
            (begins > 0 && length <= MAX_ITEMS).then_some(length)
        };
        ops.iter().map(length).collect()
    };
    let grow = |l: &Vec<u64>| l.len() == 3 && l.is_sorted_by(|a, b| a < b);
    let places = (0..OP).step_by(s.width() as usize);
    let found: Vec<u64> = places
        .filter(|o| lengths(*o).as_ref().is_some_and(grow))
        .collect();
    if let Some(place) = out.extra("unop_aux.op_aux", found) {
        out.pointer("unop_aux", "op_aux", place);
    }
    Ok(())
}

/// `op_sv` and, where method calls have a structure of their own, `op_meth_sv`: while their sub is
/// being compiled.
fn values(run: &Calibration, numbers: &OpIndex<'_>, out: &mut Solution) -> Result<(), Unsolved> {
    let s = run.stop("begin")?;
    let heads = strings(s, out, UNFINISHED.iter().chain(&METHODS));
    let wanted: HashSet<u64> = heads.values().flatten().copied().collect();
    let places = s.places(&wanted);
    let members = |texts: &[&str], op: &str| -> Vec<u64> {
        let number = numbers.get(op);
        let of_text = |text: &str| heads.get(text).into_iter().flatten();
        let holds = |text: &&str, o: u64| {
            let mut cells = of_text(text).flat_map(|sv| places.get(sv).into_iter().flatten());
            Some(cells.any(|cell| {
                let op = cell.wrapping_sub(o);
                number.is_some() && op_type(s, out, op) == number && is_op(s, out, op)
            }))
        };
        everywhere(texts, OP, s.width(), holds)
    };
    let constants = members(&UNFINISHED, "const");
    let methods = members(&METHODS, "method_named");
    if let Some(place) = out.extra("svop.op_sv", constants) {
        out.pointer("svop", "op_sv", place);
    }
    // Both came with 5.22.
    if numbers.get("method_redir").is_some()
        && let Some(place) = out.extra("methop.op_meth_sv", methods)
    {
        out.pointer("methop", "op_meth_sv", place);
    }
    Ok(())
}

/// True when what is there has a sibling that is nothing or somewhere, and no children.
fn is_op(s: &Snapshot, out: &Solution, op: u64) -> bool {
    let kids = out.get_constant("OPf_KIDS").unwrap_or(4);
    let pointer = |member: &str| {
        let word = out.get("op", member).and_then(|o| s.word(op.at(o)));
        word.is_some_and(|word| word == 0 || s.contains(word))
    };
    let flags = out.read(s, op, "op", "op_flags");
    pointer("op_next") && pointer("op_sibling") && flags.is_some_and(|f| f & kids == 0)
}

/// The heads of the values whose string is one of these texts.
fn strings<'t>(
    s: &Snapshot,
    out: &Solution,
    texts: impl Iterator<Item = &'t &'static str>,
) -> HashMap<&'static str, Vec<u64>> {
    let mut starts: HashMap<u64, &'static str> = HashMap::new();
    for text in texts {
        starts.extend(s.texts(text).into_iter().map(|at| (at, *text)));
    }
    let mut found: HashMap<&'static str, Vec<u64>> = HashMap::new();
    let of_starts = s.places(&starts.keys().copied().collect());
    let cells = of_starts.iter().flat_map(|(start, cells)| {
        let text = starts.get(start).copied().unwrap_or_default();
        cells.iter().map(move |cell| (*cell, text))
    });
    match out.get("xpv", "xpv_pv") {
        None => {
            let place = out.get("sv", "sv_u").unwrap_or(0);
            for (cell, text) in cells {
                found
                    .entry(text)
                    .or_default()
                    .push(cell.wrapping_sub(place));
            }
        }
        Some(place) => {
            let bodies: HashMap<u64, &'static str> = cells
                .map(|(cell, text)| (cell.wrapping_sub(place), text))
                .collect();
            let heads = s.places(&bodies.keys().copied().collect());
            for (body, heads) in heads {
                let text = bodies.get(&body).copied().unwrap_or_default();
                found.entry(text).or_default().extend(heads);
            }
        }
    }
    found
}

/// `op_padix`, in threaded builds: globs are in the pad of the sub.
pub fn in_pad(
    run: &Calibration,
    numbers: &OpIndex<'_>,
    out: &mut Solution,
) -> Result<(), Unsolved> {
    let s = run.stop("last")?;
    let cv = run.facts.sub("P5spyA::ops").map_or(0, |f| f.cv);
    let pad = out.pad(s, cv, 1).and_then(|pad| out.elements(s, pad));
    let pad = pad.unwrap_or_default();
    let globs = ["g1", "g2"].map(|name| run.facts.globs.get(name).copied());
    let variable = numbers.get("gvsv");
    let ops: Vec<u64> = execution(s, out, cv)
        .into_iter()
        .filter(|(_, number)| Some(*number) == variable)
        .map(|(op, _)| op)
        .collect();
    let value = out.get("svop", "op_sv").unwrap_or(0);
    let itself = |op: &u64| s.word(op.at(value)) == globs[0];
    if ops.first().is_some_and(itself) {
        // Unthreaded.
        return Ok(());
    }
    let in_pad = |op: u64, o: u64| {
        let index = s.uint(op.at(o), 4)?;
        pad.get(usize::try_from(index).ok()?).copied()
    };
    // The first statement looks at one variable, the addition at both.
    let found: Vec<u64> = (0..OP)
        .step_by(4)
        .filter(|o| {
            let values: Vec<Option<u64>> = ops.iter().take(3).map(|op| in_pad(*op, *o)).collect();
            values.len() == 3 && values == [globs[0], globs[0], globs[1]] && !globs.contains(&None)
        })
        .collect();
    if let Some(place) = out.extra("padop.op_padix", found) {
        let start = place - place % s.width();
        let wide = |op: &u64| s.word(op.at(start)) == s.uint(op.at(place), 4);
        match ops.iter().all(wide) {
            true => out.int("padop", "op_padix", start, s.width() as u8),
            false => out.int("padop", "op_padix", place, 4),
        }
    }
    Ok(())
}
