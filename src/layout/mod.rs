//! Where things are in this perl's structures: read from data, never compiled in.
//!
//! A [`Layout`] is sparse and named, and every value knows where it came from. A [`BoundLayout`]
//! is complete and checked.
//!
//! `layout/resolve.rs` finds the layout: tables that the user named, the cache (`layout/cache.rs`,
//! `entry.rs`; a file without a build-id is known by its stamp, `platform/linux/stamp.rs`), DWARF, built-in
//! tables. `layout/dwarf.rs` walks the debug information; `image/debug_file.rs` finds it, be it separate,
//! compressed, or split by dwz. `addr2line` finds the few compile units that need to be looked at. Types and
//! flags that only macros define come from `layouts/flags.toml` by version, the context types from the
//! target's own `PL_block_type`. Before p5-spy starts a program it looks its layout up, so that a short
//! program is not over by then.
//!
//! `Layout` is sparse, named, and every value knows its origin. `Layout::bind` makes a `BoundLayout` of it:
//! complete, plain integers, all that the hot path sees. Both are generated from one declaration,
//! `layout/schema.rs`.

mod cache;
mod constants;
mod debug;
mod dwarf;
pub(crate) mod entry;
mod resolve;
pub mod schema;
pub mod table;
mod table_set;

pub use cache::Cache;
pub use constants::{block_type_numbers, embedded_flag_sets};
pub use debug::{LayoutFromDebug, layout_from_debug};
pub use dwarf::{DwarfError, from_dwarf};
pub use entry::Cached;
pub use resolve::{
    KnownLayouts, Learn, ResolveError, Resolved, Sources, from_tables, resolve, with_block_types,
};
pub use schema::BoundLayout;
pub use table::{Table, TableError};
pub use table_set::TableSet;

use crate::hash::Map;
use crate::memory::Field;
use schema::{CONSTANTS, FIELDS};
use std::fmt;
use std::sync::Arc;

/// Where a value of a layout came from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    /// The debug information in this file.
    Dwarf(Arc<str>),
    /// A layout table of this name.
    Table(Arc<str>),
    /// The flags that perl's headers define for a range of versions (`layouts/flags.toml`).
    Flags(Arc<str>),
    /// An array in the target itself, such as `PL_block_type`.
    Target(&'static str),
    /// Observed in a run of the same perl on the calibration script.
    Learned,
    /// What an earlier run of p5-spy found, and how.
    Cache(Arc<str>),
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Origin::Dwarf(file) => write!(f, "DWARF of {file}"),
            Origin::Table(name) => write!(f, "layout table {name}"),
            Origin::Flags(name) => write!(f, "flags.toml: {name}"),
            Origin::Target(name) => write!(f, "{name} of the target"),
            Origin::Learned => f.write_str("what was learned from this perl"),
            Origin::Cache(made) => write!(f, "what an earlier run found: {made}"),
        }
    }
}

impl Origin {
    /// The kind of source without the file, for the comments of a table that names it elsewhere.
    pub fn short(&self) -> String {
        match self {
            Origin::Dwarf(_) => "DWARF".into(),
            Origin::Table(_) => "a table".into(),
            Origin::Learned => "learned".into(),
            Origin::Cache(_) => "the cache".into(),
            other => other.to_string(),
        }
    }
}

/// Named offsets and constants, as many as are known.
#[derive(Debug, Clone, Default)]
pub struct Layout {
    fields: Map<(&'static str, &'static str), (Field, Origin)>,
    constants: Map<&'static str, (u64, Origin)>,
}

/// A layout that lacks what every walk needs.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BindError {
    /// A member is missing.
    #[error("the layout lacks {structure}.{name}; of {structure} it has: {known}")]
    MissingField {
        /// The structure that lacks it.
        structure: &'static str,
        /// The member.
        name: &'static str,
        /// What is known of that structure.
        known: String,
    },
    /// A constant is missing, by this name.
    #[error("the layout lacks the constant {0}")]
    MissingConstant(&'static str),
    /// One of several members must be there.
    #[error("the layout lacks both {0} and {1}")]
    MissingBoth(&'static str, &'static str),
}

impl Layout {
    /// Adds a member unless it is known already: earlier sources win. Names that the schema does
    /// not have are ignored; loaders report them first.
    pub fn add_field(&mut self, structure: &str, name: &str, field: Field, origin: &Origin) {
        if let Some(spec) = schema::field(structure, name) {
            self.add_spec(spec, field, origin);
        }
    }

    fn add_spec(&mut self, spec: &'static schema::FieldSpec, field: Field, origin: &Origin) {
        self.fields
            .entry((spec.structure, spec.name))
            .or_insert_with(|| (field, origin.clone()));
    }

    /// Adds a constant unless it is known already.
    pub fn add_constant(&mut self, name: &str, value: u64, origin: &Origin) {
        if let Some(spec) = schema::constant(name) {
            self.constants
                .entry(spec.name)
                .or_insert_with(|| (value, origin.clone()));
        }
    }

    /// The same without some variables of the interpreter.
    pub fn without(&self, variables: &[&str]) -> Self {
        let mut layout = self.clone();
        layout.fields.retain(|(structure, name), _| {
            *structure != "interpreter" || !variables.contains(name)
        });
        layout
    }

    /// Sets a constant, whatever was known before: what is observed wins.
    pub fn set_constant(&mut self, name: &str, value: u64, origin: &Origin) {
        if let Some(spec) = schema::constant(name) {
            self.constants.insert(spec.name, (value, origin.clone()));
        }
    }

    /// A member, if it is known.
    pub fn field(&self, structure: &str, name: &str) -> Option<Field> {
        let found = self.fields.get(&(structure, name));
        found.map(|(field, _)| *field)
    }

    /// A constant, if it is known.
    pub fn constant(&self, name: &str) -> Option<u64> {
        self.constants.get(name).map(|(value, _)| *value)
    }

    /// Where a member's offset came from.
    pub fn field_origin(&self, structure: &str, name: &str) -> Option<&Origin> {
        self.fields
            .iter()
            .find(|((s, n), _)| *s == structure && *n == name)
            .map(|(_, (_, origin))| origin)
    }

    /// Where a constant came from.
    pub fn constant_origin(&self, name: &str) -> Option<&Origin> {
        self.constants.get(name).map(|(_, origin)| origin)
    }

    /// True when nothing is known.
    pub fn is_empty(&self) -> bool {
        self.fields.is_empty()
    }

    fn require(&self, structure: &'static str, name: &'static str) -> Result<Field, BindError> {
        self.field(structure, name)
            .ok_or_else(|| BindError::MissingField {
                structure,
                name,
                known: self.known(structure),
            })
    }

    fn require_constant(&self, name: &'static str) -> Result<u64, BindError> {
        self.constant(name).ok_or(BindError::MissingConstant(name))
    }

    fn known(&self, structure: &str) -> String {
        let names: Vec<&str> = FIELDS
            .iter()
            .filter(|f| f.structure == structure && self.field(structure, f.name).is_some())
            .map(|f| f.name)
            .collect();
        if names.is_empty() {
            "nothing".into()
        } else {
            names.join(", ")
        }
    }

    /// Completes and checks: a missing member becomes an error that names it.
    ///
    /// # Errors
    /// [`BindError`] for the first thing that is missing.
    pub fn bind(&self) -> Result<BoundLayout, BindError> {
        let bound = BoundLayout::bind(self)?;
        let either = |a: Option<Field>, b: Option<Field>, names: (&'static str, &'static str)| {
            a.or(b)
                .map(|_| ())
                .ok_or(BindError::MissingBoth(names.0, names.1))
        };
        either(
            bound.cop.cop_file,
            bound.cop.cop_filegv,
            ("cop.cop_file", "cop.cop_filegv"),
        )?;
        either(
            bound.sv.sv_u,
            bound.xpvgv.xgv_gp,
            ("sv.sv_u", "xpvgv.xgv_gp"),
        )?;
        either(
            bound.xpvgv.xgv_namehek,
            bound.xpvgv.xgv_name,
            ("xpvgv.xgv_namehek", "xpvgv.xgv_name"),
        )?;
        either(
            bound.xpvhv_aux.xhv_name_u,
            bound.xpvhv.xhv_name,
            ("xpvhv_aux.xhv_name_u", "xpvhv.xhv_name"),
        )?;
        Ok(bound)
    }

    /// Every known member with its declaration, in schema order.
    pub fn fields(&self) -> impl Iterator<Item = (&'static schema::FieldSpec, Field)> + '_ {
        FIELDS
            .iter()
            .filter_map(|spec| Some((spec, self.field(spec.structure, spec.name)?)))
    }

    /// Every known constant, in schema order.
    pub fn constants(&self) -> impl Iterator<Item = (&'static str, u64)> + '_ {
        CONSTANTS
            .iter()
            .filter_map(|spec| Some((spec.name, self.constant(spec.name)?)))
    }
}
