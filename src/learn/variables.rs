//! Solving for the interpreter's variables: cells that follow what is known at every stop.

use super::calibrate::Calibration;
use super::contexts::Infos;
use super::ops::{OpIndex, execution};
use super::snapshot::{Offset, Snapshot};
use super::solution::{Solution, Unsolved, only};
use std::collections::BTreeMap;

/// No perl's `struct interpreter` is larger.
const MAX_INTERPRETER: u64 = 8 << 10;

/// The script has some dozen temporaries at a time; other things that perl counts along with them,
/// such as all values, are many.
const MAX_TEMPORARIES: u64 = 256;

/// Where the variables are: addresses in the calibrated process.
#[derive(Debug, Clone, Default)]
pub struct Cells {
    /// Where the others may be.
    pub near: Vec<(u64, u64)>,
    /// Address by the schema's name.
    pub cells: BTreeMap<&'static str, u64>,
    /// Bytes of those that are not pointers.
    pub sizes: BTreeMap<&'static str, u8>,
}

impl Cells {
    /// A variable that is a pointer.
    pub fn pointer(&mut self, name: &'static str, address: u64) {
        self.cells.insert(name, address);
    }

    /// A variable that is an integer.
    pub fn int(&mut self, name: &'static str, address: u64, size: u8) {
        self.cells.insert(name, address);
        self.sizes.insert(name, size);
    }
}

/// The stops whose innermost sub is known: its statement and the op that reads.
pub const LEAVES: [(&str, &str); 8] = [
    ("deep", "P5spyA::n12"),
    ("five", "P5spyA::n12"),
    ("kinds", "P5spyA::noargs"),
    ("sort", "P5spyA::compare"),
    ("save1-2", "P5spyA::save1"),
    ("save2-2", "P5spyA::save2"),
    ("temp1-2", "P5spyA::temp1"),
    ("args-2", "P5spyA::args"),
];

/// Finds the cells of the variables that have no other home than the interpreter.
///
/// # Errors
/// [`Unsolved`] for the first thing that has no answer, or two.
pub fn solve(
    run: &Calibration,
    numbers: &OpIndex<'_>,
    infos: Infos,
    data: &[(u64, u64)],
    out: &Solution,
) -> Result<Cells, Unsolved> {
    let mut found = Cells::default();
    let info = cells(run, &[], |stop| {
        Some(if stop == "sort" {
            infos.sort
        } else {
            infos.main
        })
    })?;
    found.pointer("Icurstackinfo", only("PL_curstackinfo", info)?);
    let near = neighbourhood(run, &found, data)?;
    let mut leaves = BTreeMap::new();
    for (stop, sub) in LEAVES {
        let leaf = run.facts.sub(sub).and_then(|f| {
            let ops = execution(run.stop(stop).ok()?, out, f.cv);
            let reading = ops
                .iter()
                .position(|(_, t)| Some(*t) == numbers.get("sysread"))?;
            let before = ops.get(..reading)?;
            let statement = before
                .iter()
                .rev()
                .find(|(_, t)| Some(*t) == numbers.get("nextstate"))?;
            Some((statement.0, ops.get(reading)?.0))
        });
        leaves.insert(stop, leaf.ok_or(Unsolved::new("PL_op", 0))?);
    }
    let of_leaf =
        |pick: fn((u64, u64)) -> u64| cells(run, &near, |stop| leaves.get(stop).copied().map(pick));
    found.pointer("Icurcop", only("PL_curcop", of_leaf(|(cop, _)| cop)?)?);
    found.pointer("Iop", only("PL_op", of_leaf(|(_, op)| op)?)?);
    stacks(run, &near, &mut found)?;
    depths(run, &near, &mut found)?;
    compiling(run, &near, &mut found)?;
    found.near = near;
    Ok(found)
}

/// The cells that hold the wanted word at every stop of [`LEAVES`]; `near` limits where.
pub fn cells(
    run: &Calibration,
    near: &[(u64, u64)],
    wanted: impl Fn(&str) -> Option<u64>,
) -> Result<Vec<u64>, Unsolved> {
    let mut found: Option<Vec<u64>> = None;
    for (stop, _) in LEAVES {
        let s = run.stop(stop)?;
        let word = wanted(stop);
        found = Some(match found {
            None => {
                let mut all = Vec::new();
                s.each_word(|address, value| {
                    if Some(value) == word && inside(near, address) {
                        all.push(address);
                    }
                });
                all
            }
            Some(all) => all.into_iter().filter(|a| s.word(*a) == word).collect(),
        });
    }
    Ok(found.unwrap_or_default())
}

fn inside(near: &[(u64, u64)], address: u64) -> bool {
    near.is_empty() || inside_of(near, address)
}

fn inside_of(ranges: &[(u64, u64)], address: u64) -> bool {
    ranges.iter().any(|(a, b)| (*a..*b).contains(&address))
}

/// Where the other variables may be: in the same interpreter, or in the data of the same file.
fn neighbourhood(
    run: &Calibration,
    found: &Cells,
    data: &[(u64, u64)],
) -> Result<Vec<(u64, u64)>, Unsolved> {
    let cell = found.cells.get("Icurstackinfo").copied().unwrap_or(0);
    if inside_of(data, cell) {
        return Ok(data.to_vec());
    }
    let s = run.stop("deep")?;
    let start = s.start_of(cell).unwrap_or(cell);
    let first = cell.saturating_sub(MAX_INTERPRETER).max(start);
    Ok(vec![(first, cell + MAX_INTERPRETER)])
}

/// Words of a neighbourhood for which `holds` says yes.
pub fn words(
    s: &Snapshot,
    near: &[(u64, u64)],
    step: u64,
    holds: impl Fn(u64) -> bool,
) -> Vec<u64> {
    near.iter()
        .flat_map(|(a, b)| (a.next_multiple_of(step)..*b).step_by(step as usize))
        .filter(|address| holds(*address))
        .filter(|address| s.contains(*address))
        .collect()
}

/// `PL_stack_sp`, `PL_stack_base` and `PL_markstack_ptr`, from calls that wait for their last
/// argument.
fn stacks(run: &Calibration, near: &[(u64, u64)], found: &mut Cells) -> Result<(), Unsolved> {
    let (deep, shallow) = (run.stop("args-6")?, run.stop("args-2")?);
    let width = deep.width();
    let scalar = |name: &str| run.facts.scalar(name).unwrap_or(0);
    let (m1, m2) = (scalar("m1"), scalar("m2"));
    let pair_at =
        |address: u64| deep.word(address) == Some(m1) && deep.word(address.at(width)) == Some(m2);
    let mut pairs = Vec::new();
    deep.each_word(|address, word| {
        if word == m1 && pair_at(address) {
            pairs.push(address);
        }
    });
    let run_of_seven = |first: &&u64| (0..7).all(|k| pair_at(**first + k * 2 * width));
    let first = pairs.iter().find(run_of_seven).copied();
    let first = first.ok_or(Unsolved::new("PL_stack_base", 0))?;
    let last = first + 14 * width;
    let four_levels = 8 * width;
    let sp = words(deep, near, width, |a| {
        let (six, two) = (deep.word(a), shallow.word(a));
        six.is_some_and(|v| {
            (last - width..last + 8 * width).contains(&v) && two == v.checked_sub(four_levels)
        })
    });
    found.pointer("Istack_sp", only("PL_stack_sp", sp)?);
    let sort = run.stop("sort")?;
    let base = words(deep, near, width, |a| {
        let here = deep.word(a);
        here.is_some_and(|v| v <= first && first - v < 64 * width)
            && shallow.word(a) == here
            && sort.word(a) != here
    });
    found.pointer("Istack_base", only("PL_stack_base", base)?);
    // One mark waits at each level, of 32 bits, or of a pointer's size where stacks are huge.
    let (temps, less) = (run.stop("temp1-6")?, run.stop("temp1-2")?);
    let (plain, same) = (run.stop("save1-6")?, run.stop("save1-2")?);
    let grown = |a: u64, six: &Snapshot, two: &Snapshot| six.word(a)?.checked_sub(two.word(a)?);
    let sp_cell = found.cells.get("Istack_sp").copied();
    let marks = words(deep, near, width, |a| {
        let grows = grown(a, deep, shallow);
        matches!(grows, Some(16 | 32))
            && grown(a, temps, less) == grows
            && grown(a, plain, same) == Some(0)
            && deep.word(a).is_some_and(|v| deep.contains(v))
            && Some(a) != sp_cell
    });
    found.pointer("Imarkstack_ptr", only("PL_markstack_ptr", marks)?);
    Ok(())
}

/// `PL_savestack_ix` and `PL_tmps_ix`, which grow by what each level of a recursion adds.
fn depths(run: &Calibration, near: &[(u64, u64)], found: &mut Cells) -> Result<(), Unsolved> {
    let (one, one_less) = (run.stop("save1-6")?, run.stop("save1-2")?);
    let (three, three_less) = (run.stop("save2-6")?, run.stop("save2-2")?);
    let (temp, temp_less) = (run.stop("temp1-6")?, run.stop("temp1-2")?);
    let (more, more_less) = (run.stop("temp2-6")?, run.stop("temp2-2")?);
    let per_level = |a: u64, six: &Snapshot, two: &Snapshot| {
        let grown = six.int(a)? - two.int(a)?;
        let sane = (1..1 << 16).contains(&two.int(a)?);
        (grown % 4 == 0 && sane).then_some(grown / 4)
    };
    // A local variable takes three entries; the number of all values, which grows too, by one.
    let saves = words(one, near, 4, |a| {
        let slopes = per_level(a, one, one_less).zip(per_level(a, three, three_less));
        slopes.is_some_and(|(x, y)| x >= 2 && y - x >= 4)
    });
    found.int("Isavestack_ix", only("PL_savestack_ix", saves)?, 4);
    let width = temp.width();
    let temps = words(temp, near, 4, |a| {
        let slopes = per_level(a, temp, temp_less).zip(per_level(a, more, more_less));
        slopes.is_some_and(|(x, y)| x >= 1 && y > x) && names_a_temporary(temp, near, a)
    });
    // PL_tmps_floor moves in step, below.
    let highest = temps.iter().filter_map(|a| temp.int(*a)).max();
    let top: Vec<u64> = temps
        .into_iter()
        .filter(|a| temp.int(*a) == highest)
        .collect();
    let place = only("PL_tmps_ix", top)?;
    let around = |s: &Snapshot| s.word_around(place);
    match around(temp) {
        Some(start) if [temp_less, more].iter().all(|s| around(s) == Some(start)) => {
            found.int("Itmps_ix", start, width as u8);
        }
        _ => found.int("Itmps_ix", place, 4),
    }
    Ok(())
}

/// True when some stack of the interpreter has an SV at the index in that cell.
fn names_a_temporary(s: &Snapshot, near: &[(u64, u64)], cell: u64) -> bool {
    let Some(index) = s.uint(cell, 4).filter(|i| *i < MAX_TEMPORARIES) else {
        return false;
    };
    let is_value = |sv: u64| {
        sv != 0
            && s.word(sv).is_some()
            && s.uint(sv.at(s.width()), 4)
                .is_some_and(|count| (1..1 << 20).contains(&count))
    };
    let stack = |a: u64| {
        s.word(a).is_some_and(|base| {
            s.contains(base)
                && (0..=index).rev().take(4).all(|i| {
                    s.word(base.wrapping_add(i * s.width()))
                        .is_some_and(is_value)
                })
        })
    };
    !words(s, near, s.width(), stack).is_empty()
}

/// `PL_compiling`: the statement while more of a file is awaited.
fn compiling(run: &Calibration, near: &[(u64, u64)], found: &mut Cells) -> Result<(), Unsolved> {
    let curcop = found.cells.get("Icurcop").copied().unwrap_or(0);
    let compiling = run.stop("parse")?.word(curcop);
    let compiling = compiling.filter(|a| inside(near, *a));
    let compiling = compiling.ok_or(Unsolved::new("PL_compiling", 0))?;
    found.pointer("Icompiling", compiling);
    Ok(())
}
