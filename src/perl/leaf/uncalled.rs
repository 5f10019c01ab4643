//! C functions that run while the current op is no call: C code that catches perl's errors makes an op
//! of its own for that, and `goto &sub` has taken its own sub off the stack.

use super::callee::{Callee, StackTop};
use crate::memory::Paged;
use crate::perl::stack::Header;
use crate::perl::values::context::{NameError, PerlView};
use crate::perl::values::pads::Pads;

/// Ops of a sub among which one is sought.
const MAX_OPS: usize = 1 << 13;
/// Ops between a `goto` and the glob that it names.
const MAX_BETWEEN: usize = 16;
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

    /// The sub whose context was taken off the stack last. It is still there, until another takes its
    /// place; `None` where the one below is of the same sub.
    pub(in crate::perl) fn left_last(&self, header: &Header) -> Result<Option<u64>, NameError> {
        let (info, context) = (&self.layout.stackinfo, &self.layout.context);
        let top = self.member(header.curstackinfo, info.si_cxix)?;
        let max = self.member(header.curstackinfo, info.si_cxmax)?;
        // -1 for an empty stack.
        let above = top.wrapping_add(1) & u64::from(u32::MAX);
        if above > max || above == 0 {
            return Ok(None);
        }
        let contexts = self.member(header.curstackinfo, info.si_cxstack)?;
        let size = u64::from(context.sizeof.offset);
        let sub_at = |index: u64| {
            let at = contexts.wrapping_add(index.wrapping_mul(size));
            self.member(at, context.blk_sub_cv)
        };
        let left = sub_at(above)?;
        Ok((left != 0 && left != sub_at(top)?).then_some(left))
    }

    /// The C function that a `goto &name` of this sub has gone to.
    pub(in crate::perl) fn gone_to(&self, goto: u64, sub: u64) -> Result<Option<u64>, NameError> {
        let paged = Paged::new(self.memory, MAX_READ);
        let here = PerlView {
            memory: &paged,
            ..*self
        };
        let Some(op) = here.glob_below(goto)? else {
            return Ok(None);
        };
        if here.bare_code(sub)?.is_none() || !here.has_op(sub, goto)? {
            return Ok(None);
        }
        match here.glob_of(op, here.constants_of(sub))? {
            0 => Ok(None),
            glob => here.if_xsub(here.code_of(glob, true)?),
        }
    }

    /// The op that names the only glob below this one, where nothing else is computed there.
    fn glob_below(&self, goto: u64) -> Result<Option<u64>, NameError> {
        let mut found = None;
        let mut pending = vec![self.first_child(goto)?];
        for _ in 0..MAX_BETWEEN {
            let Some(op) = pending.pop() else {
                return Ok(found);
            };
            if op == 0 {
                continue;
            }
            let node = self.op_node(op)?;
            match self.ops.name(node.op_type).map(|name| &**name) {
                Some("gv") if found.is_none() => found = Some(op),
                Some("null" | "pushmark" | "refgen" | "srefgen" | "rv2cv") => {}
                _ => return Ok(None),
            }
            pending.extend([node.sibling, node.first]);
        }
        Ok(None)
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
