//! A layout from debug information: exact for the very binary that it belongs to.

use super::schema::{CONSTANTS, FIELDS, FieldSpec, Kind};
use super::{Layout, Origin};
use crate::image::{Budget, DebugFile, Exceeded, Image};
use crate::memory::Field;
use gimli::{AttributeValue as Value, EndianSlice, RunTimeEndian, UnitOffset};
use std::cell::RefCell;
use std::collections::{HashMap, HashSet};
use std::rc::Rc;

type DwarfBytes<'a> = EndianSlice<'a, RunTimeEndian>;
type Unit<'a> = gimli::Unit<DwarfBytes<'a>>;
type Die<'a> = gimli::DebuggingInformationEntry<DwarfBytes<'a>>;

/// Debug information that cannot be understood.
#[derive(Debug, thiserror::Error)]
#[error("the debug information in {path} cannot be used: {source}")]
pub struct DwarfError {
    path: String,
    source: Problem,
}

/// What is wrong with it.
#[derive(Debug, thiserror::Error)]
enum Problem {
    #[error(transparent)]
    Damaged(#[from] gimli::Error),
    #[error(transparent)]
    Exceeded(#[from] Exceeded),
}

type Fallible<T> = Result<T, Problem>;

/// Chains of typedefs and qualifiers, and structures within structures, are shorter than this.
const MAX_DEPTH: usize = 24;
/// Structures within a structure of perl's are fewer; each is a step down the stack at most.
const MAX_WITHIN: usize = 400;
/// Imports of partial units and their nesting, in all.
const MAX_UNITS: usize = 20_000;

/// Every member of the schema that the debug information has.
///
/// # Errors
/// [`DwarfError`] when it is damaged, or wants more time than it may.
pub fn from_dwarf(image: &Image, debug: &DebugFile) -> Result<Layout, DwarfError> {
    extract(image, debug).map_err(|source| DwarfError {
        path: crate::text::from_utf8(debug.path.as_os_str().as_encoded_bytes()),
        source,
    })
}

fn extract(image: &Image, debug: &DebugFile) -> Fallible<Layout> {
    let dwarf = debug.dwarf();
    let budget = image.budget();
    let info = DebugInfo::new(&dwarf, &budget)?;
    let origin =
        Origin::Dwarf(crate::text::from_utf8(debug.path.as_os_str().as_encoded_bytes()).into());
    let mut layout = Layout::default();
    let mut seen = Definitions::default();
    for offset in units_of(debug, image) {
        info.collect(UnitSide::Main, offset, &mut seen)?;
    }
    info.fill(&seen, image, &mut layout, &origin)?;
    // Where a structure was in none of those units, look everywhere.
    if seen.structures.len() < info.wanted.len() {
        for side in [UnitSide::Main, UnitSide::Supplement] {
            for offset in info.unit_offsets(side) {
                info.collect(side, offset, &mut seen)?;
            }
        }
        info.fill(&seen, image, &mut layout, &origin)?;
    }
    Ok(layout)
}

/// The units in which the landmarks are compiled.
fn units_of(debug: &DebugFile, image: &Image) -> Vec<usize> {
    let Ok(context) = addr2line::Context::from_dwarf(debug.dwarf()) else {
        return Vec::new();
    };
    // addr2line (0.27) adds one to it.
    let possible = |address: &&u64| **address < u64::MAX;
    let unit_of = |address: &u64| {
        let unit = context.find_dwarf_and_unit(*address).skip_all_loads()?;
        Some(unit.header.debug_info_offset()?.0)
    };
    let landmarks = image.landmarks();
    let landmarks = landmarks.iter().filter(possible);
    landmarks.filter_map(unit_of).collect()
}

/// Which of the two files a unit is in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum UnitSide {
    Main,
    Supplement,
}

/// An entry, by its unit and its place in that.
#[derive(Clone)]
struct DieRef<'a> {
    side: UnitSide,
    unit: Rc<Unit<'a>>,
    offset: UnitOffset,
}

/// The structures and enumerators that were found, by name.
#[derive(Default)]
struct Definitions<'a> {
    structures: HashMap<&'static str, DieRef<'a>>,
    constants: HashMap<&'static str, u64>,
    visited: HashSet<(UnitSide, usize)>,
}

struct DebugInfo<'a, 'd> {
    budget: &'d Budget,
    main: &'d gimli::Dwarf<DwarfBytes<'a>>,
    supplement: Option<&'d gimli::Dwarf<DwarfBytes<'a>>>,
    units: RefCell<HashMap<(UnitSide, usize), Rc<Unit<'a>>>>,
    main_offsets: Vec<usize>,
    supplement_offsets: Vec<usize>,
    wanted: HashSet<&'static str>,
    wanted_constants: HashMap<&'static [u8], &'static str>,
}

impl<'a, 'd> DebugInfo<'a, 'd> {
    fn new(dwarf: &'d gimli::Dwarf<DwarfBytes<'a>>, budget: &'d Budget) -> Fallible<Self> {
        let supplement = dwarf.sup();
        Ok(DebugInfo {
            budget,
            main: dwarf,
            supplement,
            units: RefCell::default(),
            main_offsets: offsets(dwarf)?,
            supplement_offsets: supplement.map(offsets).transpose()?.unwrap_or_default(),
            wanted: FIELDS.iter().map(|f| f.structure).collect(),
            wanted_constants: CONSTANTS
                .iter()
                .map(|c| (c.name.as_bytes(), c.name))
                .collect(),
        })
    }

    fn unit_offsets(&self, side: UnitSide) -> Vec<usize> {
        match side {
            UnitSide::Main => self.main_offsets.clone(),
            UnitSide::Supplement => self.supplement_offsets.clone(),
        }
    }

    fn dwarf(&self, side: UnitSide) -> Fallible<&'d gimli::Dwarf<DwarfBytes<'a>>> {
        match side {
            UnitSide::Main => Ok(self.main),
            UnitSide::Supplement => {
                let none = gimli::Error::OffsetOutOfBounds(0);
                Ok(self.supplement.ok_or(none)?)
            }
        }
    }

    /// The unit that starts at `offset` of its section.
    fn unit(&self, side: UnitSide, offset: usize) -> Fallible<Rc<Unit<'a>>> {
        if let Some(unit) = self.units.borrow().get(&(side, offset)) {
            return Ok(unit.clone());
        }
        self.budget.go_on()?;
        let dwarf = self.dwarf(side)?;
        let unit = Rc::new(dwarf.unit(dwarf.unit_header(gimli::DebugInfoOffset(offset))?)?);
        self.units.borrow_mut().insert((side, offset), unit.clone());
        Ok(unit)
    }

    /// The entry at `offset` of a section, whatever unit it is in.
    fn at(&self, side: UnitSide, offset: usize) -> Fallible<DieRef<'a>> {
        let starts = match side {
            UnitSide::Main => &self.main_offsets,
            UnitSide::Supplement => &self.supplement_offsets,
        };
        let outside = gimli::Error::OffsetOutOfBounds(offset as u64);
        let index = starts
            .partition_point(|start| *start <= offset)
            .checked_sub(1)
            .ok_or(outside)?;
        let start = *starts.get(index).ok_or(outside)?;
        let unit = self.unit(side, start)?;
        Ok(DieRef {
            side,
            unit,
            offset: UnitOffset(offset - start),
        })
    }

    /// What a reference attribute refers to.
    fn follow(
        &self,
        from: &DieRef<'a>,
        value: Value<DwarfBytes<'a>>,
    ) -> Fallible<Option<DieRef<'a>>> {
        Ok(match value {
            Value::UnitRef(offset) => Some(DieRef {
                offset,
                ..from.clone()
            }),
            Value::DebugInfoRef(offset) => Some(self.at(from.side, offset.0)?),
            Value::DebugInfoRefSup(offset) => Some(self.at(UnitSide::Supplement, offset.0)?),
            _ => None,
        })
    }

    fn name(&self, side: UnitSide, unit: &Unit<'a>, die: &Die<'a>) -> Option<&'a [u8]> {
        let value = die.attr_value(gimli::DW_AT_name)?;
        Some(
            self.dwarf(side)
                .ok()?
                .attr_string(unit, value)
                .ok()?
                .slice(),
        )
    }

    /// Notes the structures and enumerators of one unit and of the units that it imports.
    fn collect(&self, side: UnitSide, offset: usize, seen: &mut Definitions<'a>) -> Fallible<()> {
        let mut queue = vec![(side, offset)];
        while let Some((side, offset)) = queue.pop() {
            if seen.visited.len() >= MAX_UNITS || !seen.visited.insert((side, offset)) {
                continue;
            }
            let unit = self.unit(side, offset)?;
            let mut cursor = unit.entries();
            cursor.next_entry()?;
            cursor.next_entry()?;
            let mut more = cursor.current().is_some();
            while more {
                self.budget.go_on()?;
                let Some(die) = cursor.current() else { break };
                let here = DieRef {
                    side,
                    unit: unit.clone(),
                    offset: die.offset(),
                };
                match die.tag() {
                    gimli::DW_TAG_structure_type => self.note_structure(here, die, seen),
                    gimli::DW_TAG_enumeration_type => self.note_enumerators(&here, seen)?,
                    gimli::DW_TAG_imported_unit => {
                        if let Some(value) = die.attr_value(gimli::DW_AT_import)
                            && let Some(target) = self.follow(&here, value)?
                        {
                            let start = target.unit.header.debug_info_offset().map(|o| o.0);
                            queue.extend(start.map(|start| (target.side, start)));
                        }
                    }
                    _ => {}
                }
                more = cursor.next_sibling()?.is_some();
            }
        }
        Ok(())
    }

    fn note_structure(&self, here: DieRef<'a>, die: &Die<'a>, seen: &mut Definitions<'a>) {
        if die.has_attr(gimli::DW_AT_declaration) {
            return;
        }
        let name = self
            .name(here.side, &here.unit, die)
            .and_then(|n| std::str::from_utf8(n).ok());
        if let Some(known) = name.and_then(|n| self.wanted.get(n)) {
            seen.structures.entry(known).or_insert(here);
        }
    }

    fn note_enumerators(&self, here: &DieRef<'a>, seen: &mut Definitions<'a>) -> Fallible<()> {
        self.for_each_child(here, |child| {
            if let Some(known) = self
                .name(here.side, &here.unit, child)
                .and_then(|n| self.wanted_constants.get(n))
                && let Some(value) = child
                    .attr(gimli::DW_AT_const_value)
                    .and_then(gimli::Attribute::udata_value)
            {
                seen.constants.entry(known).or_insert(value);
            }
            Ok(true)
        })
    }

    /// Calls `each` for the direct children until it returns false.
    fn for_each_child(
        &self,
        parent: &DieRef<'a>,
        mut each: impl FnMut(&Die<'a>) -> Fallible<bool>,
    ) -> Fallible<()> {
        let mut tree = parent.unit.entries_tree(Some(parent.offset))?;
        let mut children = tree.root()?.children();
        while let Some(child) = children.next()? {
            if !each(child.entry())? {
                break;
            }
        }
        Ok(())
    }

    fn fill(
        &self,
        seen: &Definitions<'a>,
        image: &Image,
        layout: &mut Layout,
        origin: &Origin,
    ) -> Fallible<()> {
        for spec in FIELDS {
            let Some(structure) = seen.structures.get(spec.structure) else {
                continue;
            };
            for path in spec.paths() {
                if let Some(field) = self.locate(structure, spec, path, image)? {
                    layout.add_field(spec.structure, spec.name, field, origin);
                    break;
                }
            }
        }
        for (name, value) in &seen.constants {
            layout.add_constant(name, *value, origin);
        }
        Ok(())
    }

    fn locate(
        &self,
        structure: &DieRef<'a>,
        spec: &FieldSpec,
        path: &str,
        image: &Image,
    ) -> Fallible<Option<Field>> {
        if spec.kind == Kind::Size {
            let size = self.size_of(structure)?;
            return Ok(size
                .and_then(|s| u32::try_from(s).ok())
                .map(|size| Field::whole(size, 0)));
        }
        let mut place = DwarfMember {
            offset: 0,
            bits: None,
            kind: structure.clone(),
        };
        for step in path.split('.') {
            let Some(within) = self.aggregate(&place.kind, 0)? else {
                return Ok(None);
            };
            let Some(next) = self.member(&within, step, &mut HashSet::new())? else {
                return Ok(None);
            };
            let Some(offset) = place.offset.checked_add(next.offset) else {
                return Ok(None);
            };
            place = DwarfMember { offset, ..next };
        }
        let size = match spec.kind {
            Kind::Embedded => Some(0),
            Kind::Pointer => Some(u64::from(image.abi().pointer_size)),
            _ => self.size_of(&place.kind)?,
        };
        Ok(size.and_then(|size| place.field(size, image)))
    }

    /// The member `name` of a structure or union, or of one embedded in it. Each is looked at once:
    /// damaged information may have one within itself.
    fn member(
        &self,
        within: &DieRef<'a>,
        name: &str,
        looked_at: &mut HashSet<(UnitSide, Option<usize>, usize)>,
    ) -> Fallible<Option<DwarfMember<'a>>> {
        self.budget.go_on()?;
        let unit = within.unit.header.debug_info_offset().map(|o| o.0);
        let is_new = looked_at.insert((within.side, unit, within.offset.0));
        if !is_new || looked_at.len() > MAX_WITHIN {
            return Ok(None);
        }
        let mut found = None;
        let mut embedded = Vec::new();
        self.for_each_child(within, |child| {
            if child.tag() != gimli::DW_TAG_member {
                return Ok(true);
            }
            let Some(kind) = child.attr_value(gimli::DW_AT_type) else {
                return Ok(true);
            };
            let Some(kind) = self.follow(within, kind)? else {
                return Ok(true);
            };
            let number = |at| child.attr(at).and_then(gimli::Attribute::udata_value);
            let member = DwarfMember {
                offset: number(gimli::DW_AT_data_member_location).unwrap_or(0),
                bits: number(gimli::DW_AT_bit_size).map(|size| Bits {
                    size,
                    data_offset: number(gimli::DW_AT_data_bit_offset),
                    old_offset: number(gimli::DW_AT_bit_offset),
                    storage: number(gimli::DW_AT_byte_size),
                }),
                kind,
            };
            if self.name(within.side, &within.unit, child) == Some(name.as_bytes()) {
                found = Some(member);
                return Ok(false);
            }
            embedded.push(member);
            Ok(true)
        })?;
        if found.is_some() {
            return Ok(found);
        }
        for outer in embedded {
            let Some(inside) = self.aggregate(&outer.kind, 0)? else {
                continue;
            };
            if let Some(inner) = self.member(&inside, name, looked_at)? {
                let offset = outer.offset.checked_add(inner.offset);
                return Ok(offset.map(|offset| DwarfMember { offset, ..inner }));
            }
        }
        Ok(None)
    }

    /// The structure or union behind typedefs; `None` for anything else.
    fn aggregate(&self, kind: &DieRef<'a>, depth: usize) -> Fallible<Option<DieRef<'a>>> {
        let die = kind.unit.entry(kind.offset)?;
        match die.tag() {
            gimli::DW_TAG_structure_type | gimli::DW_TAG_union_type => Ok(Some(kind.clone())),
            gimli::DW_TAG_typedef | gimli::DW_TAG_const_type | gimli::DW_TAG_volatile_type
                if depth < MAX_DEPTH =>
            {
                match die
                    .attr_value(gimli::DW_AT_type)
                    .map(|v| self.follow(kind, v))
                    .transpose()?
                    .flatten()
                {
                    Some(behind) => self.aggregate(&behind, depth + 1),
                    None => Ok(None),
                }
            }
            _ => Ok(None),
        }
    }

    /// Bytes in a type, typedefs resolved.
    fn size_of(&self, kind: &DieRef<'a>) -> Fallible<Option<u64>> {
        let mut kind = kind.clone();
        for _ in 0..MAX_DEPTH {
            let die = kind.unit.entry(kind.offset)?;
            if let Some(size) = die
                .attr(gimli::DW_AT_byte_size)
                .and_then(gimli::Attribute::udata_value)
            {
                return Ok(Some(size));
            }
            let behind = die
                .attr_value(gimli::DW_AT_type)
                .map(|v| self.follow(&kind, v))
                .transpose()?
                .flatten();
            match behind {
                Some(behind) => kind = behind,
                None => return Ok(None),
            }
        }
        Ok(None)
    }
}

fn offsets(dwarf: &gimli::Dwarf<DwarfBytes<'_>>) -> Fallible<Vec<usize>> {
    let mut found = Vec::new();
    let mut units = dwarf.units();
    while let Some(header) = units.next()? {
        found.extend(header.debug_info_offset().map(|o| o.0));
    }
    Ok(found)
}

/// Bit-field attributes, DWARF 4 and 5 (`data_offset`) or older.
#[derive(Clone, Copy)]
struct Bits {
    size: u64,
    data_offset: Option<u64>,
    old_offset: Option<u64>,
    storage: Option<u64>,
}

struct DwarfMember<'a> {
    offset: u64,
    bits: Option<Bits>,
    kind: DieRef<'a>,
}

impl DwarfMember<'_> {
    fn field(&self, size: u64, image: &Image) -> Option<Field> {
        let Some(bits) = self.bits else {
            return Some(Field::whole(
                u32::try_from(self.offset).ok()?,
                u8::try_from(size).ok()?,
            ));
        };
        let big_endian = image.abi().big_endian;
        // Distance of the field's first bit from the start of the structure, in storage order.
        let first = match (bits.data_offset, bits.old_offset) {
            (Some(first), _) => self.offset.checked_mul(8)?.checked_add(first)?,
            (None, Some(old)) => {
                let storage = bits.storage.unwrap_or(size).checked_mul(8)?;
                let from_low = if big_endian {
                    old
                } else {
                    storage.checked_sub(old)?.checked_sub(bits.size)?
                };
                self.offset.checked_mul(8)?.checked_add(from_low)?
            }
            (None, None) => self.offset.checked_mul(8)?,
        };
        // No integer of perl's has more.
        if bits.size > 64 {
            return None;
        }
        // Load as few bytes as hold it: the neighbours of op_type are not ours to read.
        let start = first / 8;
        let needed = (first % 8 + bits.size).div_ceil(8);
        let load = needed.next_power_of_two();
        let within = first % 8;
        let shift = if big_endian {
            (load * 8).checked_sub(within + bits.size)?
        } else {
            within
        };
        Some(Field {
            offset: u32::try_from(start).ok()?,
            size: u8::try_from(load).ok()?,
            shift: u8::try_from(shift).ok()?,
            bits: u8::try_from(bits.size).ok()?,
        })
    }
}
