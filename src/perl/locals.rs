//! What the frames of a stack have as `@_` and as lexical variables.

use super::stack::walk::{ContextKind, Position, RawStack};
use super::stack::{StackInfo, StackReader, Variable};
use super::values::context::{NameError, PerlView, SHORT};
use super::values::describe::{Described, Wording};
use crate::layout::BoundLayout;
use crate::text;

/// Arguments of one frame that are shown.
const MAX_ARGUMENTS: u64 = 20;
/// Entries of one pad that are looked at.
const MAX_PAD: u64 = 1000;
/// Calls of one sub within each other that are believed.
const MAX_DEPTH: u64 = 1 << 24;
/// Longest name of a variable.
const MAX_NAME: u64 = 256;

/// The variables of one frame.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct FrameLocals {
    /// `@_`; `None` where the frame has none of its own.
    pub arguments: Option<Arguments>,
    /// The lexicals that its current statement sees, in the order of their declaration.
    pub lexicals: Vec<Lexical>,
}

/// The array `@_` of a sub that is running.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Arguments {
    /// The first of its elements.
    pub shown: Vec<Described>,
    /// How many elements it has.
    pub count: u64,
}

/// A lexical variable.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Lexical {
    /// With its sigil.
    pub name: String,
    /// What it holds.
    #[serde(flatten)]
    pub content: Described,
}

/// What is wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Wanted {
    /// Lexicals beside `@_`.
    pub lexicals: bool,
    /// How values are described.
    pub wording: Wording,
}

/// The layout does not say where variables are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the layout lacks {0}")]
pub struct Lacking(&'static str);

/// What must be known for `@_` and the lexicals to be found.
///
/// # Errors
/// [`Lacking`] with the first that is missing.
pub fn check_layout(layout: &BoundLayout) -> Result<(), Lacking> {
    let (cx, number) = (&layout.context, &layout.constants);
    let has_args = cx.blk_sub_hasargs.is_some() || number.CXp_HASARGS.is_some();
    let array = layout.sv.sv_u.is_some() || layout.xpvav.xav_array.is_some();
    let needed = [
        (layout.xpvcv.xcv_padlist.is_some(), "xpvcv.xcv_padlist"),
        (cx.blk_sub_olddepth.is_some(), "context.blk_sub_olddepth"),
        (has_args, "CXp_HASARGS"),
        (layout.xpvav.xav_fill.is_some(), "xpvav.xav_fill"),
        (array, "xpvav.xav_array"),
        (number.SVt_PVAV.is_some(), "SVt_PVAV"),
        (number.SVf_ROK.is_some(), "SVf_ROK"),
    ];
    match needed.iter().find(|(known, _)| !known) {
        Some((_, name)) => Err(Lacking(name)),
        None => Ok(()),
    }
}

/// The part of a sub's context that leads to its variables.
#[derive(Debug, Clone, Copy)]
struct SubContext {
    cv: u64,
    has_args: bool,
    argarray: Option<u64>,
    depth: u64,
}

/// The variables of every sub frame of a stack, innermost first, and last those of the main
/// program. `stack` is where the frames come from.
///
/// # Errors
/// [`NameError`] when the target moved, or the layout is not its own.
pub fn locals(
    view: &PerlView<'_>,
    stack: &StackReader,
    raw: &RawStack,
    main_cv: Option<Variable>,
    wanted: Wanted,
) -> Result<Vec<FrameLocals>, NameError> {
    let contexts = sub_contexts(view, stack)?;
    let mut contexts = contexts.iter();
    let mut found = Vec::new();
    let main = raw
        .frames
        .first()
        .map_or_else(Position::default, |f| f.position);
    for (index, frame) in raw.frames.iter().rev().enumerate() {
        if frame.kind != ContextKind::Sub {
            continue;
        }
        // Contexts that are no frames (DB::sub, one that is being left) stand in between.
        let context = contexts.find(|c| c.cv == frame.cv);
        let context = context.ok_or(NameError::Nonsense("a frame has no context"))?;
        // A sub that was just entered has run no statement, and its position is its caller's.
        let entered = index == 0 && frame.position.cop == frame.call_site;
        let position = (!entered).then_some(frame.position);
        found.push(view.frame_locals(context, position, wanted)?);
    }
    found.push(match main_cv {
        Some(variable) if wanted.lexicals => {
            let cv = view.pointer_at(variable.address)?;
            FrameLocals {
                arguments: None,
                lexicals: view.lexicals(cv, 1, main, wanted.wording)?,
            }
        }
        _ => FrameLocals::default(),
    });
    Ok(found)
}

fn sub_contexts(view: &PerlView<'_>, stack: &StackReader) -> Result<Vec<SubContext>, NameError> {
    let size = view.layout.context.sizeof.offset as usize;
    let mut found = Vec::new();
    for info in stack.infos().iter().rev() {
        let StackInfo { count, .. } = *info;
        let bytes = stack.contexts(info);
        let contexts: Vec<&[u8]> = bytes.chunks_exact(size.max(1)).take(count).collect();
        for context in contexts.into_iter().rev() {
            found.extend(view.sub_context(context)?);
        }
    }
    Ok(found)
}

impl PerlView<'_> {
    fn sub_context(&self, bytes: &[u8]) -> Result<Option<SubContext>, NameError> {
        let (cx, number) = (&self.layout.context, &self.layout.constants);
        let word = self.get(cx.cx_type, bytes)?;
        let is_fake = number.CXp_SUB_RE_FAKE.is_some_and(|flag| word & flag != 0);
        if word & number.CXTYPEMASK != number.CXt_SUB || is_fake {
            return Ok(None);
        }
        let has_args = match (cx.blk_sub_hasargs, number.CXp_HASARGS) {
            (Some(place), _) => self.get(place, bytes)? != 0,
            (None, Some(flag)) => word & flag != 0,
            (None, None) => false,
        };
        let olddepth = self.get(cx.blk_sub_olddepth.ok_or(SHORT)?, bytes)?;
        if olddepth >= MAX_DEPTH {
            return Err(NameError::Nonsense("the depth of a call is absurd"));
        }
        let argarray = cx.blk_sub_argarray.map(|place| self.get(place, bytes));
        Ok(Some(SubContext {
            cv: self.get(cx.blk_sub_cv, bytes)?,
            has_args,
            argarray: argarray.transpose()?,
            depth: olddepth + 1,
        }))
    }

    fn frame_locals(
        &self,
        context: &SubContext,
        position: Option<Position>,
        wanted: Wanted,
    ) -> Result<FrameLocals, NameError> {
        let arguments = if context.has_args {
            self.arguments(context, wanted.wording)?
        } else {
            None
        };
        let lexicals = match position {
            Some(position) if wanted.lexicals => {
                self.lexicals(context.cv, context.depth, position, wanted.wording)?
            }
            _ => Vec::new(),
        };
        Ok(FrameLocals {
            arguments,
            lexicals,
        })
    }

    /// `@_` is the first entry of the sub's pad (pp_entersub, pp_hot.c). Before 5.24 the context
    /// has it too; in cperl that member is something else.
    fn arguments(
        &self,
        context: &SubContext,
        wording: Wording,
    ) -> Result<Option<Arguments>, NameError> {
        let of_pad = match self.pad(context.cv, context.depth)? {
            Some(pad) => self.array(pad, 1)?.first().copied(),
            None => None,
        };
        let mut places = of_pad.into_iter().chain(context.argarray);
        let Some(av) = places.find(|av| *av != 0 && self.array_length(*av).is_ok()) else {
            return Ok(None);
        };
        let values = self.array(av, MAX_ARGUMENTS)?;
        Ok(Some(Arguments {
            shown: values
                .iter()
                .map(|sv| self.describe(*sv, wording))
                .collect(),
            count: self.array_length(av)?,
        }))
    }

    /// An entry of a sub's padlist: 0 is the names, others are the pads by depth.
    pub(in crate::perl) fn pad_list_entry(&self, cv: u64, index: u64) -> Result<u64, NameError> {
        let place = self.layout.xpvcv.xcv_padlist.ok_or(SHORT)?;
        let (flags, body) = self.head(cv)?;
        if flags & self.layout.constants.SVTYPEMASK != self.layout.constants.SVt_PVCV {
            return Err(NameError::Nonsense(
                "what should be a sub is another kind of value",
            ));
        }
        let list = self.member(body, place)?;
        if list == 0 {
            return Ok(0);
        }
        let (start, max) = match (
            self.layout.padlist.xpadl_alloc,
            self.layout.padlist.xpadl_max,
        ) {
            (Some(array), Some(max)) => (self.member(list, array)?, self.member(list, max)?),
            _ => {
                let length = self.array_length(list)?;
                (self.array_start(list)?, length.saturating_sub(1))
            }
        };
        if start == 0 || index > max || max >= MAX_DEPTH {
            return Err(NameError::Nonsense("a sub has no pad for its depth"));
        }
        let width = u64::from(self.abi.pointer_size);
        self.pointer_at(start.wrapping_add(index.wrapping_mul(width)))
    }

    /// The pad of a sub for a depth of recursion; the first is 1.
    pub(in crate::perl) fn pad(&self, cv: u64, depth: u64) -> Result<Option<u64>, NameError> {
        let pad = self.pad_list_entry(cv, depth)?;
        Ok((pad != 0).then_some(pad))
    }

    /// The variables that the statement at a position sees.
    fn lexicals(
        &self,
        cv: u64,
        depth: u64,
        position: Position,
        wording: Wording,
    ) -> Result<Vec<Lexical>, NameError> {
        if cv == 0 || position.cop == 0 {
            return Ok(Vec::new());
        }
        let seq = self.member(position.cop, self.layout.cop.cop_seq)?;
        let names = self.pad_list_entry(cv, 0)?;
        let Some(pad) = self.pad(cv, depth)? else {
            return Ok(Vec::new());
        };
        if names == 0 {
            return Ok(Vec::new());
        }
        let values = self.array(pad, MAX_PAD)?;
        let names = self.pad_names(names)?;
        let mut found: Vec<Lexical> = Vec::new();
        for (name, sv) in names.into_iter().zip(values) {
            let Some(name) = self.visible_name(name, seq, wording)? else {
                continue;
            };
            // The innermost of several of one name is the one that is seen.
            found.retain(|l| l.name != name);
            let content = self.describe(sv, wording);
            found.push(Lexical { name, content });
        }
        Ok(found)
    }

    fn pad_names(&self, list: u64) -> Result<Vec<u64>, NameError> {
        let fields = &self.layout.padnamelist;
        let (Some(array), Some(fill)) = (fields.xpadnl_alloc, fields.xpadnl_fill) else {
            return self.array(list, MAX_PAD);
        };
        // -1 for an empty one.
        let count = self.member(list, fill)?.wrapping_add(1).min(MAX_PAD);
        if count == 0 {
            return Ok(Vec::new());
        }
        self.pointers(self.member(list, array)?, count)
    }

    /// The name, if it is one of a variable that is visible there and whose value is in the pad.
    fn visible_name(
        &self,
        name: u64,
        seq: u64,
        wording: Wording,
    ) -> Result<Option<String>, NameError> {
        if name == 0 {
            return Ok(None);
        }
        let Some(found) = (if self.layout.padname.xpadn_pv.is_some() {
            self.name_of_structure(name)?
        } else {
            self.name_of_value(name, wording)?
        }) else {
            return Ok(None);
        };
        let is_variable = found.text.starts_with(['$', '@', '%']) && found.text.len() > 1;
        let is_seen = found.is_outer || is_in_scope(found.low, found.high, seq);
        Ok((is_variable && is_seen).then_some(found.text))
    }

    /// Since 5.22 a name is a structure of its own.
    fn name_of_structure(&self, at: u64) -> Result<Option<PadName>, NameError> {
        let fields = &self.layout.padname;
        let get = |field: Option<crate::memory::Field>| self.member(at, field.ok_or(SHORT)?);
        let start = get(fields.xpadn_pv)?;
        if start == 0 || get(fields.xpadn_ourstash)? != 0 {
            return Ok(None);
        }
        let length = get(fields.xpadn_len)?.min(MAX_NAME);
        let outer = self.layout.constants.PADNAMEt_OUTER;
        let flags = get(fields.xpadn_flags)?;
        Ok(Some(PadName {
            text: self.variable_name(start, length)?,
            low: get(fields.xpadn_low)?,
            high: get(fields.xpadn_high)?,
            is_outer: outer.is_some_and(|flag| flags & flag != 0),
        }))
    }

    /// Before that it is a string that keeps the statements where it is visible as a number.
    fn name_of_value(&self, sv: u64, wording: Wording) -> Result<Option<PadName>, NameError> {
        let number = &self.layout.constants;
        let (flags, body) = self.head(sv)?;
        let has = |flag: Option<u64>| flag.is_some_and(|flag| flags & flag != 0);
        if !has(number.SVf_POK) || has(number.SVpad_OUR) {
            return Ok(None);
        }
        let start = match self.layout.xpv.xpv_pv {
            Some(place) => self.member(body, place)?,
            None => self.sv_u(sv)?,
        };
        let length = self.member(body, self.layout.xpv.xpv_cur)?.min(MAX_NAME);
        let fields = &self.layout.xpvnv;
        let (low, high) = match (fields.xlow, fields.xhigh, fields.xnv_nv) {
            (Some(low), Some(high), _) => (self.member(body, low)?, self.member(body, high)?),
            (_, _, Some(place)) if wording.nv_is_double => {
                let at = body.wrapping_add(u64::from(place.offset));
                let low = f64::from_bits(self.reader().uint(at, 8)?);
                let high = self.member(body, self.layout.xpviv.xiv_iv)?;
                (low as u64, high & u64::from(u32::MAX))
            }
            _ => return Ok(None),
        };
        Ok(Some(PadName {
            text: self.variable_name(start, length)?,
            low,
            high,
            is_outer: has(number.SVf_FAKE),
        }))
    }

    fn variable_name(&self, start: u64, length: u64) -> Result<String, NameError> {
        let length = usize::try_from(length).map_err(|_| SHORT)?;
        if start == 0 || length == 0 {
            return Ok(String::new());
        }
        Ok(text::from_utf8(&self.reader().bytes(start, length)?))
    }
}

/// A variable's name and the statements that see it.
struct PadName {
    text: String,
    low: u64,
    high: u64,
    is_outer: bool,
}

/// As PadnameIN_SCOPE (pad.c) has it; the numbers of statements can wrap around.
fn is_in_scope(low: u64, high: u64, seq: u64) -> bool {
    const OPEN: u64 = u32::MAX as u64;
    if low == OPEN || (low == 0 && high == 0) {
        // Not introduced yet.
        return false;
    }
    match high {
        OPEN => seq > low,
        _ if low > high => seq > low || seq <= high,
        _ => seq > low && seq <= high,
    }
}

#[cfg(test)]
mod tests {
    use super::is_in_scope;

    #[test]
    fn a_variable_is_seen_between_its_statements() {
        assert!(!is_in_scope(5, 9, 5));
        assert!(is_in_scope(5, 9, 6));
        assert!(is_in_scope(5, 9, 9));
        assert!(!is_in_scope(5, 9, 10));
        let open = u64::from(u32::MAX);
        assert!(is_in_scope(5, open, 10));
        assert!(!is_in_scope(open, 0, 10));
        assert!(is_in_scope(open - 2, 4, 2));
        assert!(!is_in_scope(open - 2, 4, 100));
    }
}
