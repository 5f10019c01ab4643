//! Stack infos (PERL_SI, cop.h): what one says, and what it stands for in a copy of the stack.

use super::StackError;
use super::known::OUTER;
use crate::layout::BoundLayout;
use crate::memory::{Abi, Slot};

/// One stack info of the copy.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StackInfo {
    /// Where it is in the target.
    pub address: u64,
    /// `si_type`: what it was made for (`PERLSI_…`, cop.h).
    pub si_type: i64,
    /// Contexts in use. Of a stack info with too many, those in the middle are left out: what is
    /// behind these stands as another one.
    pub count: usize,
    /// Frames are left out in front of it.
    pub is_cut: bool,
    /// `si_cxsubix`, where perl has it and it is not -1.
    pub cxsubix: Option<usize>,
    /// Where perl has `si_cxsubix`: contexts from this index on are no frames, whatever they look
    /// like.
    pub frames_end: Option<usize>,
    /// So many of the outermost contexts are, byte for byte, those of the copy before, and so is all
    /// that lies below this stack info.
    pub unchanged: usize,
    /// The index of its first context on the context stack.
    pub(in crate::perl) first: usize,
    pub(in crate::perl) cxstack: u64,
    pub(in crate::perl) contexts: Slot,
}

/// How many of the first `count` contexts are equal in both copies.
pub(in crate::perl) fn equal_contexts(old: &[u8], new: &[u8], size: usize, count: usize) -> usize {
    let length = count.saturating_mul(size);
    let (Some(old), Some(new)) = (old.get(..length), new.get(..length)) else {
        return 0;
    };
    // Most samples differ near the top only: large pieces first.
    let mut equal = 0;
    for piece in [1 << 12, 1 << 6, 1] {
        let rest = |bytes: &'_ [u8]| -> usize { bytes.len().min(equal) };
        let (old, new) = (
            old.get(rest(old)..).unwrap_or_default(),
            new.get(rest(new)..).unwrap_or_default(),
        );
        let pieces = old.chunks(piece).zip(new.chunks(piece));
        equal += pieces.take_while(|(a, b)| a == b).count() * piece;
    }
    equal.min(length) / size.max(1)
}

/// What a stack info says.
#[derive(Debug, Clone, Copy)]
pub(in crate::perl) struct Parsed {
    pub(in crate::perl) cxstack: u64,
    pub(in crate::perl) prev: u64,
    pub(in crate::perl) count: usize,
    pub(in crate::perl) room: usize,
    pub(in crate::perl) si_type: i64,
    pub(in crate::perl) cxsubix: Option<usize>,
}

pub(in crate::perl) fn parse_info(
    bytes: &[u8],
    abi: Abi,
    layout: &BoundLayout,
) -> Result<Parsed, StackError> {
    let si = &layout.stackinfo;
    let short = StackError::Nonsense("a stack info is shorter than its members");
    let cxix = si.si_cxix.get_signed(abi, bytes).ok_or(short)?;
    let cxmax = si.si_cxmax.get_signed(abi, bytes).ok_or(short)?;
    if cxix < -1 || cxix > cxmax || cxmax >= 1 << 24 {
        return Err(StackError::Nonsense(
            "si_cxix is not between -1 and si_cxmax",
        ));
    }
    let cxsubix = si
        .si_cxsubix
        .map(|field| field.get_signed(abi, bytes).ok_or(short));
    let cxsubix = cxsubix.transpose()?.unwrap_or(-1);
    if cxsubix < -1 || cxsubix > cxix {
        return Err(StackError::Nonsense(
            "si_cxsubix is not between -1 and si_cxix",
        ));
    }
    Ok(Parsed {
        cxsubix: usize::try_from(cxsubix).ok(),
        cxstack: si.si_cxstack.get(abi, bytes).ok_or(short)?,
        prev: si.si_prev.get(abi, bytes).ok_or(short)?,
        count: usize::try_from(cxix.saturating_add(1)).unwrap_or(0),
        room: usize::try_from(cxmax.saturating_add(1)).unwrap_or(0),
        si_type: si.si_type.get_signed(abi, bytes).ok_or(short)?,
    })
}

/// A stack info of a copy, innermost first.
#[derive(Debug, Clone, Copy)]
pub(in crate::perl) struct CopiedInfo {
    pub(in crate::perl) address: u64,
    pub(in crate::perl) parsed: Parsed,
    pub(in crate::perl) left_out: usize,
    pub(in crate::perl) contexts: Slot,
    pub(in crate::perl) inner: Option<Slot>,
    /// Stack infos are left out in front of it.
    pub(in crate::perl) is_cut: bool,
    /// Only there to tell where the one below it called from.
    pub(in crate::perl) is_hidden: bool,
}

impl CopiedInfo {
    /// What it stands for: itself, or the contexts before and those behind what is left out.
    pub(in crate::perl) fn infos(&self, layout: &BoundLayout) -> impl Iterator<Item = StackInfo> {
        let has_subix = layout.stackinfo.si_cxsubix.is_some();
        let part = |first: usize, count: usize, contexts: Slot, is_cut: bool| {
            // -1 is in front of all.
            let newest = self.parsed.cxsubix.map_or(0, |index| index + 1);
            let end = newest.saturating_sub(first);
            StackInfo {
                address: self.address,
                si_type: self.parsed.si_type,
                count,
                is_cut,
                cxsubix: end.checked_sub(1).filter(|index| *index < count),
                frames_end: has_subix.then_some(end),
                unchanged: 0,
                first,
                cxstack: self.parsed.cxstack,
                contexts,
            }
        };
        let count = match self.is_hidden {
            true => 0,
            false => self.parsed.count,
        };
        let (outer, inner) = match self.inner {
            Some(inner) if count > 0 => {
                let first = OUTER + self.left_out;
                let behind = part(first, count.saturating_sub(first), inner, true);
                (OUTER.min(count), Some(behind))
            }
            _ => (count, None),
        };
        let whole = part(0, outer, self.contexts, self.is_cut);
        std::iter::once(whole).chain(inner)
    }
}
