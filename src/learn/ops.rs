//! Solving for ops and statements, with the names that the perl itself has for its ops.

use super::facts::{CalibrationFacts, FAR, NEST, NULLED_LINE};
use super::snapshot::{Offset, Snapshot};
use super::solution::{Solution, Unsolved, only};
use crate::memory::Field;

/// No op and no statement is larger.
pub const OP: u64 = 128;
/// No planted sub has more ops.
const CHAIN: usize = 64;

/// Number of an op by its name.
pub struct OpIndex<'a>(pub &'a [Option<String>]);

impl OpIndex<'_> {
    /// The number of the op called `name`.
    pub fn get(&self, name: &str) -> Option<u64> {
        let at = self.0.iter().position(|n| n.as_deref() == Some(name))?;
        Some(at as u64)
    }
}

/// A sub with its planted line and its first statement.
struct Planted {
    body: u64,
    start: u64,
    file: &'static str,
    line: u64,
}

/// Solves for ops, statements, and what in a CV leads to them.
///
/// # Errors
/// [`Unsolved`] for the first thing that has no answer, or two.
pub fn solve(
    s: &Snapshot,
    facts: &CalibrationFacts,
    numbers: &OpIndex<'_>,
    out: &mut Solution,
) -> Result<(), Unsolved> {
    let planted = statements(s, facts, out)?;
    chain(s, facts, &planted, out)?;
    types(s, &planted, numbers, out)?;
    tree(s, &planted, facts, numbers, out)?;
    nulled(s, numbers, out)?;
    flags(s, &planted, numbers, out)
}

/// `xcv_start`, and in the statement that it leads to `cop_line`, `cop_file` and `cop_seq`.
fn statements(
    s: &Snapshot,
    facts: &CalibrationFacts,
    out: &mut Solution,
) -> Result<Vec<Planted>, Unsolved> {
    let subs: Vec<(u64, &'static str, u64)> = NEST
        .iter()
        .chain([&FAR])
        .filter_map(|(name, file, line)| {
            let body = s.word(facts.sub(name)?.cv)?;
            Some((body, *file, *line))
        })
        .collect();
    let mut found = Vec::new();
    for start in (0..facts.body_room(s, |f| f.cv)).step_by(s.width() as usize) {
        for line in (0..OP).step_by(2) {
            let planted = subs.iter().all(|(body, _, wanted)| {
                let cop = s.word(body.at(start));
                cop.and_then(|c| s.uint(c.checked_add(line)?, 2)) == Some(wanted & 0xffff)
            });
            if planted {
                found.push((start, line));
            }
        }
    }
    let (start, line) = only("xpvcv.xcv_start and cop.cop_line", found)?;
    let planted: Vec<Planted> = subs
        .into_iter()
        .filter_map(|(body, file, line)| {
            let start = s.word(body.at(start))?;
            Some(Planted {
                body,
                start,
                file,
                line,
            })
        })
        .collect();
    // 5.6 and 5.8.0 keep 16 bits of it.
    let wide = s.twice_as_wide(line, 2);
    let whole = planted
        .iter()
        .all(|p| s.uint(p.start.at(wide), 4) == Some(p.line));
    out.pointer("xpvcv", "xcv_start", start);
    match whole {
        true => out.int("cop", "cop_line", wide, 4),
        false => out.int("cop", "cop_line", line, 2),
    }
    let named = |pick: &dyn Fn(u64, &str) -> bool| -> Vec<u64> {
        (0..OP)
            .step_by(s.width() as usize)
            .filter(|o| {
                planted
                    .iter()
                    .all(|p| s.word(p.start.at(o)).is_some_and(|at| pick(at, p.file)))
            })
            .collect()
    };
    let direct = named(&|at, file| s.has_text(at, file));
    let by_glob = named(&|gv, file| is_file_glob(s, out, gv, file));
    match (direct.as_slice(), by_glob.as_slice()) {
        ([place], []) => out.pointer("cop", "cop_file", *place),
        ([], [place]) => out.pointer("cop", "cop_filegv", *place),
        _ => return Err(Unsolved::new("cop.cop_file", direct.len() + by_glob.len())),
    }
    let grows = |o: &u64| {
        // DEBUGGING perls start counting a little below 0.
        let values: Vec<i64> = planted
            .iter()
            .filter_map(|p| s.int(p.start.at(o)))
            .collect();
        values.len() == planted.len()
            && values.windows(2).all(|pair| match pair {
                [a, b] => b > a && b - a < 64,
                _ => false,
            })
            && values.iter().all(|v| v.abs() < 1 << 20)
    };
    let seq = (0..OP).step_by(4).filter(grows).collect();
    out.int("cop", "cop_seq", only("cop.cop_seq", seq)?, 4);
    Ok(planted)
}

/// True for the glob called `_<` and the file's name.
fn is_file_glob(s: &Snapshot, out: &Solution, gv: u64, file: &str) -> bool {
    if out.sv_type(s, gv) != out.get_constant("SVt_PVGV") {
        return false;
    }
    let name = format!("_<{file}");
    let at = |structure: &str, member: &str| {
        let place = out.get(structure, member)?;
        s.word(s.word(gv)?.checked_add(place)?)
    };
    match (at("xpvgv", "xgv_namehek"), out.get("hek", "hek_key")) {
        (Some(hek), Some(key)) => s.has_text(hek.at(key), &name),
        _ => at("xpvgv", "xgv_name").is_some_and(|text| s.has_text(text, &name)),
    }
}

/// `op_next`, whose chain leads from the first statement to the root, and `xcv_root`.
fn chain(
    s: &Snapshot,
    facts: &CalibrationFacts,
    planted: &[Planted],
    out: &mut Solution,
) -> Result<(), Unsolved> {
    let known = [
        out.get("xpvcv", "xcv_start"),
        out.get("xpvcv", "xcv_stash"),
        out.get("xpvcv", "xcv_gv"),
    ];
    let room = facts.body_room(s, |f| f.cv);
    let mut found = Vec::new();
    for next in (0..64).step_by(s.width() as usize) {
        let chains: Vec<Vec<u64>> = planted
            .iter()
            .map(|p| follow(s, p.start, next).into_iter().skip(1).collect())
            .collect();
        for root in (0..room).step_by(s.width() as usize) {
            let steps: Option<Vec<usize>> = planted
                .iter()
                .zip(&chains)
                .map(|(p, chain)| {
                    let root = s.word(p.body.at(root))?;
                    chain.iter().position(|op| *op == root)
                })
                .collect();
            if let Some(steps) = steps.filter(|_| !known.contains(&Some(root))) {
                found.push((steps.iter().sum::<usize>(), next, root));
            }
        }
    }
    // The chain of siblings and parents gets there too since 5.22, but execution takes the most
    // steps: it goes through the arguments.
    let most = found.iter().map(|(steps, ..)| *steps).max();
    found.retain(|(steps, ..)| Some(*steps) == most);
    let (_, next, root) = only("op.op_next and xpvcv.xcv_root", found)?;
    out.pointer("op", "op_next", next);
    out.pointer("xpvcv", "xcv_root", root);
    Ok(())
}

/// The addresses along a member, the first included.
pub fn follow(s: &Snapshot, first: u64, member: u64) -> Vec<u64> {
    let step = |op: &u64| s.word(op.checked_add(member)?).filter(|n| s.contains(*n));
    std::iter::successors(Some(first), step)
        .take(CHAIN)
        .collect()
}

fn types(
    s: &Snapshot,
    planted: &[Planted],
    numbers: &OpIndex<'_>,
    out: &mut Solution,
) -> Result<(), Unsolved> {
    let missing = || Unsolved::new("PL_op_name", 0);
    let nextstate = numbers.get("nextstate").ok_or_else(missing)?;
    let leavesub = numbers.get("leavesub").ok_or_else(missing)?;
    let root = out.get("xpvcv", "xcv_root").unwrap_or(0);
    let fits = |o: u64, shift: u8, mask: u64| {
        let is =
            |op: u64, number: u64| s.uint(op.at(o), 2).map(|v| v >> shift & mask) == Some(number);
        planted.iter().all(|p| {
            is(p.start, nextstate) && s.word(p.body.at(root)).is_some_and(|r| is(r, leavesub))
        })
    };
    // Compilers give the first bit field the first bits in memory.
    let above = if s.is_big_endian() { 16 - 9 } else { 0 };
    for (shift, mask, bits) in [(0, 0xffff, 16), (above, 0x1ff, 9)] {
        let found = (0..64).step_by(2).filter(|o| fits(*o, shift, mask));
        let found: Vec<u64> = found.collect();
        if !found.is_empty() {
            let offset = only("op.op_type", found)?;
            let field = Field {
                shift,
                bits,
                ..Field::whole(offset as u32, 2)
            };
            out.bits("op", "op_type", field);
            return Ok(());
        }
    }
    Err(Unsolved::new("op.op_type", 0))
}

/// The number of an op.
pub fn op_type(s: &Snapshot, out: &Solution, op: u64) -> Option<u64> {
    out.read(s, op, "op", "op_type")
}

/// The statements and calls of a sub, in the order of their execution.
pub fn execution(s: &Snapshot, out: &Solution, cv: u64) -> Vec<(u64, u64)> {
    let start = out.get("xpvcv", "xcv_start");
    let first = start.and_then(|o| s.word(s.word(cv)?.checked_add(o)?));
    let next = out.get("op", "op_next").unwrap_or(0);
    let Some(first) = first else {
        return Vec::new();
    };
    follow(s, first, next)
        .into_iter()
        .filter_map(|op| Some((op, op_type(s, out, op)?)))
        .collect()
}

/// `op_first` and `op_sibling`: a sub's root has a list, whose first child is the first
/// statement, whose next sibling but one is the second.
fn tree(
    s: &Snapshot,
    planted: &[Planted],
    facts: &CalibrationFacts,
    numbers: &OpIndex<'_>,
    out: &mut Solution,
) -> Result<(), Unsolved> {
    let width = s.width();
    let root_place = out.get("xpvcv", "xcv_root").unwrap_or(0);
    let next = out.get("op", "op_next").unwrap_or(0);
    let nextstate = numbers.get("nextstate");
    let (nest, _) = planted.split_at(NEST.len().min(planted.len()));
    let list = |p: &Planted, first: u64| {
        let root = s.word(p.body.at(root_place))?;
        s.word(root.checked_add(first)?)
    };
    let firsts: Vec<u64> = (0..OP)
        .step_by(width as usize)
        .filter(|o| {
            nest.iter().all(|p| {
                let list = list(p, *o);
                list.is_some_and(|l| l != p.start && s.word(l.at(o)) == Some(p.start))
            })
        })
        .collect();
    let first = only("unop.op_first", firsts)?;
    out.pointer("unop", "op_first", first);
    let second = |p: &Planted| {
        let rest = follow(s, p.start, next).into_iter().skip(1);
        let mut statements = rest.filter(|op| op_type(s, out, *op) == nextstate);
        statements.next()
    };
    let siblings: Vec<u64> = (0..64)
        .step_by(width as usize)
        .filter(|o| *o != next)
        .filter(|o| {
            nest.iter().all(|p| {
                let two = s
                    .word(p.start.at(o))
                    .and_then(|x| s.word(x.checked_add(*o)?));
                two.is_some() && two == second(p)
            })
        })
        .collect();
    let sibling = only("op.op_sibling", siblings)?;
    out.pointer("op", "op_sibling", sibling);
    more_siblings(s, facts, first, sibling, out)
}

/// `op_moresib` (since 5.22): the bit beside the type that every child but the last has.
fn more_siblings(
    s: &Snapshot,
    facts: &CalibrationFacts,
    first: u64,
    sibling: u64,
    out: &mut Solution,
) -> Result<(), Unsolved> {
    let root = out.get("xpvcv", "xcv_root").unwrap_or(0);
    let Some(types) = out.field("op", "op_type").filter(|f| f.bits < 16) else {
        return Ok(());
    };
    let (mut inner, mut last) = (Vec::new(), Vec::new());
    for sub in &facts.subs {
        let list = s
            .word(sub.cv)
            .and_then(|body| s.word(body.at(root)))
            .and_then(|root| s.word(root.at(first)));
        let Some(list) = list else { continue };
        let mut child = s.word(list.at(first));
        for _ in 0..CHAIN {
            let Some(op) = child else { break };
            let after = s.word(op.at(sibling)).filter(|a| *a != 0 && *a != list);
            if after.is_some() {
                inner.push(op);
            } else {
                last.push(op);
            }
            child = after;
        }
    }
    let word = |op: &u64| s.uint(op.at(u64::from(types.offset)), 2).unwrap_or(0);
    let of_type = types.shift..types.shift.saturating_add(types.bits);
    let found: Vec<u8> = (0..16)
        .filter(|b| {
            !of_type.contains(b)
                && inner.iter().all(|op| word(op) >> b & 1 == 1)
                && last.iter().all(|op| word(op) >> b & 1 == 0)
        })
        .collect();
    if let Some(bit) = match found.as_slice() {
        [] => None,
        _ => Some(only("op.op_moresib", found)?),
    } {
        // As compilers describe it: the byte that has the bit.
        let byte = if s.is_big_endian() {
            1 - bit / 8
        } else {
            bit / 8
        };
        let field = Field {
            offset: types.offset + u32::from(byte),
            size: 1,
            shift: bit % 8,
            bits: 1,
        };
        out.bits("op", "op_moresib", field);
    }
    Ok(())
}

/// `op_targ`, from the statement that was made a null op.
fn nulled(s: &Snapshot, numbers: &OpIndex<'_>, out: &mut Solution) -> Result<(), Unsolved> {
    let Some(line) = out.field("cop", "cop_line") else {
        return Ok(());
    };
    let types = out.field("op", "op_type");
    let (null, nextstate) = (numbers.get("null"), numbers.get("nextstate"));
    let mut places = Vec::new();
    let size = usize::from(line.size);
    s.each_int(|address, _| {
        if s.uint(address, size) == Some(NULLED_LINE)
            && let Some(cop) = address.checked_sub(u64::from(line.offset))
            && op_type(s, out, cop) == null
        {
            let found = (0..64).step_by(4).filter(|o| {
                types.is_none_or(|t| u64::from(t.offset) & !3 != *o)
                    && s.uint(cop.at(o), 4) == nextstate
            });
            places.extend(found.map(|o| (cop, o)));
        }
    });
    places.dedup_by_key(|(_, o)| *o);
    let (cop, offset) = only("op.op_targ", places)?;
    // 5.6 has 32 bits, and the type right behind them.
    let start = offset - offset % s.width();
    let room = types.is_none_or(|t| u64::from(t.offset) >= start + s.width());
    match room && s.word(cop.at(start)) == nextstate {
        true => out.int("op", "op_targ", start, s.width() as u8),
        false => out.int("op", "op_targ", offset, 4),
    }
    Ok(())
}

/// `op_flags`: the byte in which everything with children has `OPf_KIDS`, and nothing else.
fn flags(
    s: &Snapshot,
    planted: &[Planted],
    numbers: &OpIndex<'_>,
    out: &mut Solution,
) -> Result<(), Unsolved> {
    let kids = out.get_constant("OPf_KIDS").unwrap_or(4);
    let (root, first) = (
        out.get("xpvcv", "xcv_root").unwrap_or(0),
        out.get("unop", "op_first").unwrap_or(0),
    );
    let next = out.get("op", "op_next").unwrap_or(0);
    let (mut parents, mut leaves) = (Vec::new(), Vec::new());
    let childless: Vec<Option<u64>> = ["nextstate", "pushmark", "const", "gv"]
        .iter()
        .map(|n| numbers.get(n))
        .collect();
    let with_children: Vec<Option<u64>> = ["entersub", "leavesub", "sysread"]
        .iter()
        .map(|n| numbers.get(n))
        .collect();
    for p in planted {
        if let Some(list) = s.word(p.body.at(root)).and_then(|r| s.word(r.at(first))) {
            parents.push(list);
        }
        for op in follow(s, p.start, next) {
            let number = op_type(s, out, op);
            if number.is_some() && childless.contains(&number) {
                leaves.push(op);
            } else if number.is_some() && with_children.contains(&number) {
                parents.push(op);
            }
        }
    }
    let bit = |op: &u64, o: u64| s.uint(op.at(o), 1).map(|v| v & kids != 0);
    // Right behind the type in all versions; elsewhere are pointers, whose bytes may be anything.
    let types = out.get("op", "op_type").unwrap_or(0);
    let found = (types + 2..(types + 8).min(first.max(types + 3)))
        .filter(|o| {
            parents.iter().all(|op| bit(op, *o) == Some(true))
                && leaves.iter().all(|op| bit(op, *o) == Some(false))
        })
        .collect();
    out.int("op", "op_flags", only("op.op_flags", found)?, 1);
    Ok(())
}
