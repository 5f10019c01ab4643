//! Where an interpreter has the values of the ops that run.

use crate::perl::stack::header::Variable;

/// Where the values are that ops refer to by an index, and whether there is a stack to look at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pads {
    /// `PL_curpad`.
    pub curpad: Option<Variable>,
    /// `PL_regex_pad`, of threaded builds.
    pub regex_pad: Option<Variable>,
    /// `PL_stack_base`.
    pub stack_base: Option<Variable>,
    /// `PL_savestack`.
    pub savestack: Option<Variable>,
    /// `PL_stack_sp` is known.
    pub has_stack: bool,
}
