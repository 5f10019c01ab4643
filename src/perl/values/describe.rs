//! A value in a few words: its kind, and where that was asked for, what it holds.

use super::context::{NameError, PerlView, SHORT};
use crate::text;

/// Characters of a string that are shown.
const SHOWN: usize = 40;
/// A string that is longer than this is none.
const MAX_STRING: u64 = 1 << 40;

/// A value as it is shown.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Described {
    /// What it is: `undef`, `integer`, `My::Class=HASH(0x55d0c8)`.
    pub kind: String,
    /// What it holds, cut at a sane length; absent unless asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub value: Option<String>,
}

impl Described {
    fn of_kind(kind: impl Into<String>) -> Self {
        let kind = kind.into();
        Described { kind, value: None }
    }
}

/// How values are described.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Wording {
    /// With what they hold.
    pub values: bool,
    /// Numbers with a fraction are a C `double`.
    pub nv_is_double: bool,
}

impl PerlView<'_> {
    /// The value at an address; 0 is the element of an array that was never set.
    pub(in crate::perl) fn describe(&self, sv: u64, wording: Wording) -> Described {
        if sv == 0 {
            return Described::of_kind("undef");
        }
        // Arguments belong to the caller, who may have freed them.
        self.described(sv, wording)
            .unwrap_or_else(|_| Described::of_kind("(freed)"))
    }

    fn described(&self, sv: u64, wording: Wording) -> Result<Described, NameError> {
        let number = &self.layout.constants;
        let (flags, body) = self.head(sv)?;
        let sv_type = flags & number.SVTYPEMASK;
        let has = |flag: Option<u64>| flag.is_some_and(|flag| flags & flag != 0);
        if sv_type == number.SVTYPEMASK {
            return Ok(Described::of_kind("(freed)"));
        }
        if Some(sv_type) == number.SVt_PVAV {
            let count = self.array_length(sv)?;
            return Ok(Described::of_kind(format!("array({count} elements)")));
        }
        let kind = self.kind_word(sv_type);
        if kind != "SCALAR" {
            let words = [
                ("HASH", "hash"),
                ("CODE", "code"),
                ("GLOB", "glob"),
                ("Regexp", "regex"),
            ];
            let word = words.iter().find(|(k, _)| *k == kind).map_or(kind, |w| w.1);
            return Ok(Described::of_kind(word));
        }
        if has(number.SVf_ROK) {
            let referent = match self.layout.xpv.xpv_pv {
                Some(place) => self.member(body, place)?,
                None => self.sv_u(sv)?,
            };
            return Ok(Described::of_kind(self.reference(referent)?));
        }
        // A string that was used as a number is still a string.
        if has(number.SVf_POK) {
            return self.string(sv, flags, wording);
        }
        if has(number.SVf_IOK) {
            let raw = self.member(body, self.layout.xpviv.xiv_iv)?;
            let value = if has(number.SVf_IVisUV) {
                raw.to_string()
            } else {
                signed(raw, self.layout.xpviv.xiv_iv.size).to_string()
            };
            return Ok(Described {
                kind: "integer".into(),
                value: wording.values.then_some(value),
            });
        }
        if has(number.SVf_NOK) {
            let value = match self.layout.xpvnv.xnv_nv {
                Some(place) if wording.values && wording.nv_is_double => {
                    let at = body.wrapping_add(u64::from(place.offset));
                    Some(f64::from_bits(self.reader().uint(at, 8)?).to_string())
                }
                _ => None,
            };
            return Ok(Described {
                kind: "number".into(),
                value,
            });
        }
        Ok(Described::of_kind("undef"))
    }

    fn string(&self, sv: u64, flags: u64, wording: Wording) -> Result<Described, NameError> {
        let (_, body) = self.head(sv)?;
        let length = self.member(body, self.layout.xpv.xpv_cur)?;
        if length > MAX_STRING {
            return Err(NameError::Nonsense("the length of a string is absurd"));
        }
        let unit = if length == 1 { "byte" } else { "bytes" };
        let mut described = Described::of_kind(format!("string({length} {unit})"));
        if wording.values {
            let start = match self.layout.xpv.xpv_pv {
                Some(place) => self.member(body, place)?,
                None => self.sv_u(sv)?,
            };
            let wanted = length.min(4 * SHOWN as u64 + 4);
            let wanted = usize::try_from(wanted).map_err(|_| SHORT)?;
            let bytes = if wanted == 0 {
                Vec::new()
            } else {
                self.reader().bytes(start, wanted)?
            };
            let is_utf8 = flags & self.layout.constants.SVf_UTF8 != 0;
            described.value = Some(format!("\"{}\"", text::excerpt(&bytes, is_utf8, SHOWN)));
        }
        Ok(described)
    }

    /// As perl shows a reference: `Class=HASH(0x55d0c8)`.
    fn reference(&self, referent: u64) -> Result<String, NameError> {
        let number = &self.layout.constants;
        let (flags, body) = self.head(referent)?;
        let sv_type = flags & number.SVTYPEMASK;
        let mut kind = self.kind_word(sv_type);
        if kind == "SCALAR" && number.SVf_ROK.is_some_and(|flag| flags & flag != 0) {
            kind = "REF";
        }
        let blessed = number.SVs_OBJECT.is_some_and(|flag| flags & flag != 0)
            && number.SVt_PVMG.is_some_and(|least| sv_type >= least);
        let class = match self.layout.xpvmg.xmg_stash {
            Some(place) if blessed => {
                let stash = self.member(body, place)?;
                Some(self.package(stash)?)
            }
            _ => None,
        };
        Ok(match class {
            Some(class) => format!("{class}={kind}({referent:#x})"),
            None => format!("{kind}({referent:#x})"),
        })
    }

    /// What `ref` calls values of a type (sv_reftype, sv.c).
    fn kind_word(&self, sv_type: u64) -> &'static str {
        let number = &self.layout.constants;
        let words = [
            (number.SVt_PVAV, "ARRAY"),
            (Some(number.SVt_PVHV), "HASH"),
            (Some(number.SVt_PVCV), "CODE"),
            (Some(number.SVt_PVGV), "GLOB"),
            (number.SVt_REGEXP, "Regexp"),
            (Some(number.SVt_PVFM), "FORMAT"),
            (number.SVt_PVIO, "IO"),
            (number.SVt_PVOBJ, "OBJECT"),
        ];
        let found = words.iter().find(|(number, _)| *number == Some(sv_type));
        found.map_or("SCALAR", |(_, word)| word)
    }

    /// Elements of the array at an address (AvFILLp, av.h).
    pub(in crate::perl) fn array_length(&self, av: u64) -> Result<u64, NameError> {
        let number = &self.layout.constants;
        let (flags, body) = self.head(av)?;
        if Some(flags & number.SVTYPEMASK) != number.SVt_PVAV {
            return Err(NameError::Nonsense("what should be an array is none"));
        }
        let place = self.layout.xpvav.xav_fill.ok_or(SHORT)?;
        let fill = self.member(body, place)?;
        // -1 for an empty one.
        let length = signed(fill, place.size).wrapping_add(1);
        match u64::try_from(length) {
            Ok(length) if length < 1 << 40 => Ok(length),
            _ => Err(NameError::Nonsense("the length of an array is absurd")),
        }
    }

    /// The first elements of an array, at most so many.
    pub(in crate::perl) fn array(&self, av: u64, limit: u64) -> Result<Vec<u64>, NameError> {
        let length = self.array_length(av)?.min(limit);
        if length == 0 {
            return Ok(Vec::new());
        }
        self.pointers(self.array_start(av)?, length)
    }

    /// Where the elements of an array lie.
    pub(in crate::perl) fn array_start(&self, av: u64) -> Result<u64, NameError> {
        match self.layout.xpvav.xav_array {
            Some(place) => {
                let (_, body) = self.head(av)?;
                self.member(body, place)
            }
            None => self.sv_u(av),
        }
    }

    /// So many pointers in a row.
    pub(in crate::perl) fn pointers(&self, start: u64, count: u64) -> Result<Vec<u64>, NameError> {
        let width = usize::from(self.abi.pointer_size);
        let count = usize::try_from(count).map_err(|_| SHORT)?;
        let bytes = self
            .reader()
            .bytes(start, count.checked_mul(width).ok_or(SHORT)?)?;
        let found = (0..count).map(|i| self.abi.pointer(&bytes, i * width).ok_or(SHORT));
        found.collect()
    }
}

/// An integer of so many bytes with its sign.
fn signed(value: u64, size: u8) -> i64 {
    let unused = 64u32.saturating_sub(8 * u32::from(size));
    let shifted = value.checked_shl(unused).unwrap_or(0);
    (shifted as i64).checked_shr(unused).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::signed;

    #[test]
    fn the_sign_is_that_of_the_size() {
        assert_eq!(signed(0xffff_ffff, 4), -1);
        assert_eq!(signed(0xffff_ffff, 8), 0xffff_ffff);
        assert_eq!(signed(u64::MAX, 8), -1);
        assert_eq!(signed(5, 4), 5);
    }
}
