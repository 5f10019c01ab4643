//! The numbers of the ops that matter to us, as the target's own `PL_op_name` has them.

/// Op names by number, and the few numbers that the walk asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OpNumbers {
    /// An op that was optimised away; its `op_targ` is the type that it had.
    pub null: u64,
    /// A statement.
    pub nextstate: u64,
    /// A statement under the debugger.
    pub dbstate: Option<u64>,
    /// A block without a context of its own.
    pub scope: Option<u64>,
    /// `require`.
    pub require: Option<u64>,
    /// `do FILE`, which makes the same kind of frame as `require`.
    pub dofile: Option<u64>,
    /// `sort`.
    pub sort: Option<u64>,
    /// The ops that end a sub or an eval: while they run, its frame is being taken down.
    pub leaving: Vec<u64>,
}

/// `PL_op_name` is not what it should be.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("PL_op_name of the target has no op called {0}")]
pub struct NoSuchOp(&'static str);

impl OpNumbers {
    /// Finds the numbers in the strings of `PL_op_name` (opcode.h).
    ///
    /// # Errors
    /// [`NoSuchOp`] when an op that every perl has is missing.
    pub fn from_names(names: &[Option<String>]) -> Result<Self, NoSuchOp> {
        let find = |name: &'static str| {
            let place = names.iter().position(|n| n.as_deref() == Some(name));
            place.map(|number| number as u64)
        };
        let need = |name: &'static str| find(name).ok_or(NoSuchOp(name));
        Ok(OpNumbers {
            null: need("null")?,
            nextstate: need("nextstate")?,
            dbstate: find("dbstate"),
            scope: find("scope"),
            require: find("require"),
            dofile: find("dofile"),
            sort: find("sort"),
            leaving: ["leavesub", "leavesublv", "return", "leaveeval"]
                .into_iter()
                .filter_map(find)
                .collect(),
        })
    }

    /// True for the types of ops that are COPs.
    pub fn is_statement(&self, op_type: u64) -> bool {
        op_type == self.nextstate || Some(op_type) == self.dbstate
    }
}
