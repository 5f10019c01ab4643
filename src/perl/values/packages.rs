//! What packages hold: a method by its name, and the name under which a sub is kept.

use super::context::{NameError, PerlView};
use crate::memory::{Memory, Paged};

/// KiB of the target that one search may read.
const MAX_SEARCHED: usize = 512;
/// Buckets of a package in which a sub is sought.
const MAX_BUCKETS: u64 = 1 << 12;
/// Entries of one bucket.
const MAX_CHAIN: usize = 64;

impl<'a> PerlView<'a> {
    fn through<'b>(&self, memory: &'b dyn Memory) -> PerlView<'b>
    where
        'a: 'b,
    {
        PerlView { memory, ..*self }
    }

    /// The class of an object, as the address of its package; `None` where it is no object.
    pub(in crate::perl) fn class_of(&self, object: u64) -> Result<Option<u64>, NameError> {
        let number = &self.layout.constants;
        let (Some(is_object), Some(place)) = (number.SVs_OBJECT, self.layout.xpvmg.xmg_stash)
        else {
            return Ok(None);
        };
        let Some(referent) = self.referent(object)? else {
            return Ok(None);
        };
        let (flags, body) = self.head(referent)?;
        if flags & is_object == 0 {
            return Ok(None);
        }
        self.member(body, place).map(Some)
    }

    /// The sub that a package has under this name. Whatever was called as a method is there, an
    /// inherited one too: perl keeps what it found (gv_fetchmeth, gv.c).
    pub(in crate::perl) fn method_in(
        &self,
        stash: u64,
        name: &str,
    ) -> Result<Option<u64>, NameError> {
        let paged = Paged::new(self.memory, MAX_SEARCHED);
        let here = self.through(&paged);
        let mut key = name.as_bytes().to_vec();
        // A key ends with a NUL, so that this is no beginning of a longer one.
        key.push(0);
        let Some(gv) = here.hash_value(stash, &key) else {
            return Ok(None);
        };
        Ok(here.glob_cv(gv).ok().filter(|cv| *cv != 0))
    }

    /// `Package::name` of the glob of a package that holds this sub: what was made without a name
    /// may have been put there.
    pub(in crate::perl) fn kept_as(
        &self,
        stash: u64,
        cv: u64,
    ) -> Result<Option<String>, NameError> {
        let paged = Paged::new(self.memory, MAX_SEARCHED);
        let here = self.through(&paged);
        for gv in here.package_values(stash)? {
            if here.glob_cv(gv).is_ok_and(|kept| kept == cv) {
                return here.glob_name(gv).map(Some);
            }
        }
        Ok(None)
    }

    /// The values of a package, as far as it is not larger than is sensible.
    fn package_values(&self, stash: u64) -> Result<Vec<u64>, NameError> {
        let number = &self.layout.constants;
        let (flags, body) = self.head(stash)?;
        if flags & number.SVTYPEMASK != number.SVt_PVHV {
            return Ok(Vec::new());
        }
        let array = match self.layout.sv.sv_u {
            Some(_) => self.sv_u(stash)?,
            None => self.pointer_at(body)?,
        };
        let max = self.member(body, self.layout.xpvhv.xhv_max)?;
        if array == 0 || max >= MAX_BUCKETS {
            return Ok(Vec::new());
        }
        let he = &self.layout.he;
        let mut found = Vec::new();
        for mut entry in self.reader().pointers(array, max as usize + 1)? {
            for _ in 0..MAX_CHAIN {
                if entry == 0 {
                    break;
                }
                found.push(self.member(entry, he.hent_val)?);
                entry = self.member(entry, he.hent_next)?;
            }
        }
        Ok(found)
    }
}
