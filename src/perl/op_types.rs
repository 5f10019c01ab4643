//! The types of the ops that run, remembered as long as no op can have taken another's place.

use super::names::NameContext;
use std::collections::HashMap;

/// Ops whose types are remembered before all are forgotten.
const MAX_REMEMBERED: usize = 1 << 16;

/// What an op is.
#[derive(Debug, Clone, Copy)]
pub(super) struct OpKind {
    /// Index into `PL_op_name`.
    pub(super) op_type: u64,
    /// The op that runs after it; NULL in ops that C code makes for one call.
    pub(super) next: u64,
}

/// Types of ops by their address.
#[derive(Debug, Default)]
pub(super) struct OpTypes {
    types: HashMap<u64, OpKind>,
    /// `PL_cop_seqmax` when they were read: it grows with everything that is compiled.
    at: Option<u64>,
}

impl OpTypes {
    /// The type of an op; `None` for no op, or where it cannot be read.
    pub(super) fn get(
        &mut self,
        target: &NameContext<'_>,
        op: u64,
        cop_seqmax: Option<u64>,
    ) -> Option<OpKind> {
        if op == 0 {
            return None;
        }
        if cop_seqmax.is_none() || cop_seqmax != self.at || self.types.len() > MAX_REMEMBERED {
            self.types.clear();
            self.at = cop_seqmax;
        }
        if let Some(known) = self.types.get(&op) {
            return Some(*known);
        }
        let kind = target.op_kind(op).ok()?;
        // C code makes ops on its own stack, each time another one.
        if kind.next != 0 && cop_seqmax.is_some() {
            self.types.insert(op, kind);
        }
        Some(kind)
    }
}
