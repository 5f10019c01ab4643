//! What an op has to do with contexts.

use crate::perl::values::ops::OpNumbers;

/// What the current op has to do with contexts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Doing {
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

impl Doing {
    /// By the type of the current op.
    pub fn of(ops: &OpNumbers, op_type: u64) -> Self {
        if ops.leaving.contains(&op_type) {
            return Doing::Leaving;
        }
        match ops.name(op_type).map(|name| &**name) {
            Some("entersub" | "enterxssub") => Doing::Calling,
            Some("null") => Doing::CallingFromC,
            Some("sort") => Doing::Sorting,
            Some("entertry" | "entereval" | "require" | "dofile") => Doing::Evaluating,
            Some(
                "enter" | "enterloop" | "enteriter" | "entergiven" | "enterwhen" | "enterwrite"
                | "subst" | "substcont" | "match" | "regcomp",
            ) => Doing::Entering,
            _ => Doing::Other,
        }
    }

    /// It makes a context.
    pub(in crate::perl) fn pushes(self) -> bool {
        !matches!(self, Doing::Leaving | Doing::Other)
    }
}
