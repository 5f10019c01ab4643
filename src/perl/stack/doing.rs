//! What an op has to do with contexts.

use crate::perl::values::ops::OpNumbers;

/// What the current op has to do with contexts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OpPhase {
    /// It calls a sub.
    Calling,
    /// C code calls a sub, through an op that it made for that (call_sv, perl.c).
    CallingFromC,
    /// It begins an eval, a `require` or a `do FILE`.
    Evaluating,
    /// It begins a sort.
    Sorting,
    /// It begins a block, a loop or the like.
    Entering,
    /// It ends a sub or an eval.
    Leaving,
    /// Nothing.
    Other,
}

impl OpPhase {
    /// By the type of the current op.
    pub fn of(ops: &OpNumbers, op_type: u64) -> Self {
        if ops.leaving.contains(&op_type) {
            return OpPhase::Leaving;
        }
        match ops.name(op_type).map(|name| &**name) {
            Some("entersub" | "enterxssub") => OpPhase::Calling,
            Some("null") => OpPhase::CallingFromC,
            Some("sort") => OpPhase::Sorting,
            Some("entertry" | "entereval" | "require" | "dofile") => OpPhase::Evaluating,
            Some(
                "enter" | "enterloop" | "enteriter" | "entergiven" | "enterwhen" | "enterwrite"
                | "subst" | "substcont" | "match" | "regcomp",
            ) => OpPhase::Entering,
            _ => OpPhase::Other,
        }
    }

    /// It makes a context.
    pub(in crate::perl) fn pushes(self) -> bool {
        !matches!(self, OpPhase::Leaving | OpPhase::Other)
    }
}
