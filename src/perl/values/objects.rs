//! Perl's values in the target's memory: subs, globs, packages, names, strings. Everything is
//! read anew at every call; what may be remembered is for `perl/names/mod.rs` to know.

use super::context::{NameError, PerlView, SHORT};
use super::ops::OpKind;
use super::strings::Encoding;
use crate::frames::UNKNOWN;
use crate::layout::BoundLayout;
use crate::memory::{Field, Reader};

/// The parts of a COP that tell whether it is still the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::perl) struct CopCheck {
    pub(in crate::perl) op_type: u64,
    pub(in crate::perl) line: u64,
    pub(in crate::perl) file: u64,
    pub(in crate::perl) seq: u64,
}

/// The parts of a CV that tell whether it is still the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::perl) struct CvCheck {
    pub(in crate::perl) any: u64,
    pub(in crate::perl) flags: u64,
    pub(in crate::perl) gv: u64,
    pub(in crate::perl) cv_flags: u64,
    pub(in crate::perl) root: u64,
}

impl CvCheck {
    /// True for a sub whose name is that of a glob which does not hold it.
    pub(in crate::perl) fn is_given(&self, view: &PerlView<'_>, cv: u64) -> bool {
        let number = &view.layout.constants;
        let is_hek = number
            .CVf_NAMED
            .is_some_and(|flag| self.cv_flags & flag != 0);
        let has_glob = self.gv != 0 && !is_hek && self.flags == number.SVt_PVCV;
        has_glob && view.glob_cv(self.gv).ok() != Some(cv)
    }
}

/// Which bytes of a body are read: no more than the members, as perl allocates some bodies
/// without their unused ends.
#[derive(Debug, Clone, Copy)]
pub(in crate::perl) struct BodySpan {
    pub(in crate::perl) start: usize,
    pub(in crate::perl) length: usize,
}

impl BodySpan {
    pub(in crate::perl) fn of(fields: &[Field]) -> Self {
        let start = fields.iter().map(|f| f.offset as usize).min().unwrap_or(0);
        let end = fields.iter().map(|f| f.end()).max().unwrap_or(start);
        BodySpan {
            start,
            length: end - start,
        }
    }

    pub(in crate::perl) fn of_cv(layout: &BoundLayout) -> Self {
        let cv = &layout.xpvcv;
        Self::of(&[
            cv.xcv_stash,
            cv.xcv_start,
            cv.xcv_root,
            cv.xcv_gv,
            cv.xcv_flags,
            cv.xcv_depth,
        ])
    }
}

/// The copied bytes of a sub.
pub(in crate::perl) struct Cv<'b> {
    pub(in crate::perl) head: &'b [u8],
    pub(in crate::perl) body: &'b [u8],
    /// Where in the body the copy starts.
    pub(in crate::perl) start: usize,
}

impl Cv<'_> {
    pub(in crate::perl) fn get(&self, view: &PerlView<'_>, field: Field) -> Result<u64, NameError> {
        let offset = (field.offset as usize)
            .checked_sub(self.start)
            .and_then(|o| u32::try_from(o).ok());
        let moved = Field {
            offset: offset.ok_or(SHORT)?,
            ..field
        };
        view.get(moved, self.body)
    }

    pub(in crate::perl) fn check(&self, view: &PerlView<'_>) -> Result<CvCheck, NameError> {
        let (sv, cv, number) = (&view.layout.sv, &view.layout.xpvcv, &view.layout.constants);
        let flags = view.get(sv.sv_flags, self.head)?;
        let sv_type = flags & number.SVTYPEMASK;
        if sv_type != number.SVt_PVCV && sv_type != number.SVt_PVFM {
            return Err(NameError::Nonsense(
                "what should be a sub is another kind of value",
            ));
        }
        Ok(CvCheck {
            any: view.get(sv.sv_any, self.head)?,
            flags: sv_type,
            gv: self.get(view, cv.xcv_gv)?,
            cv_flags: self.get(view, cv.xcv_flags)?,
            root: self.get(view, cv.xcv_root)?,
        })
    }

    /// As cv_name (pad.c, since 5.22) and before that pp_caller have it.
    pub(in crate::perl) fn name(
        &self,
        view: &PerlView<'_>,
        check: &CvCheck,
    ) -> Result<String, NameError> {
        let number = &view.layout.constants;
        let has = |flag: Option<u64>| flag.is_some_and(|flag| check.cv_flags & flag != 0);
        if check.gv == 0 {
            return Ok(UNKNOWN.into());
        }
        if has(number.CVf_NAMED) {
            let name = view.hek(check.gv)?;
            if has(number.CVf_LEXICAL) {
                return Ok(name);
            }
            let stash = self.get(view, view.layout.xpvcv.xcv_stash)?;
            return Ok(format!("{}::{name}", view.package(stash)?));
        }
        view.glob_name(check.gv)
    }
}

impl<'a> PerlView<'a> {
    pub(in crate::perl) fn reader(&self) -> Reader<'a> {
        Reader::new(self.memory, self.abi)
    }

    pub(in crate::perl) fn get(&self, field: Field, bytes: &[u8]) -> Result<u64, NameError> {
        field.get(self.abi, bytes).ok_or(SHORT)
    }

    /// One member of the structure at `base`.
    pub(in crate::perl) fn member(&self, base: u64, field: Field) -> Result<u64, NameError> {
        let bytes = self.reader().bytes(
            base.wrapping_add(u64::from(field.offset)),
            usize::from(field.size),
        )?;
        self.get(Field { offset: 0, ..field }, &bytes)
    }

    pub(in crate::perl) fn pointer_at(&self, address: u64) -> Result<u64, NameError> {
        Ok(self.reader().pointer(address)?)
    }

    pub(in crate::perl) fn cop_check(&self, bytes: &[u8]) -> Result<CopCheck, NameError> {
        let cop = &self.layout.cop;
        let file = cop.cop_file.or(cop.cop_filegv).ok_or(SHORT)?;
        Ok(CopCheck {
            op_type: self.get(self.layout.op.op_type, bytes)?,
            line: self.get(cop.cop_line, bytes)?,
            file: self.get(file, bytes)?,
            seq: self.get(cop.cop_seq, bytes)?,
        })
    }

    /// `CvDEPTH` of a sub.
    pub(in crate::perl) fn depth_of(&self, cv: u64) -> Result<u64, NameError> {
        let any = self.member(cv, self.layout.sv.sv_any)?;
        self.member(any, self.layout.xpvcv.xcv_depth)
    }

    /// What the op at an address is.
    pub(in crate::perl) fn op_kind(&self, op: u64) -> Result<OpKind, NameError> {
        let fields = [self.layout.op.op_type, self.layout.op.op_next];
        let span = BodySpan::of(&fields);
        let start = op.wrapping_add(span.start as u64);
        let bytes = self.reader().bytes(start, span.length)?;
        let part = |field: Field| {
            let offset = field.offset.saturating_sub(span.start as u32);
            self.get(Field { offset, ..field }, &bytes)
        };
        Ok(OpKind {
            op_type: part(self.layout.op.op_type)?,
            next: part(self.layout.op.op_next)?,
        })
    }

    /// The type of the op at an address.
    ///
    /// # Errors
    /// [`NameError::Read`] when there is no memory at it.
    pub fn op_type(&self, op: u64) -> Result<u64, NameError> {
        self.member(op, self.layout.op.op_type)
    }

    /// The type and flags of a value's head, and its body.
    pub(in crate::perl) fn head(&self, sv: u64) -> Result<(u64, u64), NameError> {
        let bytes = self.reader().bytes(sv, self.layout.sv.span())?;
        Ok((
            self.get(self.layout.sv.sv_flags, &bytes)?,
            self.get(self.layout.sv.sv_any, &bytes)?,
        ))
    }

    pub(in crate::perl) fn sv_u(&self, sv: u64) -> Result<u64, NameError> {
        let place = self.layout.sv.sv_u.ok_or(SHORT)?;
        self.pointer_at(sv.wrapping_add(u64::from(place.offset)))
    }

    /// The body of a glob, once it is sure that it is one (isGV_with_GP, sv.h).
    pub(in crate::perl) fn glob_body(&self, gv: u64) -> Result<u64, NameError> {
        let number = &self.layout.constants;
        let (flags, any) = self.head(gv)?;
        let sv_type = flags & number.SVTYPEMASK;
        let is_glob = (sv_type == number.SVt_PVGV || sv_type == number.SVt_PVLV)
            && number.SVpgv_GP.is_none_or(|flag| flags & flag != 0);
        if is_glob {
            Ok(any)
        } else {
            Err(NameError::Nonsense(
                "what should be a glob is another kind of value",
            ))
        }
    }

    /// The address of a glob's GP; 0 while it has none.
    pub(in crate::perl) fn gp(&self, gv: u64, body: u64) -> Result<u64, NameError> {
        match self.layout.xpvgv.xgv_gp {
            Some(field) => self.member(body, field),
            None => self.sv_u(gv),
        }
    }

    /// The CV of the glob at `gv`; 0 when it has none.
    ///
    /// # Errors
    /// [`NameError::Nonsense`] when it is no glob, [`NameError::Read`] when it or its GP is not mapped.
    pub fn glob_cv(&self, gv: u64) -> Result<u64, NameError> {
        let gp = self.gp(gv, self.glob_body(gv)?)?;
        if gp == 0 {
            Ok(0)
        } else {
            self.member(gp, self.layout.gp.gp_cv)
        }
    }

    /// `Package::name` of a glob, aliases undone (gv_efullname, gv.c).
    ///
    /// # Errors
    /// [`NameError`] where there is no glob.
    pub fn glob_name(&self, gv: u64) -> Result<String, NameError> {
        let body = self.glob_body(gv)?;
        let gp = self.gp(gv, body)?;
        let egv = if gp == 0 {
            0
        } else {
            self.member(gp, self.layout.gp.gp_egv)?
        };
        let (gv, body) = match self.glob_body(egv) {
            Ok(own) if egv != 0 => (egv, own),
            _ => (gv, body),
        };
        let stash = self.member(body, self.layout.xpvgv.xgv_stash)?;
        Ok(format!(
            "{}::{}",
            self.package(stash)?,
            self.glob_own_name(gv)?
        ))
    }

    /// The name of a glob without its package.
    pub(in crate::perl) fn glob_own_name(&self, gv: u64) -> Result<String, NameError> {
        let body = self.glob_body(gv)?;
        let xpvgv = &self.layout.xpvgv;
        match (xpvgv.xgv_namehek, xpvgv.xgv_name, xpvgv.xgv_namelen) {
            (Some(field), ..) => self.hek(self.member(body, field)?),
            (None, Some(name), Some(len)) => {
                let length = self.member(body, len)?;
                self.text(self.member(body, name)?, length, Encoding::Utf8)
            }
            _ => Err(SHORT),
        }
    }

    /// The name of a package, `__ANON__` for one that has lost it (HvNAME, hv.h).
    pub(in crate::perl) fn package(&self, stash: u64) -> Result<String, NameError> {
        let name = if stash == 0 {
            None
        } else {
            self.package_name(stash)?
        };
        Ok(name.unwrap_or_else(|| "__ANON__".into()))
    }

    pub(in crate::perl) fn package_name(&self, stash: u64) -> Result<Option<String>, NameError> {
        let (layout, number) = (self.layout, &self.layout.constants);
        let (flags, body) = self.head(stash)?;
        if flags & number.SVTYPEMASK != number.SVt_PVHV {
            return Err(NameError::Nonsense(
                "what should be a package is another kind of value",
            ));
        }
        if let Some(field) = layout.xpvhv.xhv_name {
            let name = self.member(body, field)?;
            return match name {
                0 => Ok(None),
                _ => self.c_text(name).map(Some),
            };
        }
        if number.SVf_OOK.is_some_and(|flag| flags & flag == 0) {
            return Ok(None);
        }
        let aux = match layout.xpvhv_with_aux.xhv_aux {
            Some(place) => body.wrapping_add(u64::from(place.offset)),
            None => {
                let buckets = self.member(body, layout.xpvhv.xhv_max)?.wrapping_add(1);
                let width = u64::from(self.abi.pointer_size);
                self.sv_u(stash)?.wrapping_add(buckets.wrapping_mul(width))
            }
        };
        let field = layout.xpvhv_aux.xhv_name_u.ok_or(SHORT)?;
        let mut name = self.member(aux, field)?;
        let several = match layout.xpvhv_aux.xhv_name_count {
            Some(count) => self.member(aux, count)? != 0,
            None => false,
        };
        if several && name != 0 {
            name = self.pointer_at(name)?;
        }
        if name == 0 {
            Ok(None)
        } else {
            self.hek(name).map(Some)
        }
    }

    /// The integer in a value of type IV or above.
    ///
    /// # Errors
    /// [`NameError::Read`] when the value or its body is not mapped.
    pub fn integer_value(&self, sv: u64) -> Result<u64, NameError> {
        let (_, body) = self.head(sv)?;
        self.member(body, self.layout.xpviv.xiv_iv)
    }

    /// The value of the first key of a hash that starts with `prefix`.
    pub fn hash_value(&self, hv: u64, prefix: &[u8]) -> Option<u64> {
        const MAX_BUCKETS: u64 = 1 << 16;
        const MAX_CHAIN: usize = 64;
        let (_, body) = self.head(hv).ok()?;
        let array = match self.layout.sv.sv_u {
            Some(_) => self.sv_u(hv).ok()?,
            None => self.pointer_at(body).ok()?,
        };
        let buckets = self
            .member(body, self.layout.xpvhv.xhv_max)
            .ok()?
            .checked_add(1)?;
        if array == 0 || buckets > MAX_BUCKETS {
            return None;
        }
        let he = &self.layout.he;
        for mut entry in self.reader().pointers(array, buckets as usize).ok()? {
            for _ in 0..MAX_CHAIN {
                if entry == 0 {
                    break;
                }
                let key = self.member(entry, he.hent_hek).ok()?;
                let start = key.wrapping_add(u64::from(self.layout.hek.hek_key.offset));
                if self
                    .reader()
                    .bytes(start, prefix.len())
                    .is_ok_and(|bytes| bytes == prefix)
                {
                    return self.member(entry, he.hent_val).ok();
                }
                entry = self.member(entry, he.hent_next).ok()?;
            }
        }
        None
    }
}
