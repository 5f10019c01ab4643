//! The layout as far as it is solved.

use super::snapshot::{Offset, Snapshot};
use crate::layout::{Layout, Origin};
use crate::memory::{Abi, Field};

/// Something that has no answer, or more than one: then p5-spy does not guess.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{what}: {}", match .answers { 0 => "no place fits".to_owned(), n => format!("{n} places fit") })]
pub struct Unsolved {
    /// The member or constant.
    pub what: &'static str,
    /// How many answers there are.
    pub answers: usize,
}

impl Unsolved {
    /// For `what` there are so many answers.
    pub fn new(what: &'static str, answers: usize) -> Self {
        Unsolved { what, answers }
    }
}

/// The only candidate.
///
/// # Errors
/// [`Unsolved`] when there is none, or more than one.
pub fn only<T>(what: &'static str, candidates: Vec<T>) -> Result<T, Unsolved> {
    let answers = candidates.len();
    let mut candidates = candidates.into_iter();
    match (candidates.next(), answers) {
        (Some(answer), 1) => Ok(answer),
        _ => Err(Unsolved { what, answers }),
    }
}

/// No array that is looked at has more elements.
const MAX_ELEMENTS: u64 = 1000;

/// Members and constants found so far.
#[derive(Debug, Clone)]
pub struct Solution {
    /// The layout itself.
    pub layout: Layout,
    /// Bytes in an IV.
    pub iv_size: u8,
    /// Members that only some features need, and that have no answer or more than one.
    pub left_out: Vec<Unsolved>,
    abi: Abi,
}

impl Solution {
    /// Starts from what is known without looking: constants of the version.
    pub fn new(layout: Layout, abi: Abi) -> Self {
        Solution {
            layout,
            abi,
            iv_size: 8,
            left_out: Vec::new(),
        }
    }

    /// The only candidate for something that only some features need: without an answer it is
    /// left out.
    pub fn extra<T>(&mut self, what: &'static str, candidates: Vec<T>) -> Option<T> {
        let answer = only(what, candidates);
        answer.map_err(|left_out| self.left_out.push(left_out)).ok()
    }

    fn add(&mut self, structure: &str, name: &str, field: Field) {
        self.layout
            .add_field(structure, name, field, &Origin::Learned);
    }

    fn offset(offset: u64) -> u32 {
        u32::try_from(offset).unwrap_or(u32::MAX)
    }

    /// A member that is a pointer.
    pub fn pointer(&mut self, structure: &str, name: &str, offset: u64) {
        let field = Field::whole(Self::offset(offset), self.abi.pointer_size);
        self.add(structure, name, field);
    }

    /// A member that is an integer of the pointer's size.
    pub fn word(&mut self, s: &Snapshot, structure: &str, name: &str, offset: u64) {
        self.int(structure, name, offset, s.width() as u8);
    }

    /// A member that is an integer.
    pub fn int(&mut self, structure: &str, name: &str, offset: u64, size: u8) {
        self.add(structure, name, Field::whole(Self::offset(offset), size));
    }

    /// A member that is a bit-field.
    pub fn bits(&mut self, structure: &str, name: &str, field: Field) {
        self.add(structure, name, field);
    }

    /// A member of which only the place counts, or a size.
    pub fn embedded(&mut self, structure: &str, name: &str, offset: u64) {
        self.add(structure, name, Field::whole(Self::offset(offset), 0));
    }

    /// A constant that was observed.
    pub fn constant(&mut self, name: &str, value: u64) {
        self.layout.set_constant(name, value, &Origin::Learned);
    }

    /// A constant that is known.
    pub fn get_constant(&self, name: &str) -> Option<u64> {
        self.layout.constant(name)
    }

    /// A member's offset.
    pub fn get(&self, structure: &str, name: &str) -> Option<u64> {
        self.layout
            .field(structure, name)
            .map(|f| u64::from(f.offset))
    }

    /// A member.
    pub fn field(&self, structure: &str, name: &str) -> Option<Field> {
        self.layout.field(structure, name)
    }

    /// The value of an integer member of the structure at `base`.
    pub fn read(&self, s: &Snapshot, base: u64, structure: &str, name: &str) -> Option<u64> {
        let field = self.field(structure, name)?;
        let bytes = s.bytes(base.at(u64::from(field.offset)), usize::from(field.size))?;
        Field { offset: 0, ..field }.get(self.abi, bytes)
    }

    /// The type of a value.
    pub fn sv_type(&self, s: &Snapshot, sv: u64) -> Option<u64> {
        let mask = self.get_constant("SVTYPEMASK").unwrap_or(0xff);
        Some(self.read(s, sv, "sv", "sv_flags")? & mask)
    }

    /// The array of an AV or HV: in the head since 5.10, before that first in the body.
    pub fn array_of(&self, s: &Snapshot, sv: u64) -> Option<u64> {
        match self.get("sv", "sv_u") {
            Some(place) => s.word(sv.at(place)),
            None => s.word(s.word(sv)?),
        }
    }

    /// Where the text of a string is.
    pub fn text_of(&self, s: &Snapshot, sv: u64) -> Option<u64> {
        match self.get("xpv", "xpv_pv") {
            Some(place) => s.word(s.word(sv)?.at(place)),
            None => s.word(sv.at(self.get("sv", "sv_u")?)),
        }
    }

    /// The elements of an array.
    pub fn elements(&self, s: &Snapshot, av: u64) -> Option<Vec<u64>> {
        if self.sv_type(s, av) != self.get_constant("SVt_PVAV") {
            return None;
        }
        let count = self.read(s, s.word(av)?, "xpvav", "xav_fill")?;
        let count = count.wrapping_add(1).min(MAX_ELEMENTS);
        let start = self.array_of(s, av)?;
        (0..count)
            .map(|index| s.word(start.at(index * s.width())))
            .collect()
    }

    /// An entry of a sub's padlist: 0 is the names, others are the pads by depth.
    pub fn pad(&self, s: &Snapshot, cv: u64, depth: u64) -> Option<u64> {
        let list = s.word(s.word(cv)?.at(self.get("xpvcv", "xcv_padlist")?))?;
        let start = match self.get("padlist", "xpadl_alloc") {
            Some(place) => s.word(list.at(place)),
            None => self.array_of(s, list),
        };
        s.word(start?.at(depth.wrapping_mul(s.width())))
    }

    /// `xhv_max` of a hash.
    pub fn hash_max(&self, s: &Snapshot, hv: u64) -> Option<u64> {
        self.read(s, s.word(hv)?, "xpvhv", "xhv_max")
    }

    /// True when the SV at that address is the string `text`.
    pub fn is_string(&self, s: &Snapshot, sv: u64, text: &str) -> bool {
        let start = self.text_of(s, sv);
        start.is_some_and(|at| s.has_text(at, text))
    }
}
