//! Which C function a call runs: XSUBs have no context, so the stack does not tell.

use crate::perl::stack::Variable;
use crate::perl::values::context::{NameError, PerlView};
use crate::perl::values::objects::{BodySpan, Cv};
use crate::perl::values::pads::Pads;

/// Values above the top of the argument stack among which the sub of a call is sought.
const MAX_TAKEN: usize = 64;

/// Values below the top among which its object is sought.
const MAX_PENDING: usize = 31;

/// Arguments of one call that are stepped over on the way to the op that names the sub.
const MAX_ARGUMENTS: usize = 1000;

/// What a call op says of the sub that it calls.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::perl) enum Callee {
    /// Nothing: it is a code reference, or a name made at run time, and stands behind so many other
    /// operands.
    Computed(usize),
    /// The op at this address names a glob.
    Named(u64),
    /// The op at this address names a method; which class has it is known at run time.
    Method(u64),
    /// The op at this address is a `my` variable, with a code reference in it.
    Lexical(u64),
}

/// Where a call has its sub from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::perl) enum Called {
    /// A code reference, or a name made at run time, behind so many operands; 0 where that is not
    /// known.
    Computed(usize),
    /// What is in this glob; `None` where that could not be found.
    Glob(Option<u64>),
    /// The lookup of the method that the op at this address names.
    Method(u64),
    /// The code reference in the variable that the op at this address is.
    Lexical(u64),
}

/// The values around the top of the argument stack.
#[derive(Debug, Clone, Copy)]
pub(in crate::perl) struct StackTop {
    /// Where it is.
    pub(in crate::perl) address: u64,
    /// The top: the last argument, or the sub while its call has not begun.
    pub(in crate::perl) top: u64,
    /// What was taken off last: the sub, unless it has returned something already.
    pub(in crate::perl) popped: u64,
}

/// What a method call has found.
#[derive(Debug, Clone, Copy)]
pub(in crate::perl) enum LookedUp {
    /// It has not begun.
    ToBeCalled(u64),
    /// It runs.
    Called(u64),
    /// What was on the stack is not there any more.
    Unknown,
}

impl PerlView<'_> {
    /// How the call op at this address names its sub (ck_subr, op.c): the last of its operands.
    pub(in crate::perl) fn callee(&self, entersub: u64) -> Result<Callee, NameError> {
        let first = self.member(entersub, self.layout.unop.op_first)?;
        if first == 0 {
            return Ok(Callee::Computed(0));
        }
        // The operands are the op's own, or those of the list below it.
        let mut at = match self.sibling(first)? {
            0 => self.first_child(first)?,
            _ => first,
        };
        for place in 0..MAX_ARGUMENTS {
            if at == 0 {
                return Ok(Callee::Computed(0));
            }
            match self.sibling(at)? {
                // A mark stands before the arguments.
                0 => return self.named_by(at, place.saturating_sub(1)),
                next => at = next,
            }
        }
        Ok(Callee::Computed(0))
    }

    fn named_by(&self, last: u64, arguments: usize) -> Result<Callee, NameError> {
        let op_type = self.op_type(last)?;
        if self.ops.is_named_method(op_type) || self.method_variable(last, op_type)? != 0 {
            return Ok(Callee::Method(last));
        }
        // A `rv2cv` that was optimised away stands above the glob.
        if op_type != self.ops.null {
            return Ok(Callee::Computed(arguments));
        }
        let child = self.first_child(last)?;
        if child == 0 {
            return Ok(Callee::Computed(arguments));
        }
        let name = self.ops.name(self.op_type(child)?);
        Ok(match name.map(|name| &**name) {
            Some("gv") => Callee::Named(child),
            Some("padsv") => Callee::Lexical(child),
            _ => Callee::Computed(arguments),
        })
    }

    pub(super) fn first_child(&self, op: u64) -> Result<u64, NameError> {
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
    pub(in crate::perl) fn xsub(
        &self,
        called: Called,
        stack: Option<StackTop>,
        pads: &Pads,
    ) -> Result<Option<u64>, NameError> {
        let found = match (called, stack) {
            (Called::Glob(gv), _) => gv.map_or(Ok(None), |gv| self.code_of(gv, true))?,
            (Called::Lexical(variable), _) if pads.curpad.is_some() => {
                match self.held_by(variable, pads)? {
                    Some(cv) => Some(cv),
                    None => self.computed(stack, 0)?,
                }
            }
            (Called::Computed(arguments), stack) => self.computed(stack, arguments)?,
            (Called::Lexical(_), stack) => self.computed(stack, 0)?,
            (Called::Method(_), _) => None,
        };
        self.if_xsub(found)
    }

    pub(in crate::perl) fn if_xsub(&self, found: Option<u64>) -> Result<Option<u64>, NameError> {
        match found {
            Some(cv) if self.is_xsub(cv)? => Ok(Some(cv)),
            _ => Ok(None),
        }
    }

    /// The sub that a method call is about to run, or took off the stack: method lookup leaves the sub
    /// itself there, never a reference.
    pub(in crate::perl) fn looked_up(&self, stack: StackTop) -> Result<LookedUp, NameError> {
        if let Some(cv) = self.bare_code(stack.top)? {
            return Ok(LookedUp::ToBeCalled(cv));
        }
        Ok(match self.bare_code(stack.popped)? {
            Some(cv) if self.is_xsub(cv)? => LookedUp::Called(cv),
            _ => LookedUp::Unknown,
        })
    }

    /// The code reference that a call has taken from the argument stack.
    fn computed(
        &self,
        stack: Option<StackTop>,
        arguments: usize,
    ) -> Result<Option<u64>, NameError> {
        let Some(stack) = stack else {
            return Ok(None);
        };
        // Either the sub that is about to be called, and above it what was called before, or a
        // code reference as the last argument of the sub that runs.
        if self.code_of(stack.top, false)?.is_some() {
            return Ok(None);
        }
        if let Some(cv) = self.code_of(stack.popped, true)? {
            return Ok(Some(cv));
        }
        // A C function that has taken its arguments off the stack (`PPCODE` of xsubpp) was behind
        // them. Where one of them is several values, that is no code.
        let Some(behind) = arguments.checked_sub(1) else {
            return Ok(None);
        };
        match self.taken(stack)?.get(behind) {
            Some(value) => self.code_of(*value, false),
            None => Ok(None),
        }
    }

    /// The code that a `my` variable refers to.
    fn held_by(&self, variable: u64, pads: &Pads) -> Result<Option<u64>, NameError> {
        let Some(pad) = pads.curpad else {
            return Ok(None);
        };
        let index = self.member(variable, self.layout.op.op_targ)?;
        let value = self.pad_entry(pad, index)?;
        self.code_of(value, false)
    }

    /// The classes of the objects around the top of the stack, the one that was taken off last first,
    /// then outermost first: a C function that runs has its object among them, and its arguments
    /// above that.
    pub(in crate::perl) fn classes_near(
        &self,
        stack: StackTop,
        base: Option<Variable>,
    ) -> Result<Vec<u64>, NameError> {
        let mut classes: Vec<u64> = self.class_of(stack.popped)?.into_iter().collect();
        let Some(base) = base else {
            return Ok(classes);
        };
        let width = u64::from(self.abi.pointer_size);
        let base = self.pointer_at(base.address)?;
        let first = stack
            .address
            .saturating_sub(MAX_PENDING as u64 * width)
            .max(base);
        let count = stack.address.saturating_sub(first) / width + 1;
        for value in self.reader().pointers(first, count as usize)? {
            let class = self.class_of(value)?;
            classes.extend(class.filter(|class| !classes.contains(class)));
        }
        Ok(classes)
    }

    /// The first sub above the top of the stack, if it has that name: of a C function which has taken
    /// its arguments off the stack (`PPCODE` of xsubpp), they still lie there, and above them the
    /// sub, unless what is returned has taken its place. What was left there by an earlier call has
    /// another name, mostly.
    pub(in crate::perl) fn sub_above(
        &self,
        stack: StackTop,
        name: &str,
    ) -> Result<Option<u64>, NameError> {
        for value in self.taken(stack)? {
            if let Some(cv) = self.bare_code(value)? {
                return Ok((self.own_name(cv)?.as_deref() == Some(name)).then_some(cv));
            }
        }
        Ok(None)
    }

    /// What lies above the value taken off last.
    fn taken(&self, stack: StackTop) -> Result<Vec<u64>, NameError> {
        let width = u64::from(self.abi.pointer_size);
        let start = stack.address.wrapping_add(2 * width);
        Ok(self.reader().pointers(start, MAX_TAKEN)?)
    }

    /// The `my` variable that has the method's name, or the method itself (`$object->$method`); 0 for
    /// none.
    fn method_variable(&self, op: u64, op_type: u64) -> Result<u64, NameError> {
        if !self.ops.is_named(op_type, "method") {
            return Ok(0);
        }
        let child = self.first_child(op)?;
        let is_variable = child != 0 && self.ops.is_named(self.op_type(child)?, "padsv");
        Ok(if is_variable { child } else { 0 })
    }

    /// The code reference that is called as a method.
    pub(in crate::perl) fn method_itself(
        &self,
        op: u64,
        pads: &Pads,
    ) -> Result<Option<u64>, NameError> {
        match self.method_variable(op, self.op_type(op)?)? {
            0 => Ok(None),
            variable => self.held_by(variable, pads),
        }
    }

    /// The name of a method, without a package before it.
    pub(in crate::perl) fn method_name(
        &self,
        op: u64,
        pads: &Pads,
    ) -> Result<Option<String>, NameError> {
        let variable = self.method_variable(op, self.op_type(op)?)?;
        if let (1.., Some(pad)) = (variable, pads.curpad) {
            let value = self.pad_entry(pad, self.member(variable, self.layout.op.op_targ)?)?;
            let (flags, _) = self.head(value)?;
            let has_text = self.layout.constants.SVf_POK;
            let name = match has_text.is_some_and(|flag| flags & flag != 0) {
                true => self.string_value(value)?,
                false => None,
            };
            return Ok(name.and_then(|name| Some(name.rsplit("::").next()?.to_owned())));
        }
        let place = self.layout.methop.op_meth_sv.or(self.layout.svop.op_sv);
        let own = place.map_or(Ok(0), |place| self.member(op, place))?;
        let value = match (own, pads.curpad) {
            (0, Some(pad)) => self.pad_entry(pad, self.member(op, self.layout.op.op_targ)?)?,
            _ => own,
        };
        let name = self.string_value(value)?;
        Ok(name.and_then(|name| Some(name.rsplit("::").next()?.to_owned())))
    }

    /// The name of a sub without its package.
    pub(super) fn own_name(&self, cv: u64) -> Result<Option<String>, NameError> {
        let name = self.name_of_sub(cv)?;
        Ok(name.rsplit("::").next().map(str::to_owned))
    }

    /// The full name of a sub.
    pub(in crate::perl) fn name_of_sub(&self, cv: u64) -> Result<String, NameError> {
        let (head, body, start) = self.sub_bytes(cv)?;
        self.sub_name(&Cv {
            head: &head,
            body: &body,
            start,
        })
    }

    /// What an op refers to: a member of its own, or in threaded builds a place in the pad.
    pub(in crate::perl) fn op_value(&self, op: u64, pads: &Pads) -> Result<Option<u64>, NameError> {
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
    pub(super) fn code_of(&self, sv: u64, globs: bool) -> Result<Option<u64>, NameError> {
        let number = &self.layout.constants;
        // What lies above the top of the stack may be freed by now.
        let Ok((flags, _)) = self.head(sv) else {
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
        match self.referent(sv)? {
            Some(referent) => self.bare_code(referent),
            None => Ok(None),
        }
    }

    /// What a value refers to; `None` where it is no reference.
    pub(in crate::perl) fn referent(&self, sv: u64) -> Result<Option<u64>, NameError> {
        let number = &self.layout.constants;
        let (flags, body) = self.head(sv)?;
        let is_scalar = number
            .SVt_PVAV
            .is_some_and(|av| flags & number.SVTYPEMASK < av);
        if !is_scalar || number.SVf_ROK.is_none_or(|flag| flags & flag == 0) {
            return Ok(None);
        }
        match self.layout.xpv.xpv_pv {
            Some(place) => self.member(body, place).map(Some),
            None => self.sv_u(sv).map(Some),
        }
    }

    pub(super) fn bare_code(&self, sv: u64) -> Result<Option<u64>, NameError> {
        let number = &self.layout.constants;
        let is_code = match self.head(sv) {
            Ok((flags, _)) => flags & number.SVTYPEMASK == number.SVt_PVCV,
            Err(_) => false,
        };
        Ok(is_code.then_some(sv))
    }

    pub(in crate::perl) fn is_xsub(&self, cv: u64) -> Result<bool, NameError> {
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
    pub(in crate::perl) fn sub_bytes(
        &self,
        cv: u64,
    ) -> Result<(Vec<u8>, Vec<u8>, usize), NameError> {
        let head = self.reader().bytes(cv, self.layout.sv.span())?;
        let any = self.get(self.layout.sv.sv_any, &head)?;
        let span = BodySpan::of_cv(self.layout);
        let start = any.wrapping_add(span.start as u64);
        let body = self.reader().bytes(start, span.length)?;
        Ok((head, body, span.start))
    }

    /// The full name of the sub in these bytes.
    pub(in crate::perl) fn sub_name(&self, cv: &Cv<'_>) -> Result<String, NameError> {
        cv.name(self, &cv.check(self)?)
    }

    /// One element of a pad: an array of pointers, to which a variable of the interpreter points.
    pub(in crate::perl) fn pad_entry(&self, pad: Variable, index: u64) -> Result<u64, NameError> {
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
