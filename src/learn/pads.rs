//! Solving for pads: where a sub has its lexical variables, their names, and where these are seen.

use super::calibrate::Calibration;
use super::facts::{CAPTURED, OURS, PADS_DEPTH, SCOPES, ScriptLexical};
use super::ops::{OpIndex, execution};
use super::snapshot::{Offset, Snapshot};
use super::solution::{Solution, Unsolved};
use super::values::everywhere;
use crate::memory::Field;
use std::collections::HashMap;

/// No structure of pads is larger.
const MAX_STRUCTURE: u64 = 64;

/// Subs that are never called within themselves, with names in their pads and without.
const PLAIN: [&str; 4] = [
    "P5spyA::n01",
    "P5spyB::n11",
    "P5spyA::ops",
    "P5spyA::closure",
];

/// Solves for everything that leads to lexical variables.
///
/// # Errors
/// [`Unsolved`] when the script lacks a stop.
pub fn solve(run: &Calibration, numbers: &OpIndex<'_>, out: &mut Solution) -> Result<(), Unsolved> {
    let s = run.stop("pads")?;
    let cv = |name: &str| run.facts.sub(name).map_or(0, |f| f.cv);
    if lists(s, run, out).is_none() {
        return Ok(());
    }
    names(s, run, out);
    let (Some(scopes), Some(closure)) = (
        PadNamePlaces::of(s, out, cv("P5spyA::pads")),
        PadNamePlaces::of(s, out, cv("P5spyA::closure")),
    ) else {
        out.left_out.push(Unsolved::new("names of variables", 0));
        return Ok(());
    };
    let statements = lines(s, out, numbers, cv("P5spyA::pads"));
    if out.get("padname", "xpadn_pv").is_some() {
        structures(s, run, out, &scopes, &closure);
        ranges(
            s,
            out,
            &scopes,
            &statements,
            ("padname", "xpadn_low", "xpadn_high"),
        );
    } else if out.get("sv", "sv_u").is_some() {
        // Before 5.10 a number with a fraction and an integer tell.
        ranges(s, out, &scopes, &statements, ("xpvnv", "xlow", "xhigh"));
    }
    Ok(())
}

/// `xcv_padlist`, and what is in it: an array, or since 5.18 a structure.
fn lists(s: &Snapshot, run: &Calibration, out: &mut Solution) -> Option<()> {
    let width = s.width();
    let list_of = |cv: u64, o: u64| s.word(s.word(cv)?.at(o));
    let cv = run.facts.sub("P5spyA::pads")?.cv;
    let holds = |start: u64, lexical: &ScriptLexical| {
        let pad = s.word(start.at(lexical.depth * width))?;
        Some(out.elements(s, pad)?.contains(&lexical.address))
    };
    let lexicals = &run.facts.lexicals;
    let leads = |start: u64| lexicals.iter().all(|l| holds(start, l) == Some(true));
    let (mut arrays, mut structures) = (Vec::new(), Vec::new());
    for o in (0..run.facts.body_room(s, |f| f.cv)).step_by(width as usize) {
        let Some(list) = list_of(cv, o).filter(|list| *list != 0) else {
            continue;
        };
        if out.sv_type(s, list) == out.get_constant("SVt_PVAV")
            && out.array_of(s, list).is_some_and(leads)
        {
            arrays.push(o);
            continue;
        }
        let starts = (0..MAX_STRUCTURE).step_by(width as usize);
        structures.extend(
            starts
                .filter(|a| s.word(list.at(a)).is_some_and(leads))
                .map(|a| (o, a)),
        );
    }
    if !arrays.is_empty() {
        let place = out.extra("xpvcv.xcv_padlist", arrays)?;
        out.pointer("xpvcv", "xcv_padlist", place);
        return Some(());
    }
    let (place, alloc) = out.extra("xpvcv.xcv_padlist", structures)?;
    out.pointer("xpvcv", "xcv_padlist", place);
    out.pointer("padlist", "xpadl_alloc", alloc);
    // There is room for one pad at first, and then for some more than are used.
    let max = |cv: u64, o: u64| s.word(list_of(cv, place)?.at(o));
    let plain = PLAIN.iter().filter_map(|name| run.facts.sub(name));
    let plain: Vec<u64> = plain.map(|f| f.cv).collect();
    let maxima = everywhere(&plain, MAX_STRUCTURE, width, |plain, o| {
        let room = PADS_DEPTH..PADS_DEPTH * 8;
        Some(max(*plain, o)? == 1 && room.contains(&max(cv, o)?))
    });
    if let Some(max) = out.extra("padlist.xpadl_max", maxima) {
        out.word(s, "padlist", "xpadl_max", max);
    }
    Some(())
}

/// The list of names: an array of strings, or since 5.22 a structure that leads to structures.
fn names(s: &Snapshot, run: &Calibration, out: &mut Solution) {
    let width = s.width();
    let cv = run.facts.sub("P5spyA::pads").map_or(0, |f| f.cv);
    let Some((list, pad)) = out.pad(s, cv, 0).zip(out.pad(s, cv, 1)) else {
        return;
    };
    if out.sv_type(s, list) == out.get_constant("SVt_PVAV") && out.elements(s, list).is_some() {
        return;
    }
    let values = out.elements(s, pad).unwrap_or_default();
    let outermost = run.facts.lexicals.iter().filter(|l| l.depth == 1);
    let places: Vec<(u64, &str)> = outermost
        .filter_map(|l| {
            let index = values.iter().position(|sv| *sv == l.address)?;
            Some((index as u64 * width, l.name.as_str()))
        })
        .collect();
    let mut found = Vec::new();
    for alloc in (0..MAX_STRUCTURE).step_by(width as usize) {
        let start = s.word(list.at(alloc)).unwrap_or(0);
        let texts = everywhere(&places, MAX_STRUCTURE, width, |(place, text), o| {
            let name = s.word(start.at(place))?;
            Some(s.has_text(s.word(name.at(o))?, text))
        });
        found.extend(texts.into_iter().map(|text| (alloc, text)));
    }
    let Some((alloc, text)) = out.extra("padnamelist.xpadnl_alloc and padname.xpadn_pv", found)
    else {
        return;
    };
    out.pointer("padnamelist", "xpadnl_alloc", alloc);
    out.pointer("padname", "xpadn_pv", text);
    // Temporaries have entries behind those with names.
    let subs = PLAIN.iter().chain(&["P5spyA::pads", "P5spyA::branches"]);
    let lists: Vec<(u64, u64)> = subs
        .filter_map(|name| {
            let cv = run.facts.sub(name)?.cv;
            let pad = out.elements(s, out.pad(s, cv, 1)?)?;
            Some((out.pad(s, cv, 0)?, pad.len() as u64 - 1))
        })
        .collect();
    let fill = everywhere(&lists, MAX_STRUCTURE, width, |(list, fill), o| {
        Some(s.word(list.at(o))? == *fill)
    });
    if let Some(fill) = out.extra("padnamelist.xpadnl_fill", fill) {
        out.word(s, "padnamelist", "xpadnl_fill", fill);
    }
}

/// Where the names of a sub's variables have what is told of them: structures, or the bodies of
/// strings.
struct PadNamePlaces(HashMap<String, u64>);

impl PadNamePlaces {
    fn of(s: &Snapshot, out: &Solution, cv: u64) -> Option<Self> {
        let list = out.pad(s, cv, 0)?;
        let structures = out.get("padnamelist", "xpadnl_alloc");
        let names = match structures {
            None => out.elements(s, list)?,
            Some(place) => {
                let count = out.read(s, list, "padnamelist", "xpadnl_fill")?.min(100);
                let start = s.word(list.at(place))?;
                (0..=count)
                    .map(|index| s.word(start.at(index * s.width())))
                    .collect::<Option<Vec<u64>>>()?
            }
        };
        let known = SCOPES
            .iter()
            .map(|(name, ..)| *name)
            .chain([OURS, CAPTURED]);
        let mut found = HashMap::new();
        for text in known {
            let named = |name: &&u64| match out.get("padname", "xpadn_pv") {
                Some(place) => {
                    let start = s.word(name.at(place));
                    start.is_some_and(|start| s.has_text(start, text))
                }
                None => out.is_string(s, **name, text),
            };
            if let Some(name) = names.iter().filter(|name| **name != 0).find(named) {
                let at = if structures.is_some() {
                    Some(*name)
                } else {
                    s.word(*name)
                };
                found.insert(text.to_owned(), at?);
            }
        }
        Some(PadNamePlaces(found))
    }

    fn get(&self, name: &str) -> Option<u64> {
        self.0.get(name).copied()
    }
}

/// `cop_seq` of a sub's statements by their lines.
fn lines(s: &Snapshot, out: &Solution, numbers: &OpIndex<'_>, cv: u64) -> HashMap<u64, u64> {
    let statement = numbers.get("nextstate");
    execution(s, out, cv)
        .into_iter()
        .filter(|(_, number)| Some(*number) == statement)
        .filter_map(|(op, _)| {
            let line = out.read(s, op, "cop", "cop_line")?;
            Some((line, out.read(s, op, "cop", "cop_seq")?))
        })
        .collect()
}

/// The statements that see a variable: numbers that lie between those of the statements around.
fn ranges(
    s: &Snapshot,
    out: &mut Solution,
    names: &PadNamePlaces,
    lines: &HashMap<u64, u64>,
    (structure, low, high): (&'static str, &'static str, &'static str),
) {
    // They may have begun below 0.
    let order = |seq: u64| i64::from((seq as u32).cast_signed());
    let seq = |line: u64| lines.get(&line).map(|seq| order(*seq));
    let is_between = |value: i64, from: Option<i64>, to: Option<i64>| {
        let from = from?;
        Some((from..to.unwrap_or(from + 64)).contains(&value))
    };
    let value = |name: &str, o: u64| s.uint(names.get(name)?.at(o), 4).map(order);
    let lows = everywhere(
        &SCOPES,
        MAX_STRUCTURE,
        4,
        |(name, declared, next, ..), o| {
            is_between(value(name, o)?, seq(*declared), Some(seq(*next)?))
        },
    );
    let highs = everywhere(&SCOPES, MAX_STRUCTURE, 4, |(name, _, _, last, after), o| {
        let end = match after {
            Some(line) => Some(seq(*line)?),
            None => None,
        };
        is_between(value(name, o)?, seq(*last), end)
    });
    let (low_name, high_name) = match structure {
        "padname" => ("padname.xpadn_low", "padname.xpadn_high"),
        _ => ("xpvnv.xlow", "xpvnv.xhigh"),
    };
    if let Some(place) = out.extra(low_name, lows) {
        out.int(structure, low, place, 4);
    }
    if let Some(place) = out.extra(high_name, highs) {
        out.int(structure, high, place, 4);
    }
}

/// What else a name's structure has.
fn structures(
    s: &Snapshot,
    run: &Calibration,
    out: &mut Solution,
    scopes: &PadNamePlaces,
    closure: &PadNamePlaces,
) {
    let own: Vec<(&str, u64)> = SCOPES
        .iter()
        .filter_map(|(name, ..)| Some((*name, scopes.get(name)?)))
        .collect();
    let (Some(ours), Some(captured)) = (scopes.get(OURS), closure.get(CAPTURED)) else {
        return;
    };
    let stash = run.facts.stashes.get("P5spyA").copied();
    let packages = everywhere(&own, MAX_STRUCTURE, s.width(), |(_, name), o| {
        Some(s.word(name.at(o))? == 0 && s.word(ours.at(o)) == stash)
    });
    if let Some(place) = out.extra("padname.xpadn_ourstash", packages) {
        out.pointer("padname", "xpadn_ourstash", place);
    }
    let mut all = own.clone();
    all.extend([(OURS, ours), (CAPTURED, captured)]);
    let lengths = everywhere(&all, MAX_STRUCTURE, 1, |(text, name), o| {
        Some(s.uint(name.at(o), 1)? == text.len() as u64)
    });
    if let Some(place) = out.extra("padname.xpadn_len", lengths) {
        out.int("padname", "xpadn_len", place, 1);
    }
    let Some(outer) = out.get_constant("PADNAMEt_OUTER") else {
        return;
    };
    let is_outer = |name: u64, o: u64| Some(s.uint(name.at(o), 1)? & outer != 0);
    let known: Vec<Field> = [
        "xpadn_pv",
        "xpadn_ourstash",
        "xpadn_low",
        "xpadn_high",
        "xpadn_len",
    ]
    .iter()
    .filter_map(|member| out.field("padname", member))
    .collect();
    let is_known = |o: u64| {
        let mut fields = known.iter();
        fields.any(|f| (u64::from(f.offset)..f.end() as u64).contains(&o))
    };
    // The text of a name that is not captured stands right behind its structure (pad.h).
    let start = out.get("padname", "xpadn_pv").unwrap_or(0);
    let sizes = own
        .iter()
        .filter_map(|(_, name)| s.word(name.at(start))?.checked_sub(*name));
    let size = sizes.fold(MAX_STRUCTURE, u64::min);
    let flags = everywhere(&own, size, 1, |(_, name), o| {
        Some(!is_known(o) && !is_outer(*name, o)? && is_outer(captured, o)?)
    });
    if let Some(place) = out.extra("padname.xpadn_flags", flags) {
        out.int("padname", "xpadn_flags", place, 1);
    }
}
