//! The target's texts: names, files, string values. Of a long one the middle is left out: how long a
//! name is does not tell whether it is one.

use super::context::{NameError, PerlView, SHORT};
use crate::frames::UNKNOWN;
use crate::memory::ReadError;
use crate::text;

/// Bytes of a text that are shown as they are.
const MAX_WHOLE: u64 = 4096;
/// Bytes that are left of a longer one, at each end.
const END: u64 = MAX_WHOLE / 2;
/// Bytes in which the end of a text is looked for that does not say how long it is.
const MAX_SOUGHT: usize = 64 << 10;
/// Perl keeps the length of a hash key as a signed integer.
const MAX_KEY: u64 = i32::MAX as u64;

/// What the bytes of a text are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::perl) enum Encoding {
    Utf8,
    /// One character each.
    Latin1,
    /// UTF-8 if it can be that.
    Either,
}

impl Encoding {
    fn of_value(is_utf8: bool) -> Self {
        if is_utf8 {
            Encoding::Utf8
        } else {
            Encoding::Either
        }
    }

    fn shown(self, bytes: &[u8]) -> String {
        match self {
            Encoding::Latin1 => text::from_latin1(bytes),
            Encoding::Either if std::str::from_utf8(bytes).is_err() => text::from_latin1(bytes),
            Encoding::Utf8 | Encoding::Either => text::from_utf8(bytes),
        }
    }

    /// Two ends of a text, cut between two characters.
    fn ends(self, first: &[u8], last: &[u8]) -> String {
        let (first, last) = match self {
            Encoding::Latin1 => (first, last),
            Encoding::Utf8 | Encoding::Either => (
                text::without_half_end(first),
                text::without_half_start(last),
            ),
        };
        format!("{}…{}", self.shown(first), self.shown(last))
    }
}

impl PerlView<'_> {
    /// A text of this many bytes.
    pub(in crate::perl) fn text(
        &self,
        start: u64,
        length: u64,
        encoding: Encoding,
    ) -> Result<String, NameError> {
        if length <= MAX_WHOLE {
            let bytes = self.reader().bytes(start, length as usize)?;
            return Ok(encoding.shown(&bytes));
        }
        let first = self.reader().bytes(start, END as usize)?;
        let behind = start.wrapping_add(length).wrapping_sub(END);
        let last = self.reader().bytes(behind, END as usize)?;
        Ok(encoding.ends(&first, &last))
    }

    /// A text that ends with a NUL.
    pub(in crate::perl) fn c_text(&self, start: u64) -> Result<String, NameError> {
        match self.reader().c_string(start, MAX_SOUGHT) {
            Ok(bytes) if bytes.len() as u64 <= MAX_WHOLE => Ok(text::from_utf8(&bytes)),
            Ok(bytes) => {
                let first = bytes.get(..END as usize).unwrap_or_default();
                let last = bytes.get(bytes.len() - END as usize..).unwrap_or_default();
                Ok(Encoding::Utf8.ends(first, last))
            }
            Err(ReadError::TooLong { .. }) => {
                let first = self.reader().bytes(start, END as usize)?;
                Ok(Encoding::Utf8.ends(&first, &[]))
            }
            Err(e) => Err(e.into()),
        }
    }

    /// What `cop_file` or `cop_filegv` names (CopFILE, cop.h).
    pub(in crate::perl) fn file_name(&self, pointer: u64) -> Result<String, NameError> {
        if pointer == 0 {
            return Ok(UNKNOWN.into());
        }
        if self.layout.cop.cop_file.is_some() {
            return self.c_text(pointer);
        }
        let name = self.glob_own_name(pointer)?;
        Ok(name
            .strip_prefix("_<")
            .map_or_else(|| name.clone(), str::to_owned))
    }

    /// A hash key's text (hv.h): Latin-1 unless its flags say UTF-8.
    pub(in crate::perl) fn hek(&self, hek: u64) -> Result<String, NameError> {
        if hek == 0 {
            return Err(NameError::Nonsense("a name is NULL"));
        }
        let layout = &self.layout.hek;
        let length = self.member(hek, layout.hek_len)?;
        if length > MAX_KEY {
            return Err(NameError::Nonsense("the length of a name is absurd"));
        }
        let start = hek.wrapping_add(u64::from(layout.hek_key.offset));
        if length > MAX_WHOLE {
            let end = self.reader().bytes(start.wrapping_add(length), 2)?;
            return self.text(start, length, self.encoding_of_key(&end)?);
        }
        let bytes = self.reader().bytes(start, length as usize + 2)?;
        let (name, end) = bytes.split_at_checked(length as usize).ok_or(SHORT)?;
        Ok(self.encoding_of_key(end)?.shown(name))
    }

    /// By the two bytes behind it.
    fn encoding_of_key(&self, end: &[u8]) -> Result<Encoding, NameError> {
        match (end, self.layout.constants.HVhek_UTF8) {
            ([0, flags], Some(utf8)) if u64::from(*flags) & utf8 == 0 => Ok(Encoding::Latin1),
            // 5.6 has no flags.
            ([0, _], _) => Ok(Encoding::Utf8),
            _ => Err(NameError::Nonsense(
                "a name does not end where its length says",
            )),
        }
    }

    /// The text of a string value; `None` where there is none.
    pub(in crate::perl) fn string_value(&self, sv: u64) -> Result<Option<String>, NameError> {
        if sv == 0 {
            return Ok(None);
        }
        let (flags, body) = self.head(sv)?;
        let start = match self.layout.xpv.xpv_pv {
            Some(field) => self.member(body, field)?,
            None => self.sv_u(sv)?,
        };
        if start == 0 {
            return Ok(None);
        }
        let length = self.member(body, self.layout.xpv.xpv_cur)?;
        let is_utf8 = flags & self.layout.constants.SVf_UTF8 != 0;
        self.text(start, length, Encoding::of_value(is_utf8))
            .map(Some)
    }
}
