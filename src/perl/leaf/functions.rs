//! Which C function runs, and what it is called: found by what the op tree, the argument stack and
//! packages say, and remembered as long as that cannot have changed.

use super::callee::{Called, LookedUp, StackTop};
use super::known_sub::KnownSub;
use super::running::RunningReader;
use crate::perl::names::of_this_object;
use crate::perl::stack::Header;
use crate::perl::values::context::{NameError, PerlView};
use crate::perl::values::objects::Cv;
use crate::perl::values::pads::Pads;
use std::sync::Arc;

impl RunningReader {
    pub(in crate::perl) fn xsub(
        &mut self,
        view: &PerlView<'_>,
        called: Called,
        header: &Header,
        pads: &Pads,
        seqmax: Option<u64>,
    ) -> Result<Option<Arc<str>>, NameError> {
        let stack = match called {
            Called::Glob(_) => None,
            _ => stack_top(view, header, pads)?,
        };
        // Above the top of the stack may lie what was freed long ago.
        let found = match (called, stack) {
            (Called::Method(op), Some(stack)) => self.method(view, op, stack, pads, seqmax),
            _ => view.xsub(called, stack, pads),
        };
        self.named(view, found)
    }

    fn named(
        &mut self,
        view: &PerlView<'_>,
        found: Result<Option<u64>, NameError>,
    ) -> Result<Option<Arc<str>>, NameError> {
        let named = found.and_then(|cv| cv.map(|cv| self.name(view, cv)).transpose());
        of_this_object(named)
    }

    /// The C function that an op of C's own stands in front of.
    pub(in crate::perl) fn called_in(
        &mut self,
        view: &PerlView<'_>,
        header: &Header,
        pads: &Pads,
        seqmax: Option<u64>,
    ) -> Result<Option<Arc<str>>, NameError> {
        let Some(stack) = stack_top(view, header, pads)? else {
            return Ok(None);
        };
        let key = (header.curcop, stack.popped);
        let found = self.once(key, seqmax, || view.called_in(key.0, stack, pads));
        self.named(view, found)
    }

    /// The C function that `goto &$code` has gone to.
    pub(in crate::perl) fn gone_to(
        &mut self,
        view: &PerlView<'_>,
        header: &Header,
        pads: &Pads,
    ) -> Result<Option<Arc<str>>, NameError> {
        self.named(view, view.gone_to(header, pads))
    }

    /// What was found before while nothing was compiled since, else what `find` says.
    fn once(
        &mut self,
        key: (u64, u64),
        seqmax: Option<u64>,
        find: impl FnOnce() -> Result<Option<u64>, NameError>,
    ) -> Result<Option<u64>, NameError> {
        let known = self.methods.get(&key).copied();
        if let Some((_, cv)) = known.filter(|(at, _)| Some(*at) == seqmax) {
            return Ok(cv);
        }
        let cv = find()?;
        if let Some(seqmax) = seqmax {
            self.methods.insert(key, (seqmax, cv));
            self.learned_methods.push(key);
        }
        Ok(cv)
    }

    /// The C function that the method call runs whose method's name the op `named_by` has. Once that
    /// has called something itself, nothing on the stack tells; then it is what the class of one of
    /// the objects there has under that name.
    fn method(
        &mut self,
        view: &PerlView<'_>,
        named_by: u64,
        stack: StackTop,
        pads: &Pads,
        seqmax: Option<u64>,
    ) -> Result<Option<u64>, NameError> {
        match view.looked_up(stack)? {
            LookedUp::ToBeCalled(cv) => return view.if_xsub(Some(cv)),
            LookedUp::Called(cv) => return Ok(Some(cv)),
            LookedUp::Unknown => {}
        }
        if let Some(cv) = view.method_itself(named_by, pads)? {
            return view.if_xsub(Some(cv));
        }
        let Some(name) = view.method_name(named_by, pads)? else {
            return Ok(None);
        };
        for class in view.classes_near(stack, pads.stack_base)? {
            let key = (named_by, class);
            let cv = self.once(key, seqmax, || view.method_in(class, &name))?;
            if cv.is_some() {
                return view.if_xsub(cv);
            }
        }
        view.if_xsub(view.sub_above(stack, &name)?)
    }

    fn name(&mut self, view: &PerlView<'_>, cv: u64) -> Result<Arc<str>, NameError> {
        let (head, body, start) = view.sub_bytes(cv)?;
        if let Some(known) = self.subs.get(&cv)
            && (&known.head, &known.body) == (&head, &body)
        {
            return Ok(known.name.clone());
        }
        let name: Arc<str> = view
            .sub_name(&Cv {
                head: &head,
                body: &body,
                start,
            })?
            .into();
        let known = KnownSub {
            head,
            body,
            name: name.clone(),
        };
        self.subs.insert(cv, known);
        self.learned_subs.push(cv);
        Ok(name)
    }
}

fn stack_top(
    view: &PerlView<'_>,
    header: &Header,
    pads: &Pads,
) -> Result<Option<StackTop>, NameError> {
    if !pads.has_stack || header.stack_sp == 0 {
        return Ok(None);
    }
    let width = usize::from(view.abi.pointer_size);
    let bytes = view.reader().bytes(header.stack_sp, 2 * width)?;
    let value = |index: usize| view.abi.pointer(&bytes, index * width);
    Ok(value(0).zip(value(1)).map(|(top, popped)| StackTop {
        address: header.stack_sp,
        top,
        popped,
    }))
}
