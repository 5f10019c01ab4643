//! Which code is being compiled. What `PL_curcop` says does not tell: the optimiser sets it to each
//! statement that it looks at, none of which runs (rpeep, finalize_optree and scalarvoid, op.c).
//!
//! `PL_compiling` has a line while the innermost of the main program, evals and requires is being
//! compiled, and none once that runs (perl_parse, perl.c; doeval, pp_ctl.c). Beyond that one, where it
//! is thrown away, and until 5.16 at its end, where perl still looks through it for what is useless
//! (doeval), `CvDEPTH` tells: it is set when the compiled code begins.

use super::names::of_this_object;
use super::stack::StackReader;
use super::stack::doing::OpPhase;
use super::stack::header::Compiling;
use super::stack::walk::{ContextKind, RawFrame, RawStack};
use super::values::context::{NameError, PerlView};
use crate::memory::ReadError;

impl Compiling {
    /// Marks those of the frames from `first` on whose code is being compiled while the statement
    /// that they stand in is one of that code. True when something was read that may be of a
    /// later moment than the copy.
    ///
    /// # Errors
    /// [`NameError::Read`] when the target can no longer be read.
    pub(in crate::perl) fn mark(
        &self,
        view: &PerlView<'_>,
        stack: &mut RawStack,
        first: usize,
        copy: &StackReader,
        doing: OpPhase,
    ) -> Result<bool, NameError> {
        let mut has_read = false;
        let op = copy.header().op;
        let Some(line) = copy.compiling_line() else {
            return Ok(false);
        };
        for index in first..stack.frames.len() {
            let now = (line, op, doing);
            let is_compiled = match self.candidate(view, stack, index, now) {
                Some(candidate) => {
                    has_read = true;
                    match self.has_begun(view, candidate.frame, copy)? {
                        Some(begun) => !begun,
                        None if line != 0 => candidate.is_innermost,
                        // Perl 5.6: between its first and its last op, code has one.
                        None if op == 0 => self.has_op,
                        None => doing == OpPhase::Evaluating && is_by(view, candidate.frame, op)?,
                    }
                }
                None => false,
            };
            if let Some(frame) = stack.frames.get_mut(index) {
                frame.is_compiled = is_compiled;
            }
        }
        Ok(has_read)
    }

    fn candidate(
        &self,
        view: &PerlView<'_>,
        stack: &RawStack,
        index: usize,
        (line, op, doing): (u64, u64, OpPhase),
    ) -> Option<CompileCandidate> {
        let frame = *stack.frames.get(index).filter(|f| f.kind.is_unit())?;
        let is_at_call = frame.position.cop == frame.call_site;
        let Some(callee) = stack.frames.get(index + 1) else {
            // When an eval ends, what it has put away comes back before its context is gone.
            let is_left = is_at_call && doing == OpPhase::Leaving;
            let may_end =
                frame.kind != ContextKind::Main && (doing == OpPhase::Evaluating || op == 0);
            let is_compiled = (line != 0 || may_end) && !is_left;
            return is_compiled.then_some(CompileCandidate {
                frame,
                is_innermost: true,
            });
        };
        // What runs on the same stack was called by code that runs: only hooks are called from code
        // that is being optimised. (A thread's main program never begins, and calls the thread's.)
        let callback = stack.callbacks.get(callee.place.0)?;
        if callee.place.0 == frame.place.0 || is_at_call {
            return None;
        }
        let is_innermost = stack.is_innermost_unit(index);
        let is_warning = callback.is_warning(&view.layout.constants);
        (is_innermost && line != 0 || is_warning).then_some(CompileCandidate {
            frame,
            is_innermost,
        })
    }

    /// Whether the code of a frame was compiled and has begun; `None` where nothing tells.
    fn has_begun(
        &self,
        view: &PerlView<'_>,
        frame: RawFrame,
        copy: &StackReader,
    ) -> Result<Option<bool>, NameError> {
        let cv = match (frame.kind, self.main_cv) {
            (ContextKind::Main, None) => return Ok(None),
            (ContextKind::Main, Some(variable)) => view.pointer_at(variable.address),
            _ => {
                let field = view.layout.context.blk_eval_cv;
                let bytes = copy.context_at(frame.place, view.layout);
                match field.zip(bytes) {
                    Some((field, bytes)) => view.get(field, bytes),
                    None => return Ok(None),
                }
            }
        };
        let depth = cv.and_then(|cv| match cv {
            0 => Ok(0),
            cv => view.depth_of(cv),
        });
        match depth {
            Ok(depth) => Ok(Some(depth != 0)),
            Err(NameError::Read(e)) if !matches!(e, ReadError::BadAddress { .. }) => Err(e.into()),
            Err(_) => Ok(None),
        }
    }
}

/// Whether an eval was entered by this op.
fn is_by(view: &PerlView<'_>, eval: RawFrame, op: u64) -> Result<bool, NameError> {
    let tree = of_this_object(view.statement_tree(eval.call_site).map(Some))?;
    Ok(tree.is_some_and(|tree| tree.line_of(op, false).is_some()))
}

/// A frame whose code may be being compiled.
#[derive(Debug, Clone, Copy)]
struct CompileCandidate {
    frame: RawFrame,
    /// None further in has code of its own that is compiled as a whole.
    is_innermost: bool,
}
