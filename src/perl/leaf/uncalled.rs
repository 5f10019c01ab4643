//! C functions that run while the current op is no call: C code that catches perl's errors makes an op
//! of its own for that, and `goto &$code` has taken its own sub off the stack.

use super::callee::{Callee, StackTop};
use crate::memory::Paged;
use crate::perl::stack::{Header, Variable};
use crate::perl::values::context::{NameError, PerlView};
use crate::perl::values::pads::Pads;

/// Ops of a sub among which one is sought.
const MAX_OPS: usize = 1 << 13;
/// Words at the top of the save stack among which a sub is sought.
const MAX_SAVED: u64 = 64;
/// Words of one entry there: a value, and above it what it was saved for.
const ENTRY: usize = 2;
/// KiB of the target that one search may read.
const MAX_READ: usize = 512;

impl PerlView<'_> {
    /// The C function that a call in this statement runs, though the current op is not that call: what
    /// was taken off the argument stack last is the very sub that one of them names.
    pub(in crate::perl) fn called_in(
        &self,
        statement: u64,
        stack: StackTop,
        pads: &Pads,
    ) -> Result<Option<u64>, NameError> {
        let paged = Paged::new(self.memory, MAX_READ);
        let here = PerlView {
            memory: &paged,
            ..*self
        };
        for call in here.statement_tree(statement)?.calls() {
            let is_it = match here.callee(*call)? {
                Callee::Named(glob) => here.op_value(glob, pads)? == Some(stack.popped),
                Callee::Method(named_by) => match here.bare_code(stack.popped)? {
                    Some(cv) => here.own_name(cv)? == here.method_name(named_by, pads)?,
                    None => false,
                },
                Callee::Lexical(_) | Callee::Computed(_) => false,
            };
            if is_it {
                return here.if_xsub(here.code_of(stack.popped, true)?);
            }
        }
        Ok(None)
    }

    /// The C function that a `goto &$code` has gone to, whatever names it: the sub it stands in has been
    /// left, and the function is on the save stack, to be freed when it returns (pp_goto, pp_ctl.c).
    /// Before 5.8.9 the sub is left only then: there this finds nothing.
    pub(in crate::perl) fn gone_to(
        &self,
        header: &Header,
        pads: &Pads,
    ) -> Result<Option<u64>, NameError> {
        let is_to_label = self.first_child(header.op)? == 0;
        let (Some(savestack), false) = (pads.savestack, is_to_label) else {
            return Ok(None);
        };
        let Some(function) = self.kept_function(savestack, header.savestack_ix)? else {
            return Ok(None);
        };
        let paged = Paged::new(self.memory, MAX_READ);
        let here = PerlView {
            memory: &paged,
            ..*self
        };
        // What is kept may be of an outer `goto`, while this one has not left its sub.
        let statement = here.statement_tree(header.curcop)?;
        let has_begun = !statement.gotos().contains(&header.op);
        Ok(has_begun.then_some(function))
    }

    /// The C function that was put on the save stack last, unless a Perl sub was after it: only
    /// the one that was left for it may be.
    fn kept_function(&self, savestack: Variable, depth: u64) -> Result<Option<u64>, NameError> {
        let width = u64::from(self.abi.pointer_size);
        let count = depth.min(MAX_SAVED);
        let base = self.pointer_at(savestack.address)?;
        let first = base.wrapping_add(depth.wrapping_sub(count).wrapping_mul(width));
        let words = self.reader().pointers(first, count as usize)?;
        for end in (ENTRY..=words.len()).rev() {
            if let Some(sub) = self.kept_sub(&words, end)? {
                return match self.is_xsub(sub)? {
                    true => Ok(Some(sub)),
                    false => self.if_xsub(self.kept_sub(&words, end - ENTRY)?),
                };
            }
        }
        Ok(None)
    }

    /// The sub that the entry of the save stack keeps which ends there: what is to be freed, and above
    /// it the word that says so.
    fn kept_sub(&self, words: &[u64], end: usize) -> Result<Option<u64>, NameError> {
        let entry = end.checked_sub(ENTRY).and_then(|at| words.get(at..end));
        match (entry, self.layout.constants.SAVEt_FREESV) {
            // Before 5.14 it is an int, with something else above.
            (Some(&[sv, word]), Some(freesv)) if word & u64::from(u32::MAX) == freesv => {
                self.bare_code(sv)
            }
            _ => Ok(None),
        }
    }

    /// True if the op is one of this sub.
    pub(in crate::perl) fn has_op(&self, sub: u64, wanted: u64) -> Result<bool, NameError> {
        let (_, body) = self.head(sub)?;
        let mut pending = vec![self.member(body, self.layout.xpvcv.xcv_root)?];
        for _ in 0..MAX_OPS {
            let Some(op) = pending.pop() else { break };
            if op == wanted {
                return Ok(true);
            }
            if op != 0 {
                let node = self.op_node(op)?;
                pending.extend([node.sibling, node.first]);
            }
        }
        Ok(false)
    }
}
