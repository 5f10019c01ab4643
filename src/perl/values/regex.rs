//! The pattern of a match op.

use super::context::{NameError, PerlView, SHORT};
use crate::perl::values::pads::Pads;
use crate::text;

/// Characters of a pattern that are shown.
const SHOWN: usize = 60;
/// Bytes that these can take, and one character more to tell that there are more.
const FETCHED: u64 = 4 * SHOWN as u64 + 4;
/// A regex that is longer than this is none.
const MAX_PATTERN: u64 = 1 << 24;

/// Where the text of a pattern is.
#[derive(Debug, Clone, Copy)]
pub(in crate::perl) struct PatternPlace {
    pub(in crate::perl) start: u64,
    pub(in crate::perl) length: u64,
    is_utf8: bool,
}

impl PerlView<'_> {
    /// The text of the pattern of the PMOP at this address (PM_GETRE, op.h); `None` where the
    /// layout does not tell, or while it has none.
    pub(in crate::perl) fn pattern(
        &self,
        pmop: u64,
        pads: &Pads,
    ) -> Result<Option<String>, NameError> {
        let place = self.pattern_place(pmop, pads)?;
        place.map(|place| self.pattern_text(place)).transpose()
    }

    pub(in crate::perl) fn pattern_place(
        &self,
        pmop: u64,
        pads: &Pads,
    ) -> Result<Option<PatternPlace>, NameError> {
        let fields = &self.layout.pmop;
        let regexp = match (fields.op_pmoffset, pads.regex_pad, fields.op_pmregexp) {
            (Some(offset), Some(pad), _) => {
                let index = self.member(pmop, offset)?;
                self.pad_entry(pad, index)?
            }
            (None, _, Some(place)) => self.member(pmop, place)?,
            _ => return Ok(None),
        };
        if regexp == 0 {
            return Ok(None);
        }
        let is_indirect = fields.op_pmoffset.is_some();
        if self.layout.regexp.precomp.is_some() {
            self.plain_pattern(regexp, is_indirect)
        } else {
            self.value_pattern(regexp)
        }
    }

    /// Before 5.12 a regex is a C structure, in threaded builds behind an integer.
    fn plain_pattern(
        &self,
        regexp: u64,
        is_indirect: bool,
    ) -> Result<Option<PatternPlace>, NameError> {
        let fields = &self.layout.regexp;
        let (Some(precomp), Some(prelen)) = (fields.precomp, fields.prelen) else {
            return Ok(None);
        };
        let regexp = if is_indirect {
            self.integer_value(regexp)?
        } else {
            regexp
        };
        if regexp == 0 {
            return Ok(None);
        }
        Ok(Some(PatternPlace {
            start: self.member(regexp, precomp)?,
            length: self.member(regexp, prelen)?,
            is_utf8: false,
        }))
    }

    /// Since 5.12 it is a value whose string is `(?^flags:pattern)`.
    fn value_pattern(&self, sv: u64) -> Result<Option<PatternPlace>, NameError> {
        let number = &self.layout.constants;
        let (Some(prefix), Some(regexp_type)) = (self.layout.regexp.pre_prefix, number.SVt_REGEXP)
        else {
            return Ok(None);
        };
        let (flags, body) = self.head(sv)?;
        if flags & number.SVTYPEMASK != regexp_type {
            return Ok(None);
        }
        let start = match self.layout.regexp.xpvlenu_pv {
            Some(place) => self.member(body, place)?,
            None => self.sv_u(sv)?,
        };
        let whole = self.member(body, self.layout.xpv.xpv_cur)?;
        let prefix = self.member(body, prefix)?;
        // A parenthesis stands behind the pattern.
        let length = whole.checked_sub(prefix).and_then(|l| l.checked_sub(1));
        let length = length.ok_or(NameError::Nonsense("a regex is shorter than its flags"))?;
        Ok(Some(PatternPlace {
            start: start.wrapping_add(prefix),
            length,
            is_utf8: flags & number.SVf_UTF8 != 0,
        }))
    }

    fn pattern_text(&self, place: PatternPlace) -> Result<String, NameError> {
        if place.length > MAX_PATTERN {
            return Err(NameError::Nonsense("the length of a regex is absurd"));
        }
        let length = usize::try_from(place.length.min(FETCHED)).map_err(|_| SHORT)?;
        if length == 0 {
            return Ok(String::new());
        }
        let bytes = self.reader().bytes(place.start, length)?;
        Ok(text::excerpt(&bytes, place.is_utf8, SHOWN))
    }
}
