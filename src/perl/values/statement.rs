//! The ops of a statement: on which of its lines an op is (closest_cop, util.c), and where a sub's
//! first statement is.

use super::context::{NameError, PerlView};
use super::objects::BodySpan;
use crate::memory::{Batch, Slot};
use std::collections::HashMap;

/// Ops of one statement that are looked at; the largest seen in CPAN modules have some thousand.
const MAX_OPS: usize = 8192;

/// Ops from a sub's entry to its first statement: signatures and `my` come in between.
const MAX_STEPS: usize = 512;

/// What the ops of a statement tell.
#[derive(Debug, Default)]
pub(in crate::perl) struct StatementTree {
    /// In the order in which perl's closest_cop (util.c) meets them. Empty when no inner statement
    /// was optimised away: then there is nothing to refine.
    ops: Vec<TreeOp>,
    /// `op_next` of every `do FILE`.
    dofiles: Vec<u64>,
    has_require: bool,
    pub(in crate::perl) has_sort: bool,
    /// The calls of subs.
    calls: Vec<u64>,
    /// The `goto`s.
    gotos: Vec<u64>,
    /// Of every eval BLOCK: where it goes on after it, and the statements in it.
    evals: Vec<(u64, Vec<u64>)>,
    /// There are more ops than were looked at.
    is_cut: bool,
}

#[derive(Debug, Clone, Copy)]
struct TreeOp {
    address: u64,
    next: u64,
    is_scope: bool,
    line: u64,
}

impl StatementTree {
    pub(in crate::perl) fn calls(&self) -> &[u64] {
        &self.calls
    }

    pub(in crate::perl) fn gotos(&self) -> &[u64] {
        &self.gotos
    }

    pub(in crate::perl) fn line_of(&self, op: u64, is_next: bool) -> Option<u64> {
        let found = self.ops.iter().find(|o| {
            if is_next {
                o.next == op && !o.is_scope
            } else {
                o.address == op
            }
        });
        found.map(|o| o.line)
    }

    /// Whether a statement is within the eval BLOCK that goes on at `next`. Before 5.10 a frame does
    /// not say where it goes on: then `next` is 0, and any will do.
    pub(in crate::perl) fn is_in_eval(&self, next: u64, statement: u64) -> bool {
        let mut evals = self.evals.iter().filter(|(n, _)| next == 0 || *n == next);
        self.is_cut || evals.any(|(_, inner)| inner.contains(&statement))
    }

    /// Whether what was called and goes on at `next` is a `do FILE` and no `require`. Before 5.10
    /// a frame does not say where it goes on: then `next` is 0.
    pub(in crate::perl) fn is_dofile(&self, next: u64) -> bool {
        if next == 0 {
            !self.dofiles.is_empty() && !self.has_require
        } else {
            self.dofiles.contains(&next)
        }
    }
}

#[derive(Debug, Clone, Copy)]
struct StatementOp {
    next: u64,
    sibling: u64,
    first: u64,
    is_scope: bool,
    was_statement: bool,
    op_type: u64,
}

/// The statements below every eval BLOCK.
fn evals(
    nodes: &HashMap<u64, StatementOp>,
    leavetry: Option<u64>,
    is_statement: impl Fn(u64) -> bool,
) -> Vec<(u64, Vec<u64>)> {
    let evals = nodes.values().filter(|n| Some(n.op_type) == leavetry);
    let inner = |eval: &StatementOp| {
        let mut statements = Vec::new();
        let mut pending = vec![eval.first];
        // Hostile memory may have a ring of siblings.
        for _ in 0..MAX_OPS {
            let Some(at) = pending.pop() else { break };
            let Some(node) = nodes.get(&at) else { continue };
            if is_statement(node.op_type) {
                statements.push(at);
            }
            pending.extend([node.sibling, node.first].into_iter().filter(|a| *a != 0));
        }
        (eval.next, statements)
    };
    evals.map(inner).collect()
}

/// Lists the tree below `root` in the order of perl's own search, each op with the line of the
/// statement that closest_cop would name for it.
fn flatten(
    nodes: &HashMap<u64, StatementOp>,
    lines: &HashMap<u64, u64>,
    cop: u64,
    root: u64,
) -> Vec<TreeOp> {
    let mut ops = Vec::new();
    let own = lines.get(&cop).copied().unwrap_or(0);
    // (op, line inherited from the left, whether its siblings follow)
    let mut stack = vec![(root, own, false)];
    while let Some((at, inherited, with_siblings)) = stack.pop() {
        let Some(node) = nodes.get(&at).filter(|_| ops.len() < MAX_OPS) else {
            continue;
        };
        let line = match lines.get(&at) {
            Some(line) if with_siblings && node.was_statement => *line,
            _ => inherited,
        };
        ops.push(TreeOp {
            address: at,
            next: node.next,
            is_scope: node.is_scope,
            line,
        });
        if with_siblings && node.sibling != 0 {
            stack.push((node.sibling, line, true));
        }
        if node.first != 0 {
            stack.push((node.first, line, true));
        }
    }
    ops
}

impl PerlView<'_> {
    /// The first statement of the sub with this body: `CvSTART` and on from there.
    pub(in crate::perl) fn first_statement(&self, body: u64) -> Result<Option<u64>, NameError> {
        let op = &self.layout.op;
        let mut at = self.member(body, self.layout.xpvcv.xcv_start)?;
        for _ in 0..MAX_STEPS {
            if at == 0 {
                return Ok(None);
            }
            if self.ops.is_statement(self.member(at, op.op_type)?) {
                return Ok(Some(at));
            }
            at = self.member(at, op.op_next)?;
        }
        Ok(None)
    }

    /// The ops that follow a statement, for finding out on which line of it an op is.
    pub(in crate::perl) fn statement_tree(&self, cop: u64) -> Result<StatementTree, NameError> {
        let (op, unop) = (&self.layout.op, &self.layout.unop);
        let mut fields = vec![
            op.op_next,
            op.op_sibling,
            op.op_targ,
            op.op_type,
            op.op_flags,
            unop.op_first,
        ];
        fields.extend(op.op_moresib);
        let length =
            BodySpan::of(&fields).start + fields.iter().map(|f| f.end()).max().unwrap_or(0);
        let mut nodes: HashMap<u64, StatementOp> = HashMap::new();
        let mut wanted = vec![cop];
        let mut batch = Batch::new();
        while !wanted.is_empty() && nodes.len() < MAX_OPS {
            batch.clear();
            let slots: Vec<(u64, Slot)> = wanted
                .drain(..)
                .map(|at| (at, batch.push(at, length)))
                .collect();
            self.memory.fill(&mut batch)?;
            for (at, slot) in slots {
                // An op at the very end of a mapping has no op_first behind it, and needs none.
                let Ok(bytes) = batch.bytes(slot) else {
                    continue;
                };
                let node = self.node(bytes, at == cop)?;
                // Of the statement itself only the op behind it counts.
                let first = if at == cop { 0 } else { node.first };
                let sibling = if at == cop || nodes.get(&cop).is_none_or(|c| c.sibling != at) {
                    node.sibling
                } else {
                    0
                };
                nodes.insert(at, node);
                wanted.extend(
                    [first, sibling]
                        .into_iter()
                        .filter(|a| *a != 0 && !nodes.contains_key(a)),
                );
            }
        }
        let optimised: Vec<u64> = nodes
            .iter()
            .filter(|(at, n)| n.was_statement && **at != cop)
            .map(|(at, _)| *at)
            .collect();
        let all_of = |name: &str| {
            let number = self.ops.number(name);
            let are = nodes.iter().filter(|(_, n)| Some(n.op_type) == number);
            are.map(|(at, _)| *at).collect()
        };
        let are = |op: Option<u64>| nodes.values().filter(move |n| Some(n.op_type) == op);
        let mut tree = StatementTree {
            ops: Vec::new(),
            dofiles: are(self.ops.dofile).map(|n| n.next).collect(),
            has_require: are(self.ops.require).next().is_some(),
            has_sort: are(self.ops.sort).next().is_some(),
            calls: all_of("entersub"),
            gotos: all_of("goto"),
            evals: evals(&nodes, self.ops.number("leavetry"), |op_type| {
                self.ops.is_statement(op_type)
            }),
            is_cut: nodes.len() >= MAX_OPS,
        };
        let Some(root) = nodes
            .get(&cop)
            .map(|c| c.sibling)
            .filter(|root| *root != 0 && !optimised.is_empty())
        else {
            return Ok(tree);
        };
        let mut lines = HashMap::from([(cop, self.member(cop, self.layout.cop.cop_line)?)]);
        for at in optimised {
            lines.insert(at, self.member(at, self.layout.cop.cop_line)?);
        }
        tree.ops = flatten(&nodes, &lines, cop, root);
        Ok(tree)
    }

    fn node(&self, bytes: &[u8], is_cop: bool) -> Result<StatementOp, NameError> {
        let op = &self.layout.op;
        let op_type = self.get(op.op_type, bytes)?;
        let has_sibling = match op.op_moresib {
            Some(flag) => self.get(flag, bytes)? != 0,
            None => true,
        };
        let has_kids =
            !is_cop && self.get(op.op_flags, bytes)? & self.layout.constants.OPf_KIDS != 0;
        Ok(StatementOp {
            next: self.get(op.op_next, bytes)?,
            sibling: if has_sibling {
                self.get(op.op_sibling, bytes)?
            } else {
                0
            },
            first: if has_kids {
                self.get(self.layout.unop.op_first, bytes)?
            } else {
                0
            },
            is_scope: Some(op_type) == self.ops.scope,
            op_type,
            was_statement: op_type == self.ops.null
                && self.get(op.op_targ, bytes)? == self.ops.nextstate,
        })
    }
}
