//! The numbers of the ops that matter to us, as the target's own `PL_op_name` has them.

use std::sync::Arc;

/// What an op is.
#[derive(Debug, Clone, Copy)]
pub struct OpKind {
    /// Index into `PL_op_name`.
    pub op_type: u64,
    /// The op that runs after it; NULL in ops that C code makes for one call.
    pub next: u64,
}

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
    /// `require`, which makes a frame of its own.
    pub require: Option<u64>,
    /// `do FILE`, which makes the same kind of frame as `require`.
    pub dofile: Option<u64>,
    /// `sort`, whose comparator is called by C code.
    pub sort: Option<u64>,
    /// The ops that end a sub or an eval: while they run, its frame is being taken down.
    pub leaving: Vec<u64>,
    names: Vec<Option<Arc<str>>>,
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
            names: names.iter().map(|n| n.as_deref().map(Arc::from)).collect(),
        })
    }

    /// How many ops this perl has: their types are below.
    pub fn count(&self) -> u64 {
        self.names.len() as u64
    }

    /// The name of an op by its type.
    pub fn name(&self, op_type: u64) -> Option<&Arc<str>> {
        let index = usize::try_from(op_type).ok()?;
        self.names.get(index)?.as_ref()
    }

    /// The type of the op of that name.
    pub fn number(&self, name: &str) -> Option<u64> {
        let index = self.names.iter().position(|n| n.as_deref() == Some(name));
        index.map(|index| index as u64)
    }

    /// True when ops of this type have that name.
    pub fn is_named(&self, op_type: u64, name: &str) -> bool {
        self.name(op_type).is_some_and(|n| **n == *name)
    }

    /// True for the types of ops that look up a method whose name is in the program's text.
    pub fn is_named_method(&self, op_type: u64) -> bool {
        let names = [
            "method_named",
            "method_super",
            "method_redir",
            "method_redir_super",
        ];
        self.name(op_type)
            .is_some_and(|name| names.contains(&&**name))
    }

    /// True for the types of ops that go one of two ways within a statement (LOGOPs, opcode.h).
    pub fn is_branch(&self, op_type: u64) -> bool {
        let names = [
            "and",
            "or",
            "dor",
            "cond_expr",
            "andassign",
            "orassign",
            "dorassign",
            "range",
            "grepwhile",
            "mapwhile",
            "cmpchain_and",
        ];
        self.name(op_type)
            .is_some_and(|name| names.contains(&&**name))
    }

    /// True for the types of ops that are COPs.
    pub fn is_statement(&self, op_type: u64) -> bool {
        op_type == self.nextstate || Some(op_type) == self.dbstate
    }
}
