//! Finding an interpreter without a single symbol: words of the file's data that could be what we
//! look for, each table's word for where things are, and the probes as judge.

use super::{AttachError, Loaded, Perl};
use crate::image::Symbol;
use crate::layout::{BoundLayout, Origin, Resolved, Table, TableSet};
use crate::memory::{Abi, Batch, Field, Memory, ReadError, Reader};
use crate::perl::identity::{Banner, Build, Identity, Version, version_from_text};
use crate::perl::ops::OpNumbers;
use crate::process::{Mapping, data_ranges};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

/// How often a candidate is looked at again, and the time between.
const LOOKS: usize = 12;
const BETWEEN_LOOKS: Duration = Duration::from_micros(100);

/// More candidates than this are no candidates.
const MAX_CANDIDATES: usize = 1 << 16;
/// No file's data is larger.
const MAX_DATA: u64 = 64 << 20;
/// Statements have fewer ops; a longer way from a statement to the current op is not followed.
const MAX_STEPS: usize = 256;

/// Tries every table that may fit. `own_maps` are the mappings of the file itself.
///
/// # Errors
/// The file back, with what to say when nothing else helps.
pub fn discover(
    pid: i32,
    memory: &Arc<dyn Memory>,
    mut loaded: Loaded,
    own_maps: &[Mapping],
    maps: &[Mapping],
    tables: &TableSet,
) -> Result<Perl, (Loaded, Box<AttachError>)> {
    let version = version_from_text(&loaded.image);
    let abi = loaded.image.abi();
    let first = own_maps.iter().map(|m| m.start).min().unwrap_or(0);
    let last = own_maps.iter().map(|m| m.end).max().unwrap_or(0);
    let ranges = data_ranges(maps)
        .into_iter()
        // What follows the file's last mapping directly is its .bss.
        .filter(|(a, b)| *a >= first && (*b <= last || *a <= last));
    let data = Data::read(memory, abi, ranges);
    let scan = Scan {
        memory,
        abi,
        maps,
        data: &data,
    };
    let mut tried = Vec::new();
    // Without a version, tables of many series are tried: then a sub must be on the stack, whose
    // place tells them apart.
    let least = if version.is_some() { 1 } else { 2 };
    for table in tables.possible(abi, loaded.image.machine().as_deref(), version) {
        for places in scan.candidates(table, &loaded) {
            loaded.image.add_symbols(&places);
            loaded = match adopt(pid, memory, loaded, table, version) {
                Ok(perl) => {
                    let main = perl.main_interpreter(memory).ok().flatten();
                    if main.is_some_and(|main| perl.prove(memory, maps, main, least).is_ok()) {
                        return Ok(perl);
                    }
                    perl.into_loaded()
                }
                Err(back) => back,
            };
            loaded.image.remove_symbols(&places);
        }
        tried.push(table.name().to_owned());
    }
    let version = version.map_or_else(|| "unknown version".into(), |v| v.to_string());
    let error = AttachError::NothingFound {
        path: loaded.image.path().to_owned(),
        version,
        tried: if tried.is_empty() {
            "there is no table for it".into()
        } else {
            format!(
                "nothing in its data is an interpreter by {}",
                tried.join(", ")
            )
        },
    };
    Err((loaded, Box::new(error)))
}

fn adopt(
    pid: i32,
    memory: &Arc<dyn Memory>,
    loaded: Loaded,
    table: &Table,
    version: Option<Version>,
) -> Result<Perl, Loaded> {
    let layout = table.layout().clone();
    let Ok(bound) = layout.bind() else {
        return Err(loaded);
    };
    let resolved = Resolved {
        layout,
        bound,
        source: Origin::Table(table.name().into()),
    };
    let identity = Identity {
        version: version.unwrap_or(table.version()),
        archname: Banner::of(&loaded.image).archname,
        machine: loaded.image.machine(),
        ..table.identity()
    };
    Perl::try_on(pid, memory, loaded, identity, &resolved).map_err(|(back, _)| back)
}

/// The words of a file's data, by address.
struct Data(Vec<(u64, u64)>);

impl Data {
    fn read(memory: &Arc<dyn Memory>, abi: Abi, ranges: impl Iterator<Item = (u64, u64)>) -> Self {
        let width = usize::from(abi.pointer_size);
        let mut words = Vec::new();
        let mut total = 0;
        for (start, end) in ranges {
            total += end - start;
            if total > MAX_DATA {
                break;
            }
            let Ok(bytes) = Reader::new(memory, abi).bytes(start, (end - start) as usize) else {
                continue;
            };
            for (index, chunk) in bytes.chunks_exact(width).enumerate() {
                if let Some(word) = abi.uint(chunk, 0, width).filter(|w| *w != 0) {
                    words.push((start + (index * width) as u64, word));
                }
            }
        }
        Data(words)
    }
}

struct Scan<'a> {
    memory: &'a Arc<dyn Memory>,
    abi: Abi,
    maps: &'a [Mapping],
    data: &'a Data,
}

impl Scan<'_> {
    fn is_writable(&self, address: u64) -> bool {
        let index = self.maps.partition_point(|m| m.end <= address);
        self.maps
            .get(index)
            .is_some_and(|m| m.writable && m.start <= address)
    }

    /// Sets of symbols to try with this table.
    fn candidates(&self, table: &Table, loaded: &Loaded) -> Vec<Vec<(String, Symbol)>> {
        let Ok(bound) = table.layout().bind() else {
            return Vec::new();
        };
        match table.build() {
            Build::Unthreaded => self.globals(&bound, loaded),
            _ => self.interpreters(&bound, loaded.bias),
        }
        .unwrap_or_default()
    }

    /// Values of one member for many structures, in one batch.
    fn members(&self, bases: &[u64], field: Field) -> Result<Vec<Option<u64>>, ReadError> {
        let mut batch = Batch::new();
        let slots: Vec<_> = bases
            .iter()
            .map(|base| {
                let at = base.wrapping_add(u64::from(field.offset));
                batch.push(at, usize::from(field.size))
            })
            .collect();
        self.memory.fill(&mut batch)?;
        let plain = Field { offset: 0, ..field };
        Ok(slots
            .into_iter()
            .map(|slot| plain.get(self.abi, batch.bytes(slot).ok()?))
            .collect())
    }

    /// Of these addresses those at which a stack info could be.
    fn stack_infos(&self, bound: &BoundLayout, mut infos: Vec<u64>) -> Result<Vec<u64>, ReadError> {
        let si = &bound.stackinfo;
        let stacks = self.members(&infos, si.si_cxstack)?;
        let indexes = self.members(&infos, si.si_cxix)?;
        let maxima = self.members(&infos, si.si_cxmax)?;
        let types = self.members(&infos, si.si_type)?;
        let mut sane = stacks.into_iter().zip(indexes).zip(maxima).zip(types).map(
            |(((stack, index), max), si_type)| {
                let signed =
                    |v: Option<u64>| Some(i64::from(u32::try_from(v?).ok()?.cast_signed()));
                let inside = signed(index)
                    .zip(signed(max))
                    .is_some_and(|(i, m)| (-1..=m).contains(&i) && m < 1 << 24);
                stack.is_some_and(|s| self.is_writable(s))
                    && inside
                    && signed(si_type).is_some_and(|t| (-1..=32).contains(&t))
            },
        );
        infos.retain(|_| sane.next() == Some(true));
        Ok(infos)
    }

    /// Words that point to what could be `struct interpreter`.
    fn interpreters(
        &self,
        bound: &BoundLayout,
        bias: u64,
    ) -> Result<Vec<Vec<(String, Symbol)>>, ReadError> {
        let Some(info_place) = bound.interpreter.Icurstackinfo else {
            return Ok(Vec::new());
        };
        // The same interpreter may be pointed to from several places.
        let mut by_value: BTreeMap<u64, u64> = BTreeMap::new();
        for (address, word) in &self.data.0 {
            if self.is_writable(*word) && word.is_multiple_of(u64::from(self.abi.pointer_size)) {
                by_value.entry(*word).or_insert(*address);
            }
        }
        let bases: Vec<u64> = by_value.keys().copied().take(MAX_CANDIDATES).collect();
        let infos = self.members(&bases, info_place)?;
        let pairs: Vec<(u64, u64)> = bases
            .into_iter()
            .zip(infos)
            .filter_map(|(base, info)| Some((base, info.filter(|i| self.is_writable(*i))?)))
            .collect();
        let sane: BTreeSet<u64> = self
            .stack_infos(bound, pairs.iter().map(|(_, info)| *info).collect())?
            .into_iter()
            .collect();
        Ok(pairs
            .into_iter()
            .filter(|(_, info)| sane.contains(info))
            .filter_map(|(base, _)| Some(*by_value.get(&base)?))
            .map(|address| vec![self.symbol("PL_curinterp", address, bias)])
            .collect())
    }

    fn symbol(&self, name: &str, address: u64, bias: u64) -> (String, Symbol) {
        let symbol = Symbol {
            address: address.wrapping_sub(bias),
            size: u64::from(self.abi.pointer_size),
        };
        (name.to_owned(), symbol)
    }

    /// The variables of a perl that has each of them as a global: the stack info first, then
    /// statements, then the current op, which must belong to the current statement.
    fn globals(
        &self,
        bound: &BoundLayout,
        loaded: &Loaded,
    ) -> Result<Vec<Vec<(String, Symbol)>>, ReadError> {
        let words: Vec<(u64, u64)> = self
            .data
            .0
            .iter()
            .filter(|(_, word)| self.is_writable(*word))
            .take(MAX_CANDIDATES)
            .copied()
            .collect();
        let mut values: Vec<u64> = words.iter().map(|(_, word)| *word).collect();
        values.sort_unstable();
        values.dedup();
        let infos: BTreeSet<u64> = self
            .stack_infos(bound, values.clone())?
            .into_iter()
            .collect();
        let types = self.members(&values, bound.op.op_type)?;
        let ops: BTreeMap<u64, u64> = values
            .iter()
            .zip(types)
            .filter_map(|(op, op_type)| Some((*op, op_type?)))
            .collect();
        let reader = Reader::new(self.memory, self.abi);
        let names = loaded
            .image
            .live_strings(&reader, loaded.bias, "PL_op_name");
        let Ok(numbers) = OpNumbers::from_names(&names) else {
            return Ok(Vec::new());
        };
        let is_statement = |op: u64| ops.get(&op).is_some_and(|t| numbers.is_statement(*t));
        let cells = |wanted: &dyn Fn(u64) -> bool| -> Vec<(u64, u64)> {
            words
                .iter()
                .filter(|(_, word)| wanted(*word))
                .copied()
                .collect()
        };
        let at_first = cells(&is_statement);
        let is_statement_type = |t: u64| t == 0 || numbers.is_statement(t);
        let lasting = at_first.iter().map(|(cell, _)| *cell).collect();
        let lasting = self.lasting(bound, lasting, &is_statement_type)?;
        let statements_now: Vec<(u64, u64)> = at_first
            .into_iter()
            .filter(|(cell, _)| lasting.contains(cell))
            .collect();
        let mut found = Vec::new();
        for (info_cell, _) in cells(&|word| infos.contains(&word)) {
            for (cop_cell, cop) in &statements_now {
                let (cop_cell, cop) = (*cop_cell, *cop);
                let mut places = vec![
                    self.symbol("PL_curstackinfo", info_cell, loaded.bias),
                    self.symbol("PL_curcop", cop_cell, loaded.bias),
                ];
                let statement = self.statement(bound, cop, &numbers)?;
                let current = cells(&|word| word != cop && statement.contains(&word));
                let current = current.into_iter().map(|(cell, _)| cell).collect();
                let is_op = |t: u64| t < names.len() as u64;
                let current = self.lasting(bound, current, &is_op)?;
                // Which op runs only refines a line: where two could be it, none is taken.
                if let (1, Some(op)) = (current.len(), current.first()) {
                    places.push(self.symbol("PL_op", *op, loaded.bias));
                }
                found.push(places);
            }
        }
        // The more is explained, the likelier: a statement with its op comes first.
        found.sort_by_key(|places| std::cmp::Reverse(places.len()));
        Ok(found)
    }

    /// Those of the cells that lead to ops of the wanted types time and again. What only looked like
    /// one for a moment is something else a moment later, if the program runs at all.
    fn lasting(
        &self,
        bound: &BoundLayout,
        mut cells: BTreeSet<u64>,
        wanted: &dyn Fn(u64) -> bool,
    ) -> Result<BTreeSet<u64>, ReadError> {
        for _ in 0..LOOKS {
            std::thread::sleep(BETWEEN_LOOKS);
            let addresses: Vec<u64> = cells.iter().copied().collect();
            let pointer = Field::whole(0, self.abi.pointer_size);
            let values = self.members(&addresses, pointer)?;
            let ops: Vec<u64> = values.into_iter().map(Option::unwrap_or_default).collect();
            let types = self.members(&ops, bound.op.op_type)?;
            let mut still = ops
                .iter()
                .zip(types)
                // Both variables are NULL for an instant now and then.
                .map(|(op, t)| *op == 0 || t.is_some_and(wanted));
            cells.retain(|_| still.next() == Some(true));
        }
        Ok(cells)
    }

    /// The ops that run from a statement up to the next one.
    fn statement(
        &self,
        bound: &BoundLayout,
        cop: u64,
        numbers: &OpNumbers,
    ) -> Result<BTreeSet<u64>, ReadError> {
        let mut found = BTreeSet::new();
        let mut at = cop;
        for _ in 0..MAX_STEPS {
            let next = self.members(&[at], bound.op.op_next)?.into_iter().next();
            let Some(Some(next)) = next.filter(|n| *n != Some(0)) else {
                break;
            };
            let op_type = self.members(&[next], bound.op.op_type)?.into_iter().next();
            let is_next = op_type.flatten().is_none_or(|t| numbers.is_statement(t));
            if is_next || !found.insert(next) {
                break;
            }
            at = next;
        }
        Ok(found)
    }
}
