//! Which C function a call runs: XSUBs have no context, so the stack does not tell.

use super::objects::{BodySpan, Cv, NameContext, NameError};
use super::running::Pads;

/// Arguments of one call that are stepped over on the way to the op that names the sub.
const MAX_ARGUMENTS: usize = 1000;

/// What a call op says of the sub that it calls.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Callee {
    /// Nothing: it is a code reference, or a name made at run time.
    Computed,
    /// The op at this address names a glob.
    Named(u64),
    /// The op at this address names a method; which class has it is known at run time.
    Method(u64),
}

/// Where a call has its sub from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Called {
    /// A code reference, or a name made at run time.
    Computed,
    /// What is in this glob; `None` where that could not be found.
    Glob(Option<u64>),
    /// The lookup of a method.
    Method,
}

/// The values around the top of the argument stack.
#[derive(Debug, Clone, Copy)]
pub(super) struct StackTop {
    /// The top: the last argument, or the sub while its call has not begun.
    pub(super) top: u64,
    /// What was taken off last: the sub, unless it has returned something already.
    pub(super) popped: u64,
}

impl NameContext<'_> {
    /// How the call op at this address names its sub (ck_subr, op.c): the last of its operands.
    pub(super) fn callee(&self, entersub: u64) -> Result<Callee, NameError> {
        let first = self.member(entersub, self.layout.unop.op_first)?;
        if first == 0 {
            return Ok(Callee::Computed);
        }
        // The operands are the op's own, or those of the list below it.
        let mut at = match self.sibling(first)? {
            0 => self.first_child(first)?,
            _ => first,
        };
        for _ in 0..MAX_ARGUMENTS {
            if at == 0 {
                return Ok(Callee::Computed);
            }
            match self.sibling(at)? {
                0 => return self.named_by(at),
                next => at = next,
            }
        }
        Ok(Callee::Computed)
    }

    fn named_by(&self, last: u64) -> Result<Callee, NameError> {
        let op_type = self.op_type(last)?;
        if self.ops.is_named_method(op_type) {
            return Ok(Callee::Method(last));
        }
        // A `rv2cv` that was optimised away stands above the glob.
        if op_type != self.ops.null {
            return Ok(Callee::Computed);
        }
        let child = self.first_child(last)?;
        if child != 0 && self.ops.is_named(self.op_type(child)?, "gv") {
            Ok(Callee::Named(child))
        } else {
            Ok(Callee::Computed)
        }
    }

    fn first_child(&self, op: u64) -> Result<u64, NameError> {
        let flags = self.member(op, self.layout.op.op_flags)?;
        if flags & self.layout.constants.OPf_KIDS == 0 {
            return Ok(0);
        }
        self.member(op, self.layout.unop.op_first)
    }

    fn sibling(&self, op: u64) -> Result<u64, NameError> {
        let fields = &self.layout.op;
        if let Some(flag) = fields.op_moresib
            && self.member(op, flag)? == 0
        {
            return Ok(0);
        }
        self.member(op, fields.op_sibling)
    }

    /// The C function that a call runs or is about to run; `None` where it is a Perl sub, or where
    /// that cannot be told for sure.
    pub(super) fn xsub(
        &self,
        called: Called,
        stack: Option<StackTop>,
    ) -> Result<Option<u64>, NameError> {
        let found = match (called, stack) {
            (Called::Glob(gv), _) => gv.map_or(Ok(None), |gv| self.code_of(gv, true))?,
            (Called::Method, Some(stack)) => {
                // Method lookup leaves the sub itself, never a reference.
                let about_to_be_called = self.bare_code(stack.top)?;
                match about_to_be_called {
                    Some(cv) => Some(cv),
                    None => self.bare_code(stack.popped)?,
                }
            }
            (Called::Computed, Some(stack)) => {
                let top = self.code_of(stack.top, false)?;
                // Either the sub that is about to be called, and above it what was called before,
                // or a code reference as the last argument of the sub that runs.
                match top {
                    Some(_) => None,
                    None => self.code_of(stack.popped, true)?,
                }
            }
            (_, None) => None,
        };
        match found {
            Some(cv) if self.is_xsub(cv)? => Ok(Some(cv)),
            _ => Ok(None),
        }
    }

    /// What an op refers to: a member of its own, or in threaded builds a place in the pad.
    pub(super) fn op_value(&self, op: u64, pads: &Pads) -> Result<Option<u64>, NameError> {
        let index = match (self.layout.padop.op_padix, pads.curpad) {
            // Unthreaded perls have the structure too, and no op of that kind.
            (Some(place), Some(_)) if self.layout.cop.cop_file.is_some() => {
                Some(self.member(op, place)?)
            }
            _ => None,
        };
        match (index, pads.curpad, self.layout.svop.op_sv) {
            (Some(index), Some(pad), _) => self.pad_entry(pad, index).map(Some),
            (None, _, Some(place)) => self.member(op, place).map(Some),
            _ => Ok(None),
        }
    }

    /// The CV that a value is or refers to.
    fn code_of(&self, sv: u64, globs: bool) -> Result<Option<u64>, NameError> {
        let number = &self.layout.constants;
        // What lies above the top of the stack may be freed by now.
        let Ok((flags, body)) = self.head(sv) else {
            return Ok(None);
        };
        let sv_type = flags & number.SVTYPEMASK;
        if sv_type == number.SVt_PVCV {
            return Ok(Some(sv));
        }
        if sv_type == number.SVt_PVGV {
            let cv = if globs { self.glob_cv(sv).ok() } else { None };
            return Ok(cv.filter(|cv| *cv != 0));
        }
        let is_scalar = number.SVt_PVAV.is_some_and(|av| sv_type < av);
        if !is_scalar || number.SVf_ROK.is_none_or(|flag| flags & flag == 0) {
            return Ok(None);
        }
        let referent = match self.layout.xpv.xpv_pv {
            Some(place) => self.member(body, place)?,
            None => self.sv_u(sv)?,
        };
        self.bare_code(referent)
    }

    fn bare_code(&self, sv: u64) -> Result<Option<u64>, NameError> {
        let number = &self.layout.constants;
        let is_code = match self.head(sv) {
            Ok((flags, _)) => flags & number.SVTYPEMASK == number.SVt_PVCV,
            Err(_) => false,
        };
        Ok(is_code.then_some(sv))
    }

    fn is_xsub(&self, cv: u64) -> Result<bool, NameError> {
        let fields = &self.layout.xpvcv;
        let (_, body) = self.head(cv)?;
        match (self.layout.constants.CVf_ISXSUB, fields.xcv_xsub) {
            (Some(flag), _) => Ok(self.member(body, fields.xcv_flags)? & flag != 0),
            (None, Some(place)) => {
                let function = body.wrapping_add(u64::from(place.offset));
                Ok(self.pointer_at(function)? != 0)
            }
            (None, None) => Ok(false),
        }
    }

    /// The bytes of a sub's head and body that its name depends on.
    pub(super) fn sub_bytes(&self, cv: u64) -> Result<(Vec<u8>, Vec<u8>, usize), NameError> {
        let head = self.reader().bytes(cv, self.layout.sv.span())?;
        let any = self.get(self.layout.sv.sv_any, &head)?;
        let span = BodySpan::of_cv(self.layout);
        let start = any.wrapping_add(span.start as u64);
        let body = self.reader().bytes(start, span.length)?;
        Ok((head, body, span.start))
    }

    /// The full name of the sub in these bytes.
    pub(super) fn sub_name(&self, cv: &Cv<'_>) -> Result<String, NameError> {
        cv.name(self, &cv.check(self)?)
    }

    /// One element of a pad: an array of pointers, to which a variable of the interpreter points.
    pub(super) fn pad_entry(
        &self,
        pad: super::stack::Variable,
        index: u64,
    ) -> Result<u64, NameError> {
        const MAX_PAD: u64 = 1 << 24;
        if index > MAX_PAD {
            return Err(NameError::Nonsense("an index in a pad is absurd"));
        }
        let start = self.pointer_at(pad.address)?;
        let width = u64::from(self.abi.pointer_size);
        if start == 0 {
            return Ok(0);
        }
        self.pointer_at(start.wrapping_add(index.wrapping_mul(width)))
    }
}
