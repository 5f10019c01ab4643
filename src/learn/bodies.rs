//! Solving for what only some features need of values: owners, numbers with a fraction, arrays,
//! classes, and the C functions of XSUBs.

use super::facts::{CalibrationFacts, MAX_BODY};
use super::snapshot::{Offset, Snapshot};
use super::solution::Solution;
use super::values::{MAX_HEAD, everywhere};

/// Solves for what values have beside what every feature needs; what has no answer is left out.
pub fn solve(s: &Snapshot, facts: &CalibrationFacts, code: &[(u64, u64)], out: &mut Solution) {
    owners(s, facts, out);
    floats(s, facts, out);
    arrays(s, facts, out);
    classes(s, facts, out);
    functions(s, facts, code, out);
}

fn owners(s: &Snapshot, facts: &CalibrationFacts, out: &mut Solution) {
    let found = everywhere(&facts.references, MAX_HEAD, 4, |(sv, count), o| {
        Some(s.uint(sv.at(o), 4)? == *count)
    });
    if let Some(place) = out.extra("sv.sv_refcnt", found) {
        out.int("sv", "sv_refcnt", place, 4);
    }
}

fn floats(s: &Snapshot, facts: &CalibrationFacts, out: &mut Solution) {
    let found = everywhere(&facts.floats, MAX_BODY, 4, |(sv, bytes), o| {
        Some(s.bytes(s.word(*sv)?.at(o), bytes.len())? == bytes.as_slice())
    });
    if let Some(place) = out.extra("xpvnv.xnv_nv", found) {
        out.embedded("xpvnv", "xnv_nv", place);
    }
}

fn arrays(s: &Snapshot, facts: &CalibrationFacts, out: &mut Solution) {
    let width = s.width();
    if let [first, ..] = facts.arrays.as_slice()
        && let Some(number) = out.sv_type(s, first.av)
    {
        out.constant("SVt_PVAV", number);
    }
    let fill = everywhere(&facts.arrays, MAX_BODY, width, |array, o| {
        Some(s.word(s.word(array.av)?.at(o))? == array.fill)
    });
    if let Some(place) = out.extra("xpvav.xav_fill", fill) {
        out.word(s, "xpvav", "xav_fill", place);
    }
    if out.get("sv", "sv_u").is_some() {
        return;
    }
    let elements = everywhere(&facts.arrays, MAX_BODY, width, |array, o| {
        Some(s.word(s.word(s.word(array.av)?.at(o))?)? == array.first)
    });
    if let Some(place) = out.extra("xpvav.xav_array", elements) {
        out.pointer("xpvav", "xav_array", place);
    }
}

fn classes(s: &Snapshot, facts: &CalibrationFacts, out: &mut Solution) {
    let found = everywhere(&facts.objects, MAX_BODY, s.width(), |(sv, class), o| {
        Some(s.word(s.word(*sv)?.at(o))? == *facts.stashes.get(class)?)
    });
    if let Some(place) = out.extra("xpvmg.xmg_stash", found) {
        out.pointer("xpvmg", "xmg_stash", place);
    }
}

/// `xcv_xsub`: each has another function, while the name of the file that has it is the same.
fn functions(s: &Snapshot, facts: &CalibrationFacts, code: &[(u64, u64)], out: &mut Solution) {
    let room = facts.body_room(s, |f| f.cv);
    let function = |cv: u64, o: u64| {
        let at = s.word(s.word(cv)?.at(o))?;
        let holds = |(start, end): &(u64, u64)| (*start..*end).contains(&at);
        code.iter().any(holds).then_some(at)
    };
    let found = (0..room).step_by(s.width() as usize).filter(|o| {
        let all: Option<Vec<u64>> = facts.xsubs.iter().map(|cv| function(*cv, *o)).collect();
        all.is_some_and(|mut all| {
            let count = all.len();
            all.sort_unstable();
            all.dedup();
            count > 1 && all.len() == count
        })
    });
    if let Some(place) = out.extra("xpvcv.xcv_xsub", found.collect()) {
        out.embedded("xpvcv", "xcv_xsub", place);
    }
}
