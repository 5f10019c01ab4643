//! Where in a file's data the variables of an interpreter could be, by a layout: words that lead to
//! what could be a stack info, a statement, an op.

use super::Perl;
use super::perl::DEBUGGER_SUB;
use super::trial::Trial;
use crate::identity::Build;
use crate::identity::references::references;
use crate::image::Symbol;
use crate::layout::BoundLayout;
use crate::memory::{Abi, Batch, Field, ReadError, Reader, Slot};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// How often a candidate is looked at again, and the time between.
const LOOKS: usize = 12;
const BETWEEN_LOOKS: Duration = Duration::from_micros(50);

/// The code of every perl names `PL_curcop` and `PL_curstackinfo` hundreds of times.
const NAMED_OFTEN: usize = 50;

/// More candidates than this are no candidates.
const MAX_CANDIDATES: usize = 1 << 16;
/// No file's data is larger.
const MAX_DATA: u64 = 64 << 20;
/// Statements have fewer ops; a longer way from a statement to the current op is not followed.
const MAX_STEPS: usize = 256;

/// Where a variable is, and what is in it.
type Cell = (u64, u64);

/// The words of a file's data that lead to where the process may write.
pub struct Words {
    abi: Abi,
    cells: Vec<Cell>,
    /// Where they were read.
    data: Vec<(u64, u64)>,
}

impl Words {
    /// Reads them, while the program stands still if that can be had.
    pub fn read(trial: &mut Trial<'_>, abi: Abi, ranges: impl Iterator<Item = (u64, u64)>) -> Self {
        trial.follow();
        let reader = Reader::new(trial.memory, abi);
        let (mut cells, mut data) = (Vec::new(), Vec::new());
        let mut room = MAX_DATA;
        for (start, end) in ranges {
            let Some(left) = room.checked_sub(end.saturating_sub(start)) else {
                break;
            };
            room = left;
            data.push((start, end));
            // Where it cannot be read, nothing is found.
            let _ = reader.pieces(start, end - start, |at, bytes| {
                abi.each_pointer(at, bytes, |address, word| {
                    let is_aligned = word.is_multiple_of(u64::from(abi.pointer_size));
                    if word != 0 && is_aligned && trial.is_writable(word) {
                        cells.push((address, word));
                    }
                });
                cells.len() < MAX_CANDIDATES
            });
        }
        Words { abi, cells, data }
    }

    /// Sets of symbols to try with the layout of this perl.
    ///
    /// Where each variable is a global, only those that explain all of it when in haste: a statement
    /// with the op of it that runs.
    pub fn candidates(
        &self,
        trial: &mut Trial<'_>,
        perl: &Perl,
        haste: bool,
    ) -> Vec<Vec<(String, Symbol)>> {
        let mut scan = Scan {
            trial,
            words: self,
            perl,
        };
        let found = match perl.identity.build {
            Build::Unthreaded => scan.globals(haste),
            _ => scan.interpreters(),
        };
        // What cannot be read has no candidates.
        found.unwrap_or_default()
    }

    /// `PL_DBsub` of a perl that has each variable as a global: without it the debugger's frames
    /// would be taken for the program's.
    pub fn debugger_sub(&self, trial: &mut Trial<'_>, perl: &Perl) -> Option<(String, Symbol)> {
        let scan = Scan {
            trial,
            words: self,
            perl,
        };
        let number = &scan.layout().constants;
        let values: Vec<u64> = self.cells.iter().map(|(_, word)| *word).collect();
        let flags = scan.members(&values, [scan.layout().sv.sv_flags]).ok()?;
        let context = perl.name_context(scan.trial.memory, 0);
        let mut globs = self.cells.iter().zip(flags).filter(|(_, [flags])| {
            flags.is_some_and(|flags| flags & number.SVTYPEMASK == number.SVt_PVGV)
        });
        globs
            .find(|((_, gv), _)| context.glob_name(*gv).is_ok_and(|n| n == DEBUGGER_SUB))
            .map(|((cell, _), _)| scan.symbol("PL_DBsub", *cell))
    }
}

/// Those that are named at least half as often as the first among them.
fn most_named(mut cells: Vec<Cell>, count: &dyn Fn(&Cell) -> usize) -> Vec<Cell> {
    let most = cells.iter().map(count).max().unwrap_or(0);
    cells.retain(|cell| count(cell) >= most.div_ceil(2));
    cells
}

struct Scan<'a, 't> {
    trial: &'a mut Trial<'t>,
    words: &'a Words,
    perl: &'a Perl,
}

impl<'a> Scan<'a, '_> {
    fn layout(&self) -> &'a BoundLayout {
        &self.perl.resolved.bound
    }

    /// Values of some members for many structures, in one batch.
    fn members<const N: usize>(
        &self,
        bases: &[u64],
        fields: [Field; N],
    ) -> Result<Vec<[Option<u64>; N]>, ReadError> {
        let mut batch = Batch::new();
        let slots: Vec<[Slot; N]> = bases
            .iter()
            .map(|base| {
                fields.map(|field| {
                    let at = base.wrapping_add(u64::from(field.offset));
                    batch.push(at, usize::from(field.size))
                })
            })
            .collect();
        self.trial.memory.fill(&mut batch)?;
        let value = |field: Field, slot: Slot| {
            let plain = Field { offset: 0, ..field };
            plain.get(self.words.abi, batch.bytes(slot).ok()?)
        };
        let all = slots.into_iter().map(|slots| {
            let mut fields = fields.into_iter();
            slots.map(|slot| value(fields.next()?, slot))
        });
        Ok(all.collect())
    }

    /// Of these addresses those at which a stack info could be.
    fn stack_infos(&self, infos: &[u64]) -> Result<BTreeSet<u64>, ReadError> {
        let si = &self.layout().stackinfo;
        let wanted = [si.si_cxstack, si.si_cxix, si.si_cxmax, si.si_type];
        let values = self.members(infos, wanted)?;
        let signed = |v: Option<u64>| Some(i64::from(u32::try_from(v?).ok()?.cast_signed()));
        let is_one = |[stack, index, max, si_type]: [Option<u64>; 4]| {
            let inside = signed(index)
                .zip(signed(max))
                .is_some_and(|(i, m)| (-1..=m).contains(&i) && m < 1 << 24);
            stack.is_some_and(|s| self.trial.is_writable(s))
                && inside
                && signed(si_type).is_some_and(|t| (-1..=32).contains(&t))
        };
        let all = infos.iter().zip(values);
        let found = all.filter(|(_, values)| is_one(*values));
        Ok(found.map(|(info, _)| *info).collect())
    }

    /// Words that point to what could be `struct interpreter`.
    fn interpreters(&self) -> Result<Vec<Vec<(String, Symbol)>>, ReadError> {
        let Some(info_place) = self.layout().interpreter.Icurstackinfo else {
            return Ok(Vec::new());
        };
        // The same interpreter may be pointed to from several places.
        let mut by_value: BTreeMap<u64, u64> = BTreeMap::new();
        for (address, word) in &self.words.cells {
            by_value.entry(*word).or_insert(*address);
        }
        let bases: Vec<u64> = by_value.keys().copied().collect();
        let infos = self.members(&bases, [info_place])?;
        let pairs: Vec<(u64, u64)> = bases
            .into_iter()
            .zip(infos)
            .filter_map(|(base, [info])| Some((base, info.filter(|i| self.trial.is_writable(*i))?)))
            .collect();
        let infos: Vec<u64> = pairs.iter().map(|(_, info)| *info).collect();
        let sane = self.stack_infos(&infos)?;
        Ok(pairs
            .into_iter()
            .filter(|(_, info)| sane.contains(info))
            .filter_map(|(base, _)| Some(*by_value.get(&base)?))
            .map(|address| vec![self.symbol("PL_curinterp", address)])
            .collect())
    }

    fn symbol(&self, name: &str, address: u64) -> (String, Symbol) {
        let symbol = Symbol {
            address: address.wrapping_sub(self.perl.bias),
            size: u64::from(self.words.abi.pointer_size),
        };
        (name.to_owned(), symbol)
    }

    /// The variables of a perl that has each of them as a global: the stack info first, then
    /// statements, then the current op, which must belong to the current statement.
    fn globals(&mut self, haste: bool) -> Result<Vec<Vec<(String, Symbol)>>, ReadError> {
        let (words, numbers) = (self.words, &self.perl.ops);
        let mut values: Vec<u64> = words.cells.iter().map(|(_, word)| *word).collect();
        values.sort_unstable();
        values.dedup();
        let infos = self.stack_infos(&values)?;
        let types = self.members(&values, [self.layout().op.op_type])?;
        let statement_ops: BTreeSet<u64> = values
            .into_iter()
            .zip(types)
            .filter(|(_, [op_type])| op_type.is_some_and(|t| numbers.is_statement(t)))
            .map(|(op, _)| op)
            .collect();
        let cells = |wanted: &dyn Fn(u64) -> bool| -> Vec<Cell> {
            let wanted = words.cells.iter().filter(|(_, word)| wanted(*word));
            wanted.copied().collect()
        };
        let all_infos = cells(&|word| infos.contains(&word));
        let mut infos = all_infos.clone();
        let mut statements = Vec::new();
        for cell in cells(&|op| statement_ops.contains(&op)) {
            let ops = self.statement(cell.1)?;
            statements.push((cell, cells(&|word| ops.contains(&word))));
        }
        if !self.keep_named(&mut infos, &mut statements) {
            self.keep_lasting(&mut statements)?;
        }
        let mut found = Vec::new();
        for (info, _) in infos {
            for ((cop, _), current) in &statements {
                let mut places = vec![
                    self.symbol("PL_curstackinfo", info),
                    self.symbol("PL_curcop", *cop),
                ];
                // Which op runs only refines a line: where two could be it, none is taken.
                if let [(op, _)] = current.as_slice() {
                    places.push(self.symbol("PL_op", *op));
                }
                found.push(places);
            }
        }
        if haste {
            found.retain(|places| places.len() > 2);
            return Ok(found);
        }
        if found.iter().all(|places| places.len() < 3) {
            found.extend(self.compiling(&all_infos)?);
        }
        // The more is explained, the likelier: a statement with its op comes first.
        found.sort_by_key(|places| std::cmp::Reverse(places.len()));
        Ok(found)
    }

    /// The variables of a perl that is compiling: the current statement is `PL_compiling`, which lies
    /// among them and is of no type (perl.c).
    fn compiling(&self, infos: &[Cell]) -> Result<Vec<Vec<(String, Symbol)>>, ReadError> {
        let (op, cop) = (&self.layout().op, &self.layout().cop);
        let in_data = |(_, word): &&Cell| {
            let mut ranges = self.words.data.iter();
            ranges.any(|(start, end)| (start..end).contains(&word))
        };
        let cells: Vec<Cell> = self.words.cells.iter().filter(in_data).copied().collect();
        let values: Vec<u64> = cells.iter().map(|(_, word)| *word).collect();
        let values = self.members(&values, [op.op_type, op.op_next, cop.cop_line])?;
        let is_one = |[op_type, next, line]: [Option<u64>; 3]| {
            let is_line = line.is_some_and(|line| (1..1 << 24).contains(&line));
            (op_type, next) == (Some(0), Some(0)) && is_line
        };
        let all = cells.into_iter().zip(values);
        let cells: Vec<Cell> = all
            .filter(|(_, v)| is_one(*v))
            .map(|(cell, _)| cell)
            .collect();
        let Some(count) = self.counted(&[cells.as_slice(), infos].concat()) else {
            return Ok(Vec::new());
        };
        let often = |cell: &&Cell| count(cell) >= NAMED_OFTEN;
        let cells = most_named(cells.iter().filter(often).copied().collect(), &count);
        let pairs = infos
            .iter()
            .filter(often)
            .flat_map(|info| cells.iter().map(move |cop| (info, cop)));
        Ok(pairs
            .map(|((info, _), (curcop, compiling))| {
                vec![
                    self.symbol("PL_curstackinfo", *info),
                    self.symbol("PL_curcop", *curcop),
                    self.symbol("PL_compiling", *compiling),
                ]
            })
            .collect())
    }

    /// How often the code names each of these cells; `None` where that cannot be told.
    fn counted(&self, cells: &[Cell]) -> Option<impl Fn(&Cell) -> usize + use<>> {
        let bias = self.perl.bias;
        let in_file = move |cell: &Cell| cell.0.wrapping_sub(bias);
        let counts = references(&self.perl.image, cells.iter().map(in_file))?;
        Some(move |cell: &Cell| counts.get(&in_file(cell)).copied().unwrap_or(0))
    }

    /// Keeps of each kind the cells that the code names as often as perl's variables. False where
    /// it cannot be told.
    fn keep_named(&self, infos: &mut Vec<Cell>, statements: &mut Vec<(Cell, Vec<Cell>)>) -> bool {
        let ops = statements.iter().flat_map(|(_, ops)| ops);
        let all = statements.iter().map(|(cop, _)| cop).chain(ops);
        let all: Vec<Cell> = all.chain(infos.iter()).copied().collect();
        let Some(count) = self.counted(&all) else {
            return false;
        };
        let often = |cell: &Cell| count(cell) >= NAMED_OFTEN;
        if !statements.iter().any(|(cop, _)| often(cop)) {
            return false;
        }
        for (_, ops) in statements.iter_mut() {
            *ops = most_named(std::mem::take(ops), &count);
            ops.retain(often);
        }
        // Others that are named often lead to a statement by chance, but hardly ever to one of which
        // an op runs.
        if statements.iter().any(|(_, ops)| !ops.is_empty()) {
            statements.retain(|(_, ops)| !ops.is_empty());
        }
        let cops = statements.iter().map(|(cop, _)| *cop).collect();
        let cops = most_named(cops, &count);
        statements.retain(|(cop, _)| cops.contains(cop));
        // Words that are named as often look like stack infos (`PL_stack_sp`): the probe tells.
        infos.retain(often);
        true
    }

    /// Keeps the cells that lead to a statement and to an op of it time and again.
    fn keep_lasting(&mut self, statements: &mut Vec<(Cell, Vec<Cell>)>) -> Result<(), ReadError> {
        let numbers = &self.perl.ops;
        let is_statement = |t: u64| t == 0 || numbers.is_statement(t);
        let is_op = |t: u64| t < numbers.count();
        let cops = statements.iter().map(|(cop, _)| *cop).collect();
        let cops = self.lasting(cops, &is_statement)?;
        statements.retain(|(cop, _)| cops.contains(cop));
        let ops = statements.iter().flat_map(|(_, ops)| ops);
        let ops = self.lasting(ops.copied().collect(), &is_op)?;
        for (_, current) in statements {
            current.retain(|cell| ops.contains(cell));
        }
        Ok(())
    }

    /// The cells that lead to ops of the wanted types time and again. What only looked like
    /// one for a moment is something else a moment later, if the program runs at all.
    fn lasting(
        &mut self,
        mut cells: Vec<Cell>,
        wanted: &dyn Fn(u64) -> bool,
    ) -> Result<Vec<Cell>, ReadError> {
        let pointer = Field::whole(0, self.words.abi.pointer_size);
        for _ in 0..LOOKS {
            if cells.is_empty() || self.trial.rests() {
                break;
            }
            std::thread::sleep(BETWEEN_LOOKS);
            let addresses: Vec<u64> = cells.iter().map(|(cell, _)| *cell).collect();
            let ops = self.members(&addresses, [pointer])?;
            let ops: Vec<u64> = ops.into_iter().map(|[op]| op.unwrap_or_default()).collect();
            let types = self.members(&ops, [self.layout().op.op_type])?;
            let mut still = ops
                .iter()
                .zip(types)
                // Both variables are NULL for an instant now and then.
                .map(|(op, [op_type])| *op == 0 || op_type.is_some_and(wanted));
            cells.retain(|_| still.next() == Some(true));
        }
        Ok(cells)
    }

    /// The ops that run from a statement up to the next one, on every way. Without those that end a
    /// piece of code: other variables lead to them all the time (`PL_eval_root`).
    fn statement(&self, cop: u64) -> Result<BTreeSet<u64>, ReadError> {
        let (layout, numbers) = (self.layout(), &self.perl.ops);
        let op = &layout.op;
        let other = layout.logop.op_other;
        let mut found = BTreeSet::new();
        let mut open = vec![cop];
        for _ in 0..MAX_STEPS {
            let Some(at) = open.pop() else { break };
            let fields = [op.op_type, op.op_next, other.unwrap_or(op.op_next)];
            let Some([Some(op_type), Some(next), branch]) = self.members(&[at], fields)?.pop()
            else {
                continue;
            };
            let is_end = next == 0 || at != cop && numbers.is_statement(op_type);
            if is_end || !found.insert(at) {
                continue;
            }
            open.push(next);
            open.extend(branch.filter(|_| numbers.is_branch(op_type)));
        }
        found.remove(&cop);
        Ok(found)
    }
}
