//! The types of the ops that run, remembered as long as no op can have taken another's place.

use super::ops::OpKind;
use crate::hash::Map;
use crate::perl::values::context::PerlView;

/// Ops whose types are remembered before all are forgotten.
const MAX_REMEMBERED: usize = 1 << 16;

/// Types of ops by their address.
#[derive(Debug, Default)]
pub(in crate::perl) struct OpTypes {
    types: Map<u64, OpKind>,
    /// `PL_cop_seqmax` when they were read: it grows with everything that is compiled.
    at: Option<u64>,
}

impl OpTypes {
    /// The type of an op; `None` for no op, or where it cannot be read.
    pub(in crate::perl) fn get(
        &mut self,
        view: &PerlView<'_>,
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
        let kind = view.op_kind(op).ok()?;
        // C code makes ops on its own stack, each time another one. Those have no next op, like the
        // ones that end a sub.
        let is_lasting = kind.next != 0 || view.ops.leaving.contains(&kind.op_type);
        if is_lasting && cop_seqmax.is_some() {
            self.types.insert(op, kind);
        }
        Some(kind)
    }
}
