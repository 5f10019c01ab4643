//! Solving for variables of the interpreter that only some features need.

use super::calibrate::Calibration;
use super::ops::{OpIndex, execution};
use super::snapshot::{Offset, Snapshot};
use super::solution::{Solution, Unsolved};
use super::variables::{Cells, LEAVES, cells, words};

/// Statements that perl may compile beside those of an eval.
const FEW: u32 = 16;

/// Finds their cells; what has no answer is left out.
///
/// # Errors
/// [`Unsolved`] when the script lacks a stop.
pub fn solve(
    run: &Calibration,
    numbers: &OpIndex<'_>,
    out: &mut Solution,
    found: &mut Cells,
) -> Result<(), Unsolved> {
    pad(run, out, found)?;
    main_program(run, out, found)?;
    phase(run, out, found)?;
    compiled(run, numbers, out, found)?;
    debugger(run, found)?;
    extensions(run, out, found)
}

/// `PL_curpad`: the elements of the innermost sub's pad.
fn pad(run: &Calibration, out: &mut Solution, found: &mut Cells) -> Result<(), Unsolved> {
    let of_leaf = |stop: &str| {
        let (_, name) = LEAVES.iter().find(|(leaf, _)| *leaf == stop)?;
        let cv = run.facts.sub(name)?.cv;
        let s = run.stops.get(stop)?;
        let depth = out.read(s, s.word(cv)?, "xpvcv", "xcv_depth")?;
        // In 5.6 a comparator is no call.
        out.array_of(s, out.pad(s, cv, depth.max(1))?)
    };
    let found_cells = cells(run, &found.near, of_leaf)?;
    if let Some(cell) = out.extra("PL_curpad", found_cells) {
        found.pointer("Icurpad", cell);
    }
    Ok(())
}

/// `PL_main_cv`: the one sub that is outer to all named subs.
fn main_program(run: &Calibration, out: &mut Solution, found: &mut Cells) -> Result<(), Unsolved> {
    let s = run.stop("last")?;
    let nest = run.facts.nest();
    let common = |o: u64| {
        let mut outer = nest.iter().map(|f| s.word(s.word(f.cv)?.at(o)));
        let first = outer.next()??;
        outer.all(|other| other == Some(first)).then_some(first)
    };
    let is_sub = |cv: &u64| {
        *cv != 0 && s.contains(*cv) && out.sv_type(s, *cv) == out.get_constant("SVt_PVCV")
    };
    let room = run.facts.body_room(s, |f| f.cv);
    let outer = (0..room).step_by(s.width() as usize);
    let outer: Vec<u64> = outer.filter_map(common).filter(is_sub).collect();
    let Some(main) = out.extra("PL_main_cv", outer) else {
        return Ok(());
    };
    let (begin, parse) = (run.stop("begin")?, run.stop("parse")?);
    let all = [s, begin, parse];
    let holds = |a: u64| all.iter().all(|s| s.word(a) == Some(main));
    let cells = words(s, &found.near, s.width(), holds);
    if let Some(cell) = out.extra("PL_main_cv", cells) {
        found.pointer("Imain_cv", cell);
    }
    Ok(())
}

/// `PL_phase` (since 5.14): counts what a program goes through.
fn phase(run: &Calibration, out: &mut Solution, found: &mut Cells) -> Result<(), Unsolved> {
    if !run.facts.phase {
        return Ok(());
    }
    let phases = [
        (run.stop("begin")?, 1),
        (run.stop("check")?, 2),
        (run.stop("init")?, 3),
        (run.stop("deep")?, 4),
        (run.stop("last")?, 4),
    ];
    let holds = |a: u64| phases.iter().all(|(s, phase)| s.int(a) == Some(*phase));
    let cells = words(run.stop("last")?, &found.near, 4, holds);
    if let Some(cell) = out.extra("PL_phase", cells) {
        found.int("Iphase", cell, 4);
    }
    Ok(())
}

/// `PL_cop_seqmax`: between stops, subs are compiled, whose statements have numbers below it.
fn compiled(
    run: &Calibration,
    numbers: &OpIndex<'_>,
    out: &mut Solution,
    found: &mut Cells,
) -> Result<(), Unsolved> {
    let last = run.stop("last")?;
    let (before, between, after) = (run.stop("deep")?, run.stop("five")?, run.stop("eight")?);
    let statement = numbers.get("nextstate");
    let statements = |name: &str| -> Option<(u32, u32)> {
        let ops = execution(last, out, run.facts.sub(name)?.cv);
        let own = ops.iter().filter(|(_, number)| Some(*number) == statement);
        let mut seqs = own.filter_map(|(op, _)| {
            let seq = out.read(last, *op, "cop", "cop_seq")?;
            u32::try_from(seq).ok()
        });
        let first = seqs.next()?;
        Some((first, seqs.next_back()?))
    };
    let Some((one, two)) = statements("P5spyA::late1").zip(statements("P5spyA::late2")) else {
        out.left_out.push(Unsolved::new("PL_cop_seqmax", 0));
        return Ok(());
    };
    // They may have begun below 0.
    let is_just_above = |max: u32, seq: u32| (1..=FEW).contains(&max.wrapping_sub(seq));
    let is_just_below = |max: u32, seq: u32| seq.wrapping_sub(max) <= FEW;
    let holds = |a: u64| {
        let max = |s: &Snapshot| u32::try_from(s.uint(a, 4)?).ok();
        let (Some(before), Some(between), Some(after)) = (max(before), max(between), max(after))
        else {
            return false;
        };
        is_just_below(before, one.0)
            && is_just_above(between, one.1)
            && is_just_below(between, two.0)
            && is_just_above(after, two.1)
    };
    let cells = words(last, &found.near, 4, holds);
    if let Some(cell) = out.extra("PL_cop_seqmax", cells) {
        found.int("Icop_seqmax", cell, 4);
    }
    Ok(())
}

/// `PL_DBsub`.
fn debugger(run: &Calibration, found: &mut Cells) -> Result<(), Unsolved> {
    let last = run.stop("last")?;
    let glob = run.facts.globs.get("DB::sub").copied();
    let cells = words(last, &found.near, last.width(), |a| {
        glob.is_some() && last.word(a) == glob
    });
    if let Some(cell) = nearest(found, cells) {
        found.pointer("IDBsub", cell);
    }
    Ok(())
}

/// `PL_modglobal`, by what modules leave there.
fn extensions(run: &Calibration, out: &Solution, found: &mut Cells) -> Result<(), Unsolved> {
    let (deep, last) = (run.stop("deep")?, run.stop("last")?);
    // What the stack pointers lead to could look like a hash.
    let known = |a: u64| found.cells.values().any(|cell| *cell == a);
    let hashes = words(last, &found.near, last.width(), |a| {
        last.word(a).is_some_and(|hv| {
            hv != 0
                && !known(a)
                && deep.word(a) == Some(hv)
                && out.sv_type(last, hv) == out.get_constant("SVt_PVHV")
                && has_key(last, out, hv, &["Time::NVtime", "threads::_pool"])
                // PL_strtab has every key of every hash.
                && !has_key(last, out, hv, &["p5spyone"])
        })
    });
    if let Some(cell) = nearest(found, hashes) {
        found.pointer("Imodglobal", cell);
    }
    Ok(())
}

/// What lies behind the interpreter may point to the same things; the variable is the nearest.
fn nearest(found: &Cells, cells: Vec<u64>) -> Option<u64> {
    let curcop = found.cells.get("Icurcop").copied().unwrap_or(0);
    cells.into_iter().min_by_key(|cell| cell.abs_diff(curcop))
}

fn has_key(s: &Snapshot, out: &Solution, hv: u64, prefixes: &[&str]) -> bool {
    let max = out.hash_max(s, hv).unwrap_or(0);
    let array = out.array_of(s, hv).unwrap_or(0);
    let place = |member: &str| out.get("he", member).unwrap_or(0);
    let (next, hek, key) = (
        place("hent_next"),
        place("hent_hek"),
        out.get("hek", "hek_key").unwrap_or(0),
    );
    (0..=max.min(1 << 14)).any(|i| {
        let first = s.word(array.wrapping_add(i * s.width())).unwrap_or(0);
        std::iter::successors(Some(first), |e| s.word(e.wrapping_add(next)))
            .take_while(|e| *e != 0)
            .take(32)
            .filter_map(|e| s.word(e.wrapping_add(hek)))
            .any(|h| {
                let at = h.wrapping_add(key);
                prefixes
                    .iter()
                    .any(|p| s.bytes(at, p.len()) == Some(p.as_bytes()))
            })
    })
}
