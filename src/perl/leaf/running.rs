//! What an interpreter executes beside subs: its op, the pattern of a match, the C function of a
//! call.

use super::callee::{Called, Callee};
use super::known_sub::KnownSub;
use crate::hash::Map;
use crate::memory::Prefetched;
use crate::perl::names::of_this_object;
use crate::perl::stack::Header;
use crate::perl::stack::walk::{ContextKind, RawStack};
use crate::perl::values::context::{NameError, PerlView};
use crate::perl::values::ops::OpKind;
use crate::perl::values::pads::Pads;
use std::sync::Arc;

/// Ops and subs that are remembered before all are forgotten.
const MAX_REMEMBERED: usize = 1 << 16;
/// Ranges that are fetched in advance for one op: twice what the longest walk needs.
const MAX_RANGES: usize = 32;

/// Where the innermost Perl sub was called from. While perl enters a sub, its arguments lie where
/// the name of a C function would.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EnteredFrom {
    call_site: u64,
    /// The op behind the call; `None` where perl has no such thing (before 5.10).
    retop: Option<u64>,
}

impl EnteredFrom {
    /// Of a stack as [`crate::perl::stack::walk::WalkRules::walk`] leaves it; `None` in the main program, and
    /// in an eval: no call enters that.
    pub fn of(stack: &RawStack, view: &PerlView<'_>) -> Option<Self> {
        let (innermost, below) = stack.frames.split_last()?;
        if !matches!(innermost.kind, ContextKind::Sub | ContextKind::Format) {
            return None;
        }
        let caller = below.last()?.position;
        let has_retop = view.layout.context.blk_sub_retop.is_some();
        Some(EnteredFrom {
            call_site: innermost.call_site,
            retop: has_retop.then_some(caller.op),
        })
    }
}

impl EnteredFrom {
    /// True when the sub was called by the op that is followed by `next`, from the statement
    /// `curcop`: it has only just been entered, and no C function is running.
    pub(in crate::perl) fn is_by(&self, curcop: u64, next: u64) -> bool {
        next != 0 && self.call_site == curcop && self.retop == Some(next)
    }
}

/// What runs at one moment.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Running {
    /// The op's name, as in `PL_op_name`; `None` between ops, and in calls from C.
    pub op: Option<Arc<str>>,
    /// Of a match, substitution, qr// or split: the pattern, cut at a sane length.
    pub detail: Option<Arc<str>>,
    /// The C function that a call runs, `Package::name`.
    pub xsub: Option<Arc<str>>,
}

/// What is known of the moment beside the header.
#[derive(Debug, Clone, Copy, Default)]
pub struct Moment {
    /// The current op; `None` where it has to be read.
    pub kind: Option<OpKind>,
    /// `PL_cop_seqmax`, where the layout has it.
    pub cop_seqmax: Option<u64>,
}

/// What was learned about a call op.
#[derive(Debug, Clone, Copy)]
struct KnownCall {
    first: u64,
    next: u64,
    callee: Callee,
    /// The type of the op that names the sub.
    callee_type: u64,
    /// The glob that it names, where it does.
    gv: Option<u64>,
    /// `PL_cop_seqmax` at that time: until something is compiled, an op that runs stays what it is,
    /// and so does the glob that it refers to.
    seqmax: Option<u64>,
}

impl KnownCall {
    fn called(&self) -> Called {
        match (self.callee, self.gv) {
            (Callee::Named(_), gv) => Called::Glob(gv),
            (Callee::Method(op), _) => Called::Method(op),
            (Callee::Lexical(op), _) => Called::Lexical(op),
            (Callee::Computed(arguments), _) => Called::Computed(arguments),
        }
    }
}

/// Reads what runs, again and again, with one call where it meets the same again. Nothing of it
/// is believed without being compared with the target.
#[derive(Debug, Default)]
pub struct RunningReader {
    ranges: Map<u64, Vec<(u64, usize)>>,
    calls: Map<u64, KnownCall>,
    pub(super) subs: Map<u64, KnownSub>,
    /// Methods by the op that names them and a class, and what else was found of two addresses, with
    /// `PL_cop_seqmax` at that time.
    pub(super) methods: Map<(u64, u64), (u64, Option<u64>)>,
    texts: Map<u64, Arc<str>>,
    learned_calls: Vec<u64>,
    pub(super) learned_subs: Vec<u64>,
    pub(super) learned_methods: Vec<(u64, u64)>,
}

impl RunningReader {
    /// Nothing learned yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// What the interpreter with this header executes. The header is of a moment: unless the
    /// target has not moved since, the answer may be of two.
    ///
    /// # Errors
    /// [`NameError`] when ops or pads are not what they should be, or not mapped: most often as the target
    /// went on.
    pub fn read(
        &mut self,
        view: &PerlView<'_>,
        header: &Header,
        pads: &Pads,
        entered: Option<EnteredFrom>,
        moment: Moment,
    ) -> Result<Running, NameError> {
        self.learned_calls.clear();
        self.learned_subs.clear();
        self.learned_methods.clear();
        let remembered = self.ranges.len() + self.subs.len() + self.texts.len();
        if remembered + self.methods.len() > MAX_REMEMBERED {
            *self = Self::default();
        }
        if header.op == 0 {
            return Ok(Running::default());
        }
        let known = self.ranges.get(&header.op).map_or(&[][..], Vec::as_slice);
        let memory = Prefetched::new(view.memory, known)?;
        let here = PerlView {
            memory: &memory,
            ..*view
        };
        let mut running = self.walk(&here, header, pads, moment)?;
        if running.xsub.is_some() && self.is_entering(&here, header, entered)? {
            running.xsub = None;
        }
        let used = memory.used();
        if used.len() <= MAX_RANGES {
            self.ranges.insert(header.op, used);
        }
        Ok(running)
    }

    /// True when the op may be the call that has just pushed the innermost frame. (A sub that calls
    /// itself and a C function from one op looks the same: then the function is not named.)
    fn is_entering(
        &self,
        view: &PerlView<'_>,
        header: &Header,
        entered: Option<EnteredFrom>,
    ) -> Result<bool, NameError> {
        let Some(entered) = entered.filter(|e| e.call_site == header.curcop) else {
            return Ok(false);
        };
        match entered.retop {
            Some(retop) => Ok(retop == view.member(header.op, view.layout.op.op_next)?),
            None => Ok(true),
        }
    }

    /// True when something was learned by the last call of [`RunningReader::read`]: then the
    /// caller makes sure that the target has not moved meanwhile.
    pub fn has_learned(&self) -> bool {
        !self.learned_calls.is_empty()
            || !self.learned_subs.is_empty()
            || !self.learned_methods.is_empty()
    }

    /// Takes back what the last call of [`RunningReader::read`] learned.
    pub fn forget_learned(&mut self) {
        for op in self.learned_calls.drain(..) {
            self.calls.remove(&op);
        }
        for cv in self.learned_subs.drain(..) {
            self.subs.remove(&cv);
        }
        for method in self.learned_methods.drain(..) {
            self.methods.remove(&method);
        }
    }

    fn walk(
        &mut self,
        view: &PerlView<'_>,
        header: &Header,
        pads: &Pads,
        moment: Moment,
    ) -> Result<Running, NameError> {
        let op_type = match moment.kind {
            Some(kind) => kind.op_type,
            None => view.op_type(header.op)?,
        };
        let name = view.ops.name(op_type);
        let mut running = Running::default();
        match name.map(|n| &**n) {
            Some("entersub" | "enterxssub") => {
                running.op = name.cloned();
                let callee = self.callee(view, header.op, pads, moment.cop_seqmax)?;
                running.xsub = self.xsub(view, callee, header, pads, moment.cop_seqmax)?;
            }
            // Calls from C are made by an op that has no type before 5.44 (call_sv, perl.c).
            Some("null") if self.is_made_by_c(view, header.op)? => {
                let seqmax = moment.cop_seqmax;
                running.xsub = self.xsub(view, Called::Computed(0), header, pads, seqmax)?;
            }
            Some("null") if view.member(header.op, view.layout.op.op_next)? == 0 => {
                running.xsub = self.called_in(view, header, pads, moment.cop_seqmax)?;
            }
            Some("goto") => {
                running.op = name.cloned();
                running.xsub = self.gone_to(view, header, pads)?;
            }
            Some("match" | "subst" | "qr" | "pushre") => {
                running.op = name.cloned();
                running.detail = self.pattern(view, header.op, pads)?;
            }
            Some("substcont") => {
                running.op = name.cloned();
                if let Some(place) = view.layout.logop.op_other {
                    let subst = view.member(header.op, place)?;
                    running.detail = self.pattern(view, subst, pads)?;
                }
            }
            Some("split") => {
                running.op = name.cloned();
                running.detail = self.split_pattern(view, header.op, pads)?;
            }
            _ => running.op = name.cloned(),
        }
        Ok(running)
    }

    fn is_made_by_c(&self, view: &PerlView<'_>, op: u64) -> Result<bool, NameError> {
        let first = view.member(op, view.layout.unop.op_first)?;
        let next = view.member(op, view.layout.op.op_next)?;
        Ok(first == 0 && next == 0)
    }

    fn pattern(
        &mut self,
        view: &PerlView<'_>,
        op: u64,
        pads: &Pads,
    ) -> Result<Option<Arc<str>>, NameError> {
        let Some(text) = of_this_object(view.pattern(op, pads))? else {
            return Ok(None);
        };
        // The same pattern again costs no allocation that lasts.
        match self.texts.get(&op) {
            Some(known) if **known == *text => Ok(Some(known.clone())),
            _ => {
                let text: Arc<str> = text.into();
                self.texts.insert(op, text.clone());
                Ok(Some(text))
            }
        }
    }

    /// Before 5.26 the pattern of a split is in its first operand, a `pushre`.
    fn split_pattern(
        &mut self,
        view: &PerlView<'_>,
        op: u64,
        pads: &Pads,
    ) -> Result<Option<Arc<str>>, NameError> {
        let has_pushre = view.ops.number("pushre").is_some();
        if !has_pushre {
            return self.pattern(view, op, pads);
        }
        let first = view.member(op, view.layout.unop.op_first)?;
        if first != 0 && view.ops.is_named(view.op_type(first)?, "pushre") {
            return self.pattern(view, first, pads);
        }
        Ok(None)
    }

    fn callee(
        &mut self,
        view: &PerlView<'_>,
        op: u64,
        pads: &Pads,
        seqmax: Option<u64>,
    ) -> Result<Called, NameError> {
        let known = self.calls.get(&op);
        if let Some(known) = known.filter(|k| seqmax.is_some() && k.seqmax == seqmax) {
            return Ok(known.called());
        }
        let first = view.member(op, view.layout.unop.op_first)?;
        let next = view.member(op, view.layout.op.op_next)?;
        // An op that was made by C code for one call has no operands.
        if first == 0 {
            return Ok(Called::Computed(0));
        }
        let type_of = |callee: Callee| match callee {
            Callee::Computed(_) => Ok(0),
            Callee::Named(at) | Callee::Method(at) | Callee::Lexical(at) => view.op_type(at),
        };
        let same = known.filter(|k| {
            (k.first, k.next) == (first, next) && type_of(k.callee).ok() == Some(k.callee_type)
        });
        let callee = match same {
            Some(known) => known.callee,
            None => view.callee(op)?,
        };
        let is_new = same.is_none();
        let gv = match callee {
            Callee::Named(at) => of_this_object(view.op_value(at, pads))?,
            _ => None,
        };
        let known = KnownCall {
            first,
            next,
            callee,
            callee_type: type_of(callee)?,
            gv,
            seqmax,
        };
        self.calls.insert(op, known);
        if is_new || seqmax.is_some() {
            self.learned_calls.push(op);
        }
        Ok(known.called())
    }
}
