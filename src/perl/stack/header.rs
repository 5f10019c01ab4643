//! The variables of an interpreter that tell what it is doing, and that it moves.

use super::StackError;
use crate::memory::{Abi, Batch, Slot};

/// One variable of the interpreter: where it is in the target.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Variable {
    /// Its address.
    pub address: u64,
    /// Bytes.
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
    others: [u64; 3],
}

/// Where the header is: as few ranges as cover its variables, and where in these each is.
#[derive(Debug)]
pub(in crate::perl) struct HeaderPlaces {
    spans: Vec<(u64, usize)>,
    places: [(usize, usize, u8); MOVING],
    has_op: bool,
}

impl HeaderPlaces {
    pub(in crate::perl) fn of(variables: &Variables) -> Self {
        let all = [
            variables.op.unwrap_or(variables.curcop),
            variables.curcop,
            variables.curstackinfo,
            variables.stack_sp,
            variables.markstack_ptr,
            variables.savestack_ix,
            variables.tmps_ix,
        ];
        let spans = spans_of(&all);
        let places = all.map(|v| {
            let span = spans.iter().position(|(start, len)| {
                v.address >= *start && v.address < start.saturating_add(*len as u64)
            });
            let index = span.unwrap_or(0);
            let start = spans.get(index).map_or(0, |s| s.0);
            (index, (v.address - start) as usize, v.size)
        });
        HeaderPlaces {
            spans,
            places,
            has_op: variables.op.is_some(),
        }
    }

    /// Asks for them.
    pub(in crate::perl) fn push(&self, batch: &mut Batch, slots: &mut Vec<Slot>) {
        slots.clear();
        slots.extend(
            self.spans
                .iter()
                .map(|(address, len)| batch.push(*address, *len)),
        );
    }

    /// What was read of them.
    ///
    /// # Errors
    /// [`StackError::Read`].
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
        let [op, curcop, curstackinfo, stack_sp, a, b, c] = values;
        Ok(Header {
            op: if self.has_op { op } else { 0 },
            curcop,
            curstackinfo,
            stack_sp,
            others: [a, b, c],
        })
    }
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
