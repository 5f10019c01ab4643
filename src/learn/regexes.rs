//! Solving for match ops and their patterns.

use super::calibrate::Calibration;
use super::facts::PATTERNS;
use super::ops::{OP, OpIndex, execution};
use super::snapshot::{Offset, Snapshot};
use super::solution::{Solution, Unsolved};
use super::values::everywhere;
use super::variables::{Cells, words};
use crate::memory::Field;

/// No compiled regex has what is looked for further on.
const MAX_REGEX: u64 = 256;
/// Our regexes are among the first.
const MAX_INDEX: u64 = 1000;
/// `(?^msixpn:` is the longest of what may stand in front of a pattern, and `(?^:` the shortest.
const PREFIX: std::ops::Range<u64> = 4..12;

/// A regex: its structure, or since 5.12 the head of its value; and its pattern.
type Regex = (u64, &'static str);

/// Solves for `struct pmop`, `struct regexp` and `PL_regex_pad`.
///
/// # Errors
/// [`Unsolved`] when the script lacks a stop.
pub fn solve(
    run: &Calibration,
    numbers: &OpIndex<'_>,
    out: &mut Solution,
    cells: &mut Cells,
) -> Result<(), Unsolved> {
    let s = run.stop("last")?;
    let cv = run.facts.sub("P5spyA::matches").map_or(0, |f| f.cv);
    let number = numbers.get("match");
    let ops: Vec<(u64, &'static str)> = execution(s, out, cv)
        .into_iter()
        .filter(|(_, op)| Some(*op) == number)
        .map(|(op, _)| op)
        .zip(PATTERNS)
        .collect();
    if ops.len() != PATTERNS.len() {
        out.left_out.push(Unsolved::new("struct pmop", 0));
        return Ok(());
    }
    let direct = everywhere(&ops, OP, s.width(), |(op, pattern), o| {
        Some(is_regex(s, out, (s.word(op.at(o))?, pattern)))
    });
    let regexes = if direct.is_empty() {
        through_pad(s, &ops, out, cells)
    } else {
        out.extra("pmop.op_pmregexp", direct).and_then(|place| {
            out.pointer("pmop", "op_pmregexp", place);
            ops.iter()
                .map(|(op, pattern)| Some((s.word(op.at(place))?, *pattern)))
                .collect()
        })
    };
    if let Some(regexes) = regexes {
        if are_values(out) {
            values(s, &regexes, out);
        } else {
            structures(s, &regexes, out);
        }
    }
    Ok(())
}

/// Since 5.12 a regex is a value.
fn are_values(out: &Solution) -> bool {
    out.get_constant("SVt_REGEXP").is_some()
}

/// `op_pmoffset` and `PL_regex_pad`: the regexes of threaded builds since 5.8.
fn through_pad(
    s: &Snapshot,
    ops: &[(u64, &'static str)],
    out: &mut Solution,
    cells: &mut Cells,
) -> Option<Vec<Regex>> {
    let width = s.width();
    let index = |op: u64, o: u64| s.word(op.at(o)).filter(|index| *index < MAX_INDEX);
    let offsets: Vec<u64> = (0..OP)
        .step_by(width as usize)
        .filter(|o| {
            let found: Option<Vec<u64>> = ops.iter().map(|(op, _)| index(*op, *o)).collect();
            found.is_some_and(|mut all| {
                all.sort_unstable();
                all.dedup();
                all.len() == ops.len()
            })
        })
        .collect();
    let regex = |base: u64, op: u64, o: u64| {
        let value = s.word(base.at(index(op, o)? * width))?;
        if are_values(out) {
            return Some(value);
        }
        out.read(s, s.word(value)?, "xpviv", "xiv_iv")
    };
    let mut found = Vec::new();
    for o in offsets {
        let leads = |cell: u64| {
            s.word(cell).is_some_and(|base| {
                ops.iter().all(|(op, pattern)| {
                    regex(base, *op, o).is_some_and(|r| is_regex(s, out, (r, pattern)))
                })
            })
        };
        found.extend(
            words(s, &cells.near, width, leads)
                .into_iter()
                .map(|cell| (o, cell)),
        );
    }
    let regexes = |(o, cell): (u64, u64)| -> Option<Vec<Regex>> {
        let base = s.word(cell)?;
        let all = ops.iter().map(|(op, p)| Some((regex(base, *op, o)?, *p)));
        all.collect()
    };
    let regexes = found.first().and_then(|first| regexes(*first));
    let (place, cell) = out.extra("pmop.op_pmoffset and PL_regex_pad", found)?;
    out.word(s, "pmop", "op_pmoffset", place);
    cells.pointer("Iregex_pad", cell);
    regexes
}

/// How far into the text at `start` the pattern begins.
fn prefix(s: &Snapshot, start: u64, pattern: &str) -> Option<u64> {
    if s.bytes(start, 2)? != b"(?" {
        return None;
    }
    let mut prefixes = PREFIX;
    prefixes.find(|k| s.has_text(start.at(k), &format!("{pattern})")))
}

/// True when at that place there is a pointer to the pattern.
fn plain(s: &Snapshot, at: u64, pattern: &str) -> bool {
    let text = s.word(at).and_then(|start| s.bytes(start, pattern.len()));
    text == Some(pattern.as_bytes())
}

fn is_regex(s: &Snapshot, out: &Solution, (regex, pattern): Regex) -> bool {
    let mut offsets = (0..MAX_REGEX).step_by(s.width() as usize);
    if !s.contains(regex) {
        return false;
    }
    if !are_values(out) {
        return offsets.any(|o| plain(s, regex.at(o), pattern));
    }
    if out.sv_type(s, regex) != out.get_constant("SVt_REGEXP") {
        return false;
    }
    let wrapped = |at: u64| s.word(at).and_then(|start| prefix(s, start, pattern));
    let head = out.get("sv", "sv_u").and_then(|o| wrapped(regex.at(o)));
    let body = s.word(regex).unwrap_or(0);
    head.is_some() || offsets.any(|o| wrapped(body.at(o)).is_some())
}

/// `precomp` and `prelen`.
fn structures(s: &Snapshot, regexes: &[Regex], out: &mut Solution) {
    let patterns = everywhere(regexes, MAX_REGEX, s.width(), |(regex, pattern), o| {
        Some(plain(s, regex.at(o), pattern))
    });
    if let Some(place) = out.extra("regexp.precomp", patterns) {
        out.pointer("regexp", "precomp", place);
    }
    let lengths = everywhere(regexes, MAX_REGEX, 4, |(regex, pattern), o| {
        Some(s.uint(regex.at(o), 4)? == pattern.len() as u64)
    });
    if let Some(place) = out.extra("regexp.prelen", lengths) {
        out.int("regexp", "prelen", place, 4);
    }
}

/// Where the string is, and `pre_prefix`, which has four bits.
fn values(s: &Snapshot, regexes: &[Regex], out: &mut Solution) {
    let head = out.get("sv", "sv_u").unwrap_or(0);
    let start_of = |at: u64, pattern: &str| {
        let start = s.word(at)?;
        prefix(s, start, pattern)
    };
    let in_head = everywhere(regexes, 1, 1, |(sv, pattern), _| {
        start_of(sv.at(head), pattern).map(|_| true)
    });
    let mut place = None;
    if in_head.is_empty() {
        let in_body = everywhere(regexes, MAX_REGEX, s.width(), |(sv, pattern), o| {
            start_of(s.word(*sv)?.at(o), pattern).map(|_| true)
        });
        place = out.extra("regexp.xpvlenu_pv", in_body);
        let Some(place) = place else { return };
        out.pointer("regexp", "xpvlenu_pv", place);
    }
    let mut found = Vec::new();
    for shift in [0u8, 4] {
        let places = everywhere(regexes, MAX_REGEX, 1, |(sv, pattern), o| {
            let body = s.word(*sv)?;
            let at = place.map_or(sv.at(head), |place| body.at(place));
            let length = start_of(at, pattern)?;
            Some(s.uint(body.at(o), 1)? >> shift & 0xf == length)
        });
        found.extend(places.into_iter().map(|o| (o, shift)));
    }
    if let Some((place, shift)) = out.extra("regexp.pre_prefix", found) {
        let offset = u32::try_from(place).unwrap_or(u32::MAX);
        let field = Field {
            shift,
            bits: 4,
            ..Field::whole(offset, 1)
        };
        out.bits("regexp", "pre_prefix", field);
    }
}
