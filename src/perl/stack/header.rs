//! The variables of an interpreter that tell what it is doing, and that it moves.

use super::StackError;
use crate::memory::{Abi, Batch, Slot};

/// One variable of the interpreter: where it is in the target.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Variable {
    /// Where it is in the target.
    pub address: u64,
    /// How many bytes it has.
    pub size: u8,
}

/// The variables that tell what an interpreter is doing. All of them move while it runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Variables {
    /// `PL_op`; `None` where it could not be found.
    pub op: Option<Variable>,
    /// `PL_curcop`.
    pub curcop: Variable,
    /// `PL_curstackinfo`.
    pub curstackinfo: Variable,
    /// `PL_stack_sp`.
    pub stack_sp: Variable,
    /// `PL_markstack_ptr`.
    pub markstack_ptr: Variable,
    /// `PL_savestack_ix`.
    pub savestack_ix: Variable,
    /// `PL_tmps_ix`.
    pub tmps_ix: Variable,
    /// `PL_cop_seqmax`; `None` where it could not be found.
    pub cop_seqmax: Option<Variable>,
    /// What tells which code is being compiled.
    pub compiling: Compiling,
}

/// Where a thread tells which interpreter it runs, and the one whose stack is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Current {
    /// Holds the interpreter's address.
    pub place: Variable,
    /// That one's address.
    pub interpreter: u64,
}

/// How many of the [`Variables`] tell that the target moved.
const MOVING: usize = 7;

/// What tells which code of an interpreter is being compiled.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Compiling {
    /// The line of `PL_compiling`; `None` where it is unknown.
    pub line: Option<Variable>,
    /// `PL_main_cv`; `None` where it is unknown.
    pub main_cv: Option<Variable>,
    /// Where `PL_op` is is known.
    pub has_op: bool,
}

/// The values of [`Variables`] at one moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Header {
    /// The op that is being executed; 0 for none.
    pub op: u64,
    /// The statement that is being executed.
    pub curcop: u64,
    /// The innermost stack info.
    pub curstackinfo: u64,
    /// The top of the argument stack (where that could not be found, some other variable).
    pub stack_sp: u64,
    /// The depth of the save stack (where that could not be found, some other variable).
    pub savestack_ix: u64,
    others: [u64; 2],
}

/// In which span a variable is, where in it, and its bytes.
type SpanPlace = (usize, usize, u8);

/// Where the header is: as few ranges as cover its variables, and where in these each is.
#[derive(Debug)]
pub(in crate::perl) struct HeaderPlaces {
    spans: Vec<(u64, usize)>,
    places: [SpanPlace; MOVING],
    has_op: bool,
}

impl HeaderPlaces {
    pub(in crate::perl) fn of(variables: &Variables) -> Self {
        let all = [
            variables.op.unwrap_or(variables.curcop),
            variables.curcop,
            variables.curstackinfo,
            variables.stack_sp,
            variables.savestack_ix,
            variables.markstack_ptr,
            variables.tmps_ix,
        ];
        let spans = spans_of(&all);
        HeaderPlaces {
            places: all.map(|v| place_in(&spans, v)),
            spans,
            has_op: variables.op.is_some(),
        }
    }

    /// Asks for them.
    pub(in crate::perl) fn push(&self, batch: &mut Batch, slots: &mut Vec<Slot>) {
        push_all(&self.spans, batch, slots);
    }

    /// What was read of them.
    ///
    /// # Errors
    /// [`StackError::Read`] when one of them is not mapped.
    pub(in crate::perl) fn parse(
        &self,
        batch: &Batch,
        slots: &[Slot],
        abi: Abi,
    ) -> Result<Header, StackError> {
        let mut values = [0u64; MOVING];
        for (value, (span, offset, size)) in values.iter_mut().zip(self.places) {
            let slot = slots
                .get(span)
                .ok_or(StackError::Nonsense("a variable outside every span"))?;
            *value = abi
                .uint(batch.bytes(*slot)?, offset, usize::from(size))
                .ok_or(StackError::Nonsense("a variable outside its span"))?;
        }
        let [op, curcop, curstackinfo, stack_sp, savestack_ix, a, b] = values;
        Ok(Header {
            op: if self.has_op { op } else { 0 },
            curcop,
            curstackinfo,
            stack_sp,
            savestack_ix,
            others: [a, b],
        })
    }
}

/// Where variables are that are read once with each copy: as few ranges as cover them.
#[derive(Debug)]
pub(in crate::perl) struct BesidePlaces {
    spans: Vec<(u64, usize)>,
    cop_seqmax: Option<SpanPlace>,
    compiling_line: Option<SpanPlace>,
}

/// The values of these; `None` for what is not known or could not be read.
#[derive(Debug, Clone, Copy, Default)]
pub(in crate::perl) struct BesideValues {
    /// `PL_cop_seqmax`.
    pub(in crate::perl) cop_seqmax: Option<u64>,
    /// The line of `PL_compiling`.
    pub(in crate::perl) compiling_line: Option<u64>,
}

impl BesidePlaces {
    pub(in crate::perl) fn of(variables: &Variables) -> Self {
        let (seqmax, line) = (variables.cop_seqmax, variables.compiling.line);
        let spans = spans_of(&seqmax.into_iter().chain(line).collect::<Vec<_>>());
        BesidePlaces {
            cop_seqmax: seqmax.map(|v| place_in(&spans, v)),
            compiling_line: line.map(|v| place_in(&spans, v)),
            spans,
        }
    }

    /// Asks for them.
    pub(in crate::perl) fn push(&self, batch: &mut Batch, slots: &mut Vec<Slot>) {
        push_all(&self.spans, batch, slots);
    }

    /// What was read of them.
    pub(in crate::perl) fn parse(&self, batch: &Batch, slots: &[Slot], abi: Abi) -> BesideValues {
        let value = |place: Option<SpanPlace>| {
            let (span, offset, size) = place?;
            let bytes = batch.bytes(*slots.get(span)?).ok()?;
            abi.uint(bytes, offset, usize::from(size))
        };
        BesideValues {
            cop_seqmax: value(self.cop_seqmax),
            compiling_line: value(self.compiling_line),
        }
    }
}

fn push_all(spans: &[(u64, usize)], batch: &mut Batch, slots: &mut Vec<Slot>) {
    slots.clear();
    slots.extend(
        spans
            .iter()
            .map(|(address, len)| batch.push(*address, *len)),
    );
}

fn place_in(spans: &[(u64, usize)], v: Variable) -> SpanPlace {
    let span = spans.iter().position(|(start, len)| {
        v.address >= *start && v.address < start.saturating_add(*len as u64)
    });
    let index = span.unwrap_or(0);
    let start = spans.get(index).map_or(0, |s| s.0);
    (index, v.address.wrapping_sub(start) as usize, v.size)
}

/// As few ranges as cover the variables: near ones share a range, which costs less than another.
fn spans_of(variables: &[Variable]) -> Vec<(u64, usize)> {
    const NEAR: u64 = 2048;
    let mut sorted: Vec<Variable> = variables.to_vec();
    sorted.sort_by_key(|v| v.address);
    let mut spans: Vec<(u64, usize)> = Vec::new();
    for v in sorted {
        let end = v.address.saturating_add(v.size.into());
        match spans.last_mut() {
            Some((start, len))
                if v.address <= start.saturating_add(*len as u64).saturating_add(NEAR) =>
            {
                *len = (*len).max((end - *start) as usize)
            }
            _ => spans.push((v.address, usize::from(v.size))),
        }
    }
    spans
}
