//! Solving for values: heads, strings, integers, subs, globs, hashes and packages.

use super::facts::{CalibrationFacts, MAX_BODY as BODY, STRINGS, ScriptSub};
use super::snapshot::{Offset, Snapshot};
use super::solution::{Solution, Unsolved, only};

/// Solves for everything that needs no op and no stack.
///
/// # Errors
/// [`Unsolved`] for the first thing that has no answer, or two.
pub fn solve(s: &Snapshot, facts: &CalibrationFacts, out: &mut Solution) -> Result<(), Unsolved> {
    head(s, facts, out)?;
    strings(s, facts, out)?;
    integers(s, facts, out)?;
    subs(s, facts, out)?;
    globs(s, facts, out)?;
    hashes(s, facts, out)?;
    packages(s, facts, out)
}

/// The offsets below `limit` at which every one of `items` passes.
pub fn everywhere<T>(
    items: &[T],
    limit: u64,
    step: u64,
    holds: impl Fn(&T, u64) -> Option<bool>,
) -> Vec<u64> {
    (0..limit)
        .step_by(step as usize)
        .filter(|o| !items.is_empty() && items.iter().all(|item| holds(item, *o) == Some(true)))
        .collect()
}

/// Bytes of a value's head, at most: its union is aligned to eight where a 64-bit integer is (sv.h).
pub const MAX_HEAD: u64 = 24;

/// The one thing taken for granted: `sv_any`, `sv_refcnt` and `sv_flags` come first, in this
/// order (sv.h, all versions).
fn head(s: &Snapshot, facts: &CalibrationFacts, out: &mut Solution) -> Result<(), Unsolved> {
    out.pointer("sv", "sv_any", 0);
    out.int("sv", "sv_flags", s.width() + 4, 4);
    let type_of = |sv: u64| out.sv_type(s, sv);
    let all_of = |what, addresses: Vec<u64>| {
        let mut types: Vec<Option<u64>> = addresses.into_iter().map(type_of).collect();
        types.dedup();
        let known = types.into_iter().flatten().collect();
        only(what, known)
    };
    let subs = &facts.subs;
    let cv = all_of("SVt_PVCV", subs.iter().map(|f| f.cv).collect())?;
    let gv = all_of("SVt_PVGV", subs.iter().map(|f| f.gv).collect())?;
    let hv = all_of("SVt_PVHV", facts.stashes.values().copied().collect())?;
    let lv = all_of("SVt_PVLV", facts.scalar("lvalue").into_iter().collect())?;
    let fm = facts.scalar("format").filter(|a| *a != 0).and_then(type_of);
    for (name, value) in [
        ("SVt_PVCV", cv),
        ("SVt_PVGV", gv),
        ("SVt_PVHV", hv),
        ("SVt_PVLV", lv),
    ] {
        out.constant(name, value);
    }
    if let Some(value) = fm {
        out.constant("SVt_PVFM", value);
    }
    Ok(())
}

fn body(s: &Snapshot, sv: u64) -> Option<u64> {
    s.word(sv)
}

fn strings(s: &Snapshot, facts: &CalibrationFacts, out: &mut Solution) -> Result<(), Unsolved> {
    let known: Vec<(u64, u64, &str)> = STRINGS
        .iter()
        .filter_map(|(name, text)| {
            let (address, length) = facts.scalars.get(*name)?;
            Some((*address, u64::try_from(*length).ok()?, *text))
        })
        .collect();
    let starts =
        |at: Option<u64>, text: &str| Some(s.bytes(s.word(at?)?, text.len())? == text.as_bytes());
    let in_head: Vec<u64> = everywhere(&known, MAX_HEAD, 4, |(sv, _, text), o| {
        starts(Some(sv + o), text)
    });
    let in_body = everywhere(&known, BODY, s.width(), |(sv, _, text), o| {
        starts(body(s, *sv).map(|b| b.at(o)), text)
    });
    match (in_head.as_slice(), in_body.as_slice()) {
        ([place], _) => out.embedded("sv", "sv_u", *place),
        ([], [place]) => out.pointer("xpv", "xpv_pv", *place),
        _ => {
            return Err(Unsolved::new(
                "sv.sv_u or xpv.xpv_pv",
                in_head.len() + in_body.len(),
            ));
        }
    }
    let cur = everywhere(&known, BODY, s.width(), |(sv, length, _), o| {
        Some(s.word(body(s, *sv)?.at(o))? == *length)
    });
    out.word(s, "xpv", "xpv_cur", only("xpv.xpv_cur", cur)?);
    Ok(())
}

fn integers(s: &Snapshot, facts: &CalibrationFacts, out: &mut Solution) -> Result<(), Unsolved> {
    let known: Vec<(u64, i64)> = ["i1", "i2", "i3"]
        .iter()
        .filter_map(|name| facts.scalars.get(*name).copied())
        .collect();
    for size in [8u8, 4] {
        let mask = u64::MAX >> (64 - u32::from(size) * 8);
        let found = everywhere(&known, BODY, 4, |(sv, value), o| {
            let at = body(s, *sv)?.wrapping_add(o);
            Some(s.uint(at, usize::from(size))? == value.cast_unsigned() & mask)
        });
        if !found.is_empty() {
            let place = only("xpviv.xiv_iv", found)?;
            out.int("xpviv", "xiv_iv", place, size);
            out.iv_size = size;
            return Ok(());
        }
    }
    Err(Unsolved::new("xpviv.xiv_iv", 0))
}

fn subs(s: &Snapshot, facts: &CalibrationFacts, out: &mut Solution) -> Result<(), Unsolved> {
    let nest: Vec<&ScriptSub> = facts.nest();
    let room = facts.body_room(s, |f| f.cv);
    let equals = |pick: fn(&ScriptSub) -> u64| {
        everywhere(&nest, room, s.width(), |sub, o| {
            Some(s.word(body(s, sub.cv)?.at(o))? == pick(sub))
        })
    };
    out.pointer(
        "xpvcv",
        "xcv_stash",
        only("xpvcv.xcv_stash", equals(|f| f.stash))?,
    );
    out.pointer("xpvcv", "xcv_gv", only("xpvcv.xcv_gv", equals(|f| f.gv))?);
    // An lvalue sub has one more flag than the subs of the nest, which are all alike, and a sub
    // without a name has other flags.
    let flags = |cv: u64, o: u64| s.uint(body(s, cv)?.at(o), 2);
    let in_pointer = |o: &u64| {
        let at = nest
            .first()
            .and_then(|f| Some(body(s, f.cv)?.at(o & !(s.width() - 1))));
        at.and_then(|at| s.word(at)).is_some_and(|p| s.contains(p))
    };
    let lvalue = facts.sub("P5spyA::value").map_or(0, |f| f.cv);
    let found = (0..room).step_by(2).filter(|o| {
        if in_pointer(o) {
            return false;
        }
        let Some(common) = nest.first().and_then(|f| flags(f.cv, *o)) else {
            return false;
        };
        let added = flags(lvalue, *o).map(|f| (f ^ common, f & !common));
        let alike = nest.iter().all(|f| flags(f.cv, *o) == Some(common));
        let one_more = added.is_some_and(|(all, new)| all == new && [2, 4, 0x100].contains(&new));
        let nameless = flags(facts.anon, *o);
        alike && one_more && nameless.is_some_and(|f| f != common && f & common == common)
    });
    let place = only("xpvcv.xcv_flags", found.collect())?;
    // Since 5.20 they have 32 bits; what lies above 16 matters where there are lexical subs.
    match out.get_constant("CVf_LEXICAL") {
        Some(_) => out.int("xpvcv", "xcv_flags", s.twice_as_wide(place, 2), 4),
        None => out.int("xpvcv", "xcv_flags", place, 2),
    }
    Ok(())
}

/// How far from a pointer's target a name stands, and (for a HEK) where its length is.
fn name_at(s: &Snapshot, pointer: u64, name: &str) -> Vec<u64> {
    (0..=16)
        .step_by(4)
        .filter(|k| s.has_text(pointer.at(k), name))
        .collect()
}

fn globs(s: &Snapshot, facts: &CalibrationFacts, out: &mut Solution) -> Result<(), Unsolved> {
    let subs: Vec<&ScriptSub> = facts.subs.iter().collect();
    let room = facts.body_room(s, |f| f.gv);
    let place = |k: u64| {
        everywhere(&subs, room, s.width(), |sub, o| {
            let pointer = s.word(body(s, sub.gv)?.at(o))?;
            Some(name_at(s, pointer, sub.own_name()).contains(&k))
        })
    };
    let mut found = Vec::new();
    for k in (0..=16).step_by(4) {
        found.extend(place(k).into_iter().map(|o| (k, o)));
    }
    let (key, name) = only("xpvgv.xgv_namehek", found)?;
    if key == 0 {
        out.pointer("xpvgv", "xgv_name", name);
        let lengths = everywhere(&subs, room, s.width(), |sub, o| {
            Some(s.word(body(s, sub.gv)?.at(o))? == sub.own_name().len() as u64)
        });
        let length = only("xpvgv.xgv_namelen", lengths)?;
        out.word(s, "xpvgv", "xgv_namelen", length);
    } else {
        out.pointer("xpvgv", "xgv_namehek", name);
        hek(s, out, key, &|o| {
            subs.iter().all(|sub| {
                let pointer = body(s, sub.gv).and_then(|b| s.word(b.at(name)));
                pointer.and_then(|p| s.uint(p.at(o), 4)) == Some(sub.own_name().len() as u64)
            })
        })?;
    }
    let stash = everywhere(&subs, room, s.width(), |sub, o| {
        Some(s.word(body(s, sub.gv)?.at(o))? == sub.stash)
    });
    out.pointer("xpvgv", "xgv_stash", only("xpvgv.xgv_stash", stash)?);
    let gp_of = |sub: &ScriptSub, place: GpPlace| match place {
        GpPlace::Head(o) => s.word(sub.gv.at(o)),
        GpPlace::Body(o) => s.word(body(s, sub.gv)?.at(o)),
    };
    let mut places: Vec<GpPlace> = out
        .get("sv", "sv_u")
        .map(GpPlace::Head)
        .into_iter()
        .collect();
    if places.is_empty() {
        places.extend((0..room).step_by(s.width() as usize).map(GpPlace::Body));
    }
    let mut found = Vec::new();
    for place in places {
        let at = |pick: fn(&ScriptSub) -> u64| {
            everywhere(&subs, 128, s.width(), |sub, o| {
                Some(s.word(gp_of(sub, place)?.at(o))? == pick(sub))
            })
        };
        for cv in at(|f| f.cv) {
            found.extend(at(|f| f.gv).into_iter().map(|egv| (place, cv, egv)));
        }
    }
    let (place, cv, egv) = only("gp.gp_cv and gp.gp_egv", found)?;
    if let GpPlace::Body(o) = place {
        out.pointer("xpvgv", "xgv_gp", o);
    }
    out.pointer("gp", "gp_cv", cv);
    out.pointer("gp", "gp_egv", egv);
    Ok(())
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum GpPlace {
    Head(u64),
    Body(u64),
}

/// Where in a HEK its length is; its text is at `key`.
fn hek(
    s: &Snapshot,
    out: &mut Solution,
    key: u64,
    is_length: &dyn Fn(u64) -> bool,
) -> Result<(), Unsolved> {
    let lengths = (0..key).step_by(4).filter(|o| is_length(*o)).collect();
    out.int("hek", "hek_len", only("hek.hek_len", lengths)?, 4);
    out.embedded("hek", "hek_key", key);
    let _ = s;
    Ok(())
}

fn hashes(s: &Snapshot, facts: &CalibrationFacts, out: &mut Solution) -> Result<(), Unsolved> {
    let hash = |name: &str| facts.hashes.get(name).copied().unwrap_or(0);
    // How many buckets perl makes for a number of keys varies, but for four times as many keys it
    // makes four times as many.
    let buckets = |hv: u64, o: u64| s.uint(body(s, hv)?.at(o), 4)?.checked_add(1);
    let places = (0..64).step_by(4).filter(|o| {
        let counts = buckets(hash("h1"), *o).zip(buckets(hash("h2"), *o));
        counts.is_some_and(|(many, few)| {
            few >= 256 && few.is_power_of_two() && many == 4 * few && many < 1 << 20
        })
    });
    let max = only("xpvhv.xhv_max", places.collect())?;
    // cperl has 32 bits there, and something else behind them or in front.
    let start = max - max % s.width();
    let whole = ["h1", "h2"].iter().all(|name| {
        let count = |at: u64, size: u64| s.uint(body(s, hash(name))?.at(at), size as usize);
        count(start, s.width()).is_some_and(|n| Some(n) == count(max, 4))
    });
    match whole {
        true => out.int("xpvhv", "xhv_max", start, s.width() as u8),
        false => out.int("xpvhv", "xhv_max", max, 4),
    }
    let entry = |name: &str| {
        let array = out.array_of(s, hash(name))?;
        let last = out.hash_max(s, hash(name))?;
        (0..=last).find_map(|i| s.word(array.at(i * s.width())).filter(|e| *e != 0))
    };
    let entries: Vec<(u64, u64, &str)> = [("h1", "p5spyone"), ("h2", "p5spytwotwo")]
        .iter()
        .filter_map(|(hash, key)| Some((entry(hash)?, *facts.values.get(*hash)?, *key)))
        .collect();
    let width = s.width();
    let value = everywhere(&entries, 4 * width, width, |(e, value, _), o| {
        Some(s.word(e.at(o))? == *value)
    });
    let value = only("he.hent_val", value)?;
    let mut found = Vec::new();
    for k in (4..=16).step_by(4) {
        let at = everywhere(&entries, 4 * width, width, |(e, _, key), o| {
            Some(name_at(s, s.word(e.at(o))?, key).contains(&k))
        });
        found.extend(at.into_iter().map(|o| (k, o)));
    }
    let (key, hek_place) = only("he.hent_hek", found)?;
    if out.get("hek", "hek_key").is_none() {
        hek(s, out, key, &|o| {
            entries.iter().all(|(e, _, text)| {
                let pointer = s.word(e.at(hek_place));
                pointer.and_then(|p| s.uint(p.at(o), 4)) == Some(text.len() as u64)
            })
        })?;
    }
    // Forty keys cannot all be alone in their buckets.
    let array = out.array_of(s, hash("h3")).unwrap_or(0);
    let buckets = out.hash_max(s, hash("h3")).unwrap_or(0);
    let next = (0..value.max(hek_place) + width)
        .step_by(width as usize)
        .filter(|o| *o != value && *o != hek_place && count_keys(s, array, buckets, *o) == 40);
    let next = only("he.hent_next", next.collect())?;
    out.pointer("he", "hent_val", value);
    out.pointer("he", "hent_hek", hek_place);
    out.pointer("he", "hent_next", next);
    Ok(())
}

fn count_keys(s: &Snapshot, array: u64, buckets: u64, next: u64) -> usize {
    (0..=buckets.min(1 << 12))
        .map(|i| {
            let first = s.word(array.at(i * s.width())).unwrap_or(0);
            std::iter::successors(Some(first), |e| s.word(e.at(next)))
                .take_while(|e| *e != 0)
                .take(64)
                .count()
        })
        .sum()
}

fn packages(s: &Snapshot, facts: &CalibrationFacts, out: &mut Solution) -> Result<(), Unsolved> {
    let stash = |name: &str| facts.stashes.get(name).copied().unwrap_or(0);
    let (plain, doubled) = (stash("P5spyA"), stash("P5spyB"));
    let width = s.width();
    let key = out.get("hek", "hek_key").unwrap_or(0);
    let is_name = |at: Option<u64>, k: u64| {
        let pointer = at.and_then(|at| s.word(at));
        pointer.is_some_and(|p| s.has_text(p.at(k), "P5spyA"))
    };
    let body_of_plain = body(s, plain);
    let in_body = |k: u64| -> Vec<u64> {
        let places = (0..BODY).step_by(width as usize);
        places
            .filter(|o| is_name(body_of_plain.map(|b| b.at(o)), k))
            .collect()
    };
    let old = in_body(0);
    if !old.is_empty() {
        let place = only("xpvhv.xhv_name", old)?;
        out.pointer("xpvhv", "xhv_name", place);
        return Ok(());
    }
    let known = out.clone();
    let behind = |hv: u64| {
        let buckets = known.hash_max(s, hv)?.checked_add(1)?;
        known
            .array_of(s, hv)?
            .checked_add(buckets.checked_mul(width)?)
    };
    let embedded = in_body(key);
    let aux_of_plain = behind(plain);
    let separate: Vec<u64> = (0..64)
        .step_by(width as usize)
        .filter(|o| is_name(aux_of_plain.map(|a| a.at(o)), key))
        .collect();
    let (aux, name) = match (embedded.as_slice(), separate.as_slice()) {
        ([place], []) => {
            let place = *place;
            out.embedded("xpvhv_with_aux", "xhv_aux", place);
            (body(s, doubled).map(|b| b.at(place)), 0)
        }
        ([], [place]) => (behind(doubled), *place),
        _ => {
            let found = embedded.len() + separate.len();
            return Err(Unsolved::new("xpvhv_aux.xhv_name_u", found));
        }
    };
    out.pointer("xpvhv_aux", "xhv_name_u", name);
    // The package with two names has an array of them, and their number, since 5.14.
    let aux_of_plain = match embedded.first() {
        Some(place) => body_of_plain.map(|b| b.at(place)),
        None => behind(plain),
    };
    let names = aux.and_then(|a| s.word(a.at(name))).unwrap_or(0);
    let is_own = |pointer: Option<u64>| pointer.is_some_and(|p| s.has_text(p.at(key), "P5spyB"));
    if is_own(Some(names)) {
        return Ok(());
    }
    if !is_own(s.word(names)) {
        return Err(Unsolved::new("xpvhv_aux.xhv_name_count", 0));
    }
    let at = |base: Option<u64>, o: u64| base.and_then(|b| s.int(b.at(o)));
    let counts = (width..64)
        .step_by(4)
        .filter(|o| at(aux, *o).is_some_and(|n| n.abs() == 2) && at(aux_of_plain, *o) == Some(0))
        .collect();
    let count = only("xpvhv_aux.xhv_name_count", counts)?;
    out.int("xpvhv_aux", "xhv_name_count", count, 4);
    Ok(())
}
