//! A number for what a sub does. The text of a string eval is gone once it was run, so what it left
//! behind tells what it was: equal texts make equal ops.

use super::context::{NameError, PerlView};
use super::objects::BodySpan;
use crate::frames::UNKNOWN;
use crate::memory::{Field, Paged};

/// Ops that are looked at, those of subs within the sub included.
const MAX_OPS: usize = 4000;
/// KiB of the target that are read for one sub.
const MAX_READ: usize = 1024;
/// Subs within subs.
const MAX_NESTED: usize = 8;
/// Bytes of a constant or a pattern that count.
const MAX_TEXT: u64 = 4096;
/// Items of one list of subscripts.
const MAX_ITEMS: u64 = 64;

/// What it does so far. CRC-32 is the same everywhere, as recordings are compared with each other.
struct Hash(crc32fast::Hasher);

impl Hash {
    fn bytes(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    fn number(&mut self, number: u64) {
        self.0.update(&number.to_le_bytes());
    }
}

/// What the ops of one sub refer to by an index; 0 where that is not known.
#[derive(Debug, Clone, Copy)]
pub(in crate::perl) struct Pad {
    values: u64,
    /// The list that says what each is.
    names: u64,
}

pub(in crate::perl) struct FingerprintOp {
    pub(in crate::perl) op_type: u64,
    targ: u64,
    pub(in crate::perl) first: u64,
    pub(in crate::perl) sibling: u64,
}

impl PerlView<'_> {
    /// The same for two subs that do the same on the same lines; `None` for one without ops.
    pub(in crate::perl) fn fingerprint(&self, cv: u64) -> Result<Option<u32>, NameError> {
        let paged = Paged::new(self.memory, MAX_READ);
        let here = PerlView {
            memory: &paged,
            ..*self
        };
        let mut hash = Hash(crc32fast::Hasher::new());
        let mut left = MAX_OPS;
        here.hash_sub(cv, &mut hash, &mut left, MAX_NESTED)?;
        Ok((left < MAX_OPS).then(|| hash.0.finalize()))
    }

    fn hash_sub(
        &self,
        cv: u64,
        hash: &mut Hash,
        left: &mut usize,
        nested: usize,
    ) -> Result<(), NameError> {
        let pad = self.constants_of(cv);
        let (_, body) = self.head(cv)?;
        let mut pending = vec![self.member(body, self.layout.xpvcv.xcv_root)?];
        while let Some(op) = pending.pop() {
            if op == 0 || *left == 0 {
                continue;
            }
            *left -= 1;
            let node = self.op_node(op)?;
            let name = self.ops.name(node.op_type).map_or(UNKNOWN, |name| &**name);
            hash.bytes(name.as_bytes());
            hash.number(u64::from(node.first != 0) | u64::from(node.sibling != 0) << 1);
            match name {
                "anoncode" if nested > 0 => {
                    let inner = self.pad_constant(pad, node.targ)?;
                    if self.is_code(inner) {
                        self.hash_sub(inner, hash, left, nested - 1)?;
                    }
                }
                _ => self.hash_op(op, name, &node, pad, hash)?,
            }
            pending.extend([node.sibling, node.first]);
        }
        Ok(())
    }

    /// The file of the first `require` of a sub, where its name is a constant.
    pub(in crate::perl) fn required_by(&self, cv: u64) -> Result<Option<String>, NameError> {
        /// Ops before it; `use` makes no others than a statement and the name.
        const MAX_BEFORE: usize = 8;
        let (_, body) = self.head(cv)?;
        let mut at = self.member(body, self.layout.xpvcv.xcv_start)?;
        let mut name = 0;
        for _ in 0..MAX_BEFORE {
            if at == 0 {
                break;
            }
            let node = self.op_node(at)?;
            let op_name = self.ops.name(node.op_type).map_or(UNKNOWN, |name| &**name);
            match op_name {
                "const" => name = self.constant_of(at, node.targ, self.constants_of(cv))?,
                "require" => return self.string_value(name),
                _ => {}
            }
            at = self.member(at, self.layout.op.op_next)?;
        }
        Ok(None)
    }

    /// The value of a constant: its op's own, or in threaded builds one of the pad.
    fn constant_of(&self, op: u64, targ: u64, pad: Pad) -> Result<u64, NameError> {
        let own = self.layout.svop.op_sv;
        match own.map_or(Ok(0), |place| self.member(op, place))? {
            0 => self.pad_constant(pad, targ),
            own => Ok(own),
        }
    }

    pub(in crate::perl) fn op_node(&self, op: u64) -> Result<FingerprintOp, NameError> {
        let (fields, unop) = (&self.layout.op, &self.layout.unop);
        let mut of_all = vec![
            fields.op_type,
            fields.op_targ,
            fields.op_sibling,
            fields.op_flags,
        ];
        of_all.extend(fields.op_moresib);
        let span = BodySpan::of(&of_all);
        let bytes = self.reader().bytes(op, span.start + span.length)?;
        let get = |field: Field| self.get(field, &bytes);
        let has_sibling = fields.op_moresib.map_or(Ok(1), get)? != 0;
        let has_kids = get(fields.op_flags)? & self.layout.constants.OPf_KIDS != 0;
        Ok(FingerprintOp {
            op_type: get(fields.op_type)?,
            targ: get(fields.op_targ)?,
            first: if has_kids {
                self.member(op, unop.op_first)?
            } else {
                0
            },
            sibling: if has_sibling {
                get(fields.op_sibling)?
            } else {
                0
            },
        })
    }

    /// What an op says beside what it is.
    fn hash_op(
        &self,
        op: u64,
        name: &str,
        node: &FingerprintOp,
        pad: Pad,
        hash: &mut Hash,
    ) -> Result<(), NameError> {
        match name {
            "nextstate" | "dbstate" => hash.number(self.member(op, self.layout.cop.cop_line)?),
            "const" => self.hash_constant(self.constant_of(op, node.targ, pad)?, hash),
            "method_named" | "method_super" | "method_redir" | "method_redir_super" => {
                let place = self.layout.methop.op_meth_sv.or(self.layout.svop.op_sv);
                let own = place.map_or(Ok(0), |place| self.member(op, place))?;
                let value = match own {
                    0 => self.pad_constant(pad, node.targ)?,
                    own => own,
                };
                self.hash_constant(value, hash);
            }
            "gv" | "gvsv" | "aelemfast" => self.hash_glob(self.glob_of(op, pad)?, hash),
            "match" | "subst" | "qr" | "pushre" | "split" => {
                if let Some(pads) = &self.pads
                    && let Ok(Some(place)) = self.pattern_place(op, pads)
                    && place.length <= MAX_TEXT
                    && let Ok(text) = self.reader().bytes(place.start, place.length as usize)
                {
                    hash.bytes(&text);
                }
            }
            "multideref" => self.hash_subscripts(op, pad, hash)?,
            "multiconcat" => self.hash_concat(op, hash)?,
            // What it was before it was optimised away.
            "null" => hash.number(node.targ),
            _ if name.starts_with("pad") || name == "aelemfast_lex" => hash.number(node.targ),
            _ => {}
        }
        Ok(())
    }

    /// Bytes of a UNOP_AUX_item (op.h, since 5.22): a union of a pointer and an IV.
    fn aux_item(&self) -> u64 {
        let integer = self.layout.xpviv.xiv_iv.size;
        u64::from(self.abi.pointer_size.max(integer))
    }

    /// The first items of such a list, of each what is no wider than a pointer.
    fn aux_items(&self, list: u64, count: u64) -> Result<Vec<u64>, NameError> {
        let item = |index: u64| {
            let at = list.wrapping_add(index.wrapping_mul(self.aux_item()));
            self.pointer_at(at)
        };
        (0..count).map(item).collect()
    }

    /// How many values are put together, and the constants between them as one text, once or twice
    /// (plain and UTF-8), each with its length.
    fn hash_concat(&self, op: u64, hash: &mut Hash) -> Result<(), NameError> {
        let Some(place) = self.layout.unop_aux.op_aux else {
            return Ok(());
        };
        let mut items = self.aux_items(self.member(op, place)?, 5)?.into_iter();
        hash.number(items.next().unwrap_or(0));
        while let (Some(start), Some(length)) = (items.next(), items.next()) {
            if start != 0
                && length <= MAX_TEXT
                && let Ok(text) = self.reader().bytes(start, length as usize)
            {
                hash.bytes(&text);
            }
        }
        Ok(())
    }

    /// Numbers, and where they are places of the pad or addresses, what constants lie there.
    fn hash_subscripts(&self, op: u64, pad: Pad, hash: &mut Hash) -> Result<(), NameError> {
        let Some(place) = self.layout.unop_aux.op_aux else {
            return Ok(());
        };
        let list = self.member(op, place)?;
        let size = self.aux_item();
        let count = self.reader().uint(list.wrapping_sub(size), size as usize)?;
        for item in self.aux_items(list, count.min(MAX_ITEMS))? {
            let value = match item {
                index if index < u64::from(u16::MAX) => {
                    hash.number(index);
                    match self.is_constant(pad, index) {
                        true => self.pad_constant(pad, index)?,
                        false => continue,
                    }
                }
                address => address,
            };
            self.hash_constant(value, hash);
            self.hash_glob(value, hash);
        }
        Ok(())
    }

    /// Whether a place of the pad holds a constant (`PL_padname_const`, pad.c, since 5.22): it has an
    /// empty name, and what is neither that nor a variable has none.
    fn is_constant(&self, pad: Pad, index: u64) -> bool {
        let Some(place) = self.layout.padname.xpadn_pv else {
            return false;
        };
        let names = Pad {
            values: pad.names,
            ..pad
        };
        let text = self.pad_constant(names, index).and_then(|name| match name {
            0 => Ok(0),
            name => self.member(name, place),
        });
        text.is_ok_and(|text| text != 0 && self.reader().uint(text, 1) == Ok(0))
    }

    fn hash_constant(&self, sv: u64, hash: &mut Hash) {
        let number = &self.layout.constants;
        let Ok((flags, body)) = self.head(sv) else {
            return;
        };
        let is = |flag: Option<u64>| flag.is_some_and(|flag| flags & flag != 0);
        if is(number.SVf_POK) {
            if let Ok(Some(text)) = self.string_value(sv) {
                hash.bytes(text.as_bytes());
            }
        } else if is(number.SVf_IOK) {
            if let Ok(value) = self.integer_value(sv) {
                hash.number(value);
            }
        } else if is(number.SVf_NOK)
            && let Some(place) = self.layout.xpvnv.xnv_nv
        {
            let start = body.wrapping_add(u64::from(place.offset));
            if let Ok(bytes) = self.reader().bytes(start, 8) {
                hash.bytes(&bytes);
            }
        }
    }

    /// A glob by its name; since 5.22 a sub may stand there itself, behind a reference.
    fn hash_glob(&self, gv: u64, hash: &mut Hash) {
        let name = self.glob_name(gv).or_else(|e| match self.referent(gv)? {
            Some(cv) => self.name_of_sub(cv),
            None => Err(e),
        });
        if let Ok(name) = name {
            hash.bytes(name.as_bytes());
        }
    }

    pub(in crate::perl) fn glob_of(&self, op: u64, pad: Pad) -> Result<u64, NameError> {
        match (self.layout.padop.op_padix, self.layout.cop.cop_file) {
            // Unthreaded perls have the structure too, and no op of that kind.
            (Some(place), Some(_)) => self.pad_constant(pad, self.member(op, place)?),
            _ => self
                .layout
                .svop
                .op_sv
                .map_or(Ok(0), |place| self.member(op, place)),
        }
    }

    fn is_code(&self, sv: u64) -> bool {
        let number = &self.layout.constants;
        self.head(sv)
            .is_ok_and(|(flags, _)| flags & number.SVTYPEMASK == number.SVt_PVCV)
    }

    /// The first pad of a sub: constants are in all of its pads.
    pub(in crate::perl) fn constants_of(&self, cv: u64) -> Pad {
        let values = self.pad(cv, 1).ok().flatten();
        let values = values.and_then(|pad| self.array_start(pad).ok());
        let names = self.layout.padnamelist.xpadnl_alloc.and_then(|place| {
            let list = self.pad_list_entry(cv, 0).ok().filter(|list| *list != 0)?;
            self.member(list, place).ok()
        });
        Pad {
            values: values.unwrap_or(0),
            names: names.unwrap_or(0),
        }
    }

    fn pad_constant(&self, pad: Pad, index: u64) -> Result<u64, NameError> {
        const MAX_PAD: u64 = 1 << 20;
        if pad.values == 0 || index == 0 || index > MAX_PAD {
            return Ok(0);
        }
        let width = u64::from(self.abi.pointer_size);
        self.pointer_at(pad.values.wrapping_add(index.wrapping_mul(width)))
    }
}
