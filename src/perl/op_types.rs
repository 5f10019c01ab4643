//! The types of the ops that run, remembered as long as no op can have taken another's place.

use super::names::NameContext;
use std::collections::HashMap;

/// Ops whose types are remembered before all are forgotten.
const MAX_REMEMBERED: usize = 1 << 16;

/// Types of ops by their address.
#[derive(Debug, Default)]
pub(super) struct OpTypes {
    types: HashMap<u64, u64>,
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
    ) -> Option<u64> {
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
        let op_type = target.op_type(op).ok()?;
        // C code makes such ops on its own stack, each time another one.
        let is_lasting = !target.ops.is_named(op_type, "null")
            && !target.ops.is_named(op_type, "entersub")
            && cop_seqmax.is_some();
        if is_lasting {
            self.types.insert(op, op_type);
        }
        Some(op_type)
    }
}
