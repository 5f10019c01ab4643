//! A layout table: the TOML file, what perl it is for, and how one is written.

use super::schema::{self, Kind, Need};
use super::{Layout, Origin, Resolved};
use crate::identity::texts::FileFacts;
use crate::identity::{Build, Identity, Version};
use crate::image::{Image, WINDOWS};
use crate::memory::{Abi, Field};
use serde::de::value::MapAccessDeserializer;
use serde::de::{DeserializeOwned, Error, MapAccess, Unexpected, Visitor};
use serde::{Deserialize, Deserializer};
use std::collections::BTreeMap;
use std::fmt::{self, Write as _};
use std::path::{Path, PathBuf};

/// The version of the file format; tables of another are refused.
pub const FORMAT: u32 = 1;

/// A table that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum TableError {
    /// It cannot be read.
    #[error("cannot read {path}: {source}")]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// What the system answered.
        source: std::io::Error,
    },
    /// It is not what a table must be.
    #[error("{path}:{line}: {reason}")]
    Damaged {
        /// The file.
        path: PathBuf,
        /// The line, counted from 1.
        line: usize,
        /// What is wrong there.
        reason: String,
    },
}

impl TableError {
    fn damaged(path: &Path, text: &str, at: usize, reason: String) -> Self {
        let line = text.get(..at).unwrap_or(text).matches('\n').count() + 1;
        TableError::Damaged {
            path: path.to_owned(),
            line,
            // It may quote the file.
            reason: crate::text::message(&reason),
        }
    }

    /// A word that the schema does not have.
    pub(super) fn unknown(path: &Path, text: &str, word: &str, what: &str) -> Self {
        Self::damaged(
            path,
            text,
            text.find(word).unwrap_or(0),
            format!("{word} {what}"),
        )
    }
}

/// Where in a table's text a member or constant has its line; the text's start where it has none.
fn line_of(text: &str, heading: &str, name: &str) -> usize {
    let section = text.find(&format!("[{heading}]")).unwrap_or(0);
    let rest = text.get(section..).unwrap_or_default();
    let found = rest.find(&format!("\n{name} =")).map(|at| section + at + 1);
    found.unwrap_or(section)
}

/// What a built-in file says, which the build has translated into JSON.
pub(super) fn parse_built_in<T: DeserializeOwned>(
    json: &str,
    path: &Path,
) -> Result<T, TableError> {
    serde_json::from_str(json).map_err(|e| TableError::damaged(path, "", 0, e.to_string()))
}

/// Parses TOML; errors carry the file and the line.
pub(super) fn parse_number_table<T: DeserializeOwned>(
    text: &str,
    path: &Path,
) -> Result<T, TableError> {
    toml::from_str(text).map_err(|e| {
        TableError::damaged(
            path,
            text,
            e.span().map_or(0, |s| s.start),
            e.message().to_owned(),
        )
    })
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct TableFile {
    format: u32,
    perl: Match,
    made: Made,
    #[serde(default)]
    constants: BTreeMap<String, u64>,
    #[serde(rename = "struct")]
    structures: BTreeMap<String, BTreeMap<String, TableValue>>,
}

/// What a table is for. A member that is absent here is not compared.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Match {
    pub(super) version: Version,
    /// Perls of the same series before this one have another layout.
    pub(super) since: Option<Version>,
    /// And so have this one and later ones.
    pub(super) before: Option<Version>,
    pub(super) build: Build,
    pub(super) pointer_size: u8,
    pub(super) big_endian: bool,
    pub(super) iv_size: u8,
    pub(super) nv: String,
    pub(super) interpreter_size: Option<u32>,
    /// Where it matters, and as much of it as matters: tables without it are of x86.
    pub(super) machine: Option<String>,
    #[serde(default)]
    pub(super) cperl: bool,
    #[serde(default)]
    pub(super) mad: bool,
}

/// What a table was made from.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Made {
    /// The program that wrote it.
    pub by: String,
    /// The perl, and how its layout was found.
    pub from: String,
}

#[derive(Debug, Clone, Copy)]
enum TableValue {
    Offset(u32),
    Member(Member),
}

impl<'de> Deserialize<'de> for TableValue {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        from.deserialize_any(ValueVisitor)
    }
}

/// An untagged enumeration would try one kind after the other, which takes longer than the rest of a
/// table.
struct ValueVisitor;

impl<'de> Visitor<'de> for ValueVisitor {
    type Value = TableValue;

    fn expecting(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        to.write_str("an offset, or { offset = …, size = … } with shift and bits for a bit-field")
    }

    fn visit_u64<E: Error>(self, number: u64) -> Result<TableValue, E> {
        let offset = u32::try_from(number).ok().map(TableValue::Offset);
        offset.ok_or_else(|| E::invalid_value(Unexpected::Unsigned(number), &self))
    }

    fn visit_i64<E: Error>(self, number: i64) -> Result<TableValue, E> {
        let offset = u32::try_from(number).ok().map(TableValue::Offset);
        offset.ok_or_else(|| E::invalid_value(Unexpected::Signed(number), &self))
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<TableValue, A::Error> {
        Member::deserialize(MapAccessDeserializer::new(map)).map(TableValue::Member)
    }
}

#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(deny_unknown_fields)]
struct Member {
    offset: u32,
    size: u8,
    shift: Option<u8>,
    bits: Option<u8>,
}

/// The largest structure that perl has is well below this.
const MAX_OFFSET: u32 = 1 << 16;

/// One layout table.
#[derive(Debug, Clone)]
pub struct Table {
    name: String,
    pub(super) target: Match,
    /// What it was made from.
    pub made: Made,
    layout: Layout,
}

impl Table {
    /// Parses the text of a table; `path` is for messages.
    ///
    /// # Errors
    /// [`TableError::Damaged`] with the line.
    pub fn parse(text: &str, path: &Path) -> Result<Self, TableError> {
        let table = Self::of_file(parse_number_table(text, path)?, text, path)?;
        if let Err(e) = table.layout.bind() {
            return Err(TableError::damaged(path, text, 0, e.to_string()));
        }
        match overlap(&table.layout) {
            None => Ok(table),
            Some((one, other)) => {
                let at = text.find(&format!("\n{other} =")).map_or(0, |at| at + 1);
                let reason = format!("{one} and {other} overlap");
                Err(TableError::damaged(path, text, at, reason))
            }
        }
    }

    /// A built-in table. That it is sound is for a test to check, which has more time.
    pub(super) fn built_in(json: &str, path: &Path) -> Result<Self, TableError> {
        Self::of_file(parse_built_in(json, path)?, "", path)
    }

    fn of_file(file: TableFile, text: &str, path: &Path) -> Result<Self, TableError> {
        let damaged = |at: usize, reason: String| TableError::damaged(path, text, at, reason);
        if file.format != FORMAT {
            let reason = format!(
                "format {} is not the one this p5-spy reads ({FORMAT})",
                file.format
            );
            return Err(damaged(line_of(text, "", "format"), reason));
        }
        if ![4, 8].contains(&file.perl.pointer_size) {
            return Err(TableError::unknown(
                path,
                text,
                "pointer_size",
                "must be 4 or 8",
            ));
        }
        let name = path
            .file_name()
            .map_or_else(String::new, |n| n.to_string_lossy().into_owned());
        let origin = Origin::Table(name.as_str().into());
        let mut layout = Layout::default();
        for (structure, members) in &file.structures {
            if !schema::has_structure(structure) {
                return Err(TableError::unknown(
                    path,
                    text,
                    structure,
                    "is no structure that p5-spy uses",
                ));
            }
            for (member, entry) in members {
                let at = || line_of(text, &format!("struct.{structure}"), member);
                let Some(spec) = schema::field(structure, member) else {
                    return Err(damaged(
                        at(),
                        format!("{structure} has no member {member} that p5-spy uses"),
                    ));
                };
                let field = entry
                    .field(spec, file.perl.pointer_size)
                    .map_err(|reason| damaged(at(), format!("{structure}.{member}: {reason}")))?;
                layout.add_spec(spec, field, &origin);
            }
        }
        for (constant, value) in &file.constants {
            if schema::constant(constant).is_none() {
                return Err(damaged(
                    line_of(text, "constants", constant),
                    format!("{constant} is no constant that p5-spy uses"),
                ));
            }
            layout.add_constant(constant, *value, &origin);
        }
        if file.perl.build != Build::Unthreaded {
            for spec in schema::FIELDS.iter().filter(|f| f.need == Need::Variable) {
                if layout.field(spec.structure, spec.name).is_none() {
                    let reason = format!("lacks {}.{}", spec.structure, spec.name);
                    return Err(damaged(0, reason));
                }
            }
        }
        Ok(Table {
            name,
            target: file.perl,
            // It is shown, and a capture brings the table of whoever made it.
            made: Made {
                by: crate::text::shown(&file.made.by).into_owned(),
                from: crate::text::shown(&file.made.from).into_owned(),
            },
            layout,
        })
    }

    /// Its file name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The version that it was made from.
    pub fn version(&self) -> Version {
        self.target.version
    }

    /// How the variables are kept.
    pub fn build(&self) -> Build {
        self.target.build
    }

    /// Pointer size and byte order that it is for.
    pub fn abi(&self) -> Abi {
        Abi {
            pointer_size: self.target.pointer_size,
            big_endian: self.target.big_endian,
        }
    }

    /// The perl that it was made from, as far as the table tells.
    pub fn identity(&self) -> Identity {
        let t = &self.target;
        let mut options = Vec::new();
        let floats = match t.nv.as_str() {
            "__float128" => Some("USE_QUADMATH"),
            "long double" => Some("USE_LONG_DOUBLE"),
            _ => None,
        };
        options.extend(floats.map(str::to_owned));
        if t.iv_size == 8 {
            options.push("USE_64_BIT_INT".into());
        }
        if t.mad {
            options.push("PERL_MAD".into());
        }
        Identity {
            version: t.version,
            build: t.build,
            abi: self.abi(),
            options: Some(options),
            interpreter_size: t.interpreter_size,
            archname: None,
            machine: t.machine.clone(),
            cperl: t.cperl,
        }
    }

    /// Its offsets and constants.
    pub fn layout(&self) -> &Layout {
        &self.layout
    }

    /// What this table is for, in words.
    pub fn describe(&self) -> String {
        let t = &self.target;
        let size = t
            .interpreter_size
            .map_or_else(String::new, |s| format!(", interpreter size {s}"));
        format!(
            "{} ({} {}, {} bit{size})",
            self.name,
            t.version,
            t.build,
            u32::from(t.pointer_size) * 8
        )
    }

    /// In what this table differs from a perl, subversion apart; empty when it fits.
    pub fn differences(&self, identity: &Identity) -> Vec<String> {
        self.target.differences(identity)
    }
}

impl Match {
    /// False when the texts of a perl speak against it.
    pub(super) fn may_be(&self, told: &FileFacts) -> bool {
        let series = |v: Version| (v.revision, v.version);
        let abi = Abi {
            pointer_size: self.pointer_size,
            big_endian: self.big_endian,
        };
        abi == told.abi
            && self.fits_machine(told.machine.as_deref())
            && self.cperl == told.cperl
            && told.is_mad().is_none_or(|mad| mad == self.mad)
            && told.version.is_none_or(|v| {
                series(v) == series(self.version)
                    && self.since.is_none_or(|since| since <= v)
                    && self.before.is_none_or(|before| v < before)
            })
            && told.build().is_none_or(|build| build == self.build)
            && told.nv().is_none_or(|nv| nv == self.nv)
            && told.iv_size().is_none_or(|size| size == self.iv_size)
    }

    /// Tables that name no processor are not refused for it, but for another system. Those of Windows
    /// name as much of what compiled a perl as they depend on.
    pub(super) fn fits_machine(&self, machine: Option<&str>) -> bool {
        let goes_on = |rest: &str| rest.is_empty() || rest.starts_with('_');
        match (self.machine.as_deref(), machine) {
            (ours, Some(theirs)) if theirs.contains(WINDOWS) => ours
                .filter(|ours| ours.contains(WINDOWS))
                .and_then(|ours| theirs.strip_prefix(ours))
                .is_some_and(goes_on),
            (Some(ours), None) => !ours.contains(WINDOWS),
            (ours, theirs) => ours.is_none() || theirs.is_none() || ours == theirs,
        }
    }

    /// In what it differs from a perl, subversion apart; empty when it fits.
    pub(super) fn differences(&self, identity: &Identity) -> Vec<String> {
        /// Words are made only for what differs: most tables are not asked for any.
        fn compare<T: PartialEq>(
            what: &str,
            ours: T,
            theirs: T,
            say: impl Fn(T) -> String,
        ) -> Option<String> {
            (ours != theirs).then(|| format!("{what} {} instead of {}", say(theirs), say(ours)))
        }
        let (t, of) = (self, identity);
        let too_old = t.since.is_some_and(|since| of.version < since);
        let too_new = t.before.is_some_and(|before| of.version >= before);
        let series = |v: Version| (v.revision, v.version);
        let say_series = |(revision, version)| format!("{revision}.{version}");
        let kind = |cperl: bool| (if cperl { "cperl" } else { "perl" }).to_owned();
        // Perls before 5.8.9 do not tell theirs: then a table that has one is not for them.
        let size = |s: Option<u32>| s.map_or_else(|| "unknown".to_owned(), |s| s.to_string());
        let fits = self.fits_machine(of.machine.as_deref());
        let machine = |m: &Option<String>| m.clone().unwrap_or_else(|| "that of Linux".into());
        let (abi, iv_size) = (of.abi, of.iv_size());
        let found = [
            (too_old || too_new)
                .then(|| compare("version", t.version, of.version, |v| v.to_string()))
                .flatten(),
            compare("series", series(t.version), series(of.version), say_series),
            compare("kind", t.cperl, of.cperl, kind),
            (!fits)
                .then(|| compare("machine", &t.machine, &of.machine, machine))
                .flatten(),
            compare("build", t.build, of.build, |b| b.to_string()),
            compare("pointer size", t.pointer_size, abi.pointer_size, |s| {
                s.to_string()
            }),
            compare("big-endian", t.big_endian, abi.big_endian, |b| {
                b.to_string()
            }),
            compare("iv size", t.iv_size, iv_size, |s| s.to_string()),
            compare("mad", t.mad, of.is_mad(), |mad| mad.to_string()),
            compare("nv", t.nv.as_str(), of.nv(), str::to_owned),
            compare(
                "interpreter size",
                t.interpreter_size,
                of.interpreter_size,
                size,
            ),
        ];
        found.into_iter().flatten().collect()
    }
}

impl TableValue {
    fn field(self, spec: &schema::FieldSpec, pointer_size: u8) -> Result<Field, String> {
        let plain = |offset: u32| match spec.kind {
            Kind::Pointer => Ok(Field::whole(offset, pointer_size)),
            Kind::Embedded | Kind::Size => Ok(Field::whole(offset, 0)),
            Kind::Int => {
                Err("is an integer and needs its size: { offset = …, size = … }".to_owned())
            }
        };
        let field = match self {
            TableValue::Offset(offset) => plain(offset)?,
            TableValue::Member(m) if spec.kind == Kind::Int => {
                let bits = m.bits.unwrap_or(m.size.saturating_mul(8));
                Field {
                    offset: m.offset,
                    size: m.size,
                    shift: m.shift.unwrap_or(0),
                    bits,
                }
            }
            TableValue::Member(_) => return Err("is no integer: give its offset alone".to_owned()),
        };
        if field.offset > MAX_OFFSET {
            return Err(format!(
                "offset {} is beyond any perl structure",
                field.offset
            ));
        }
        if spec.kind == Kind::Int {
            if !(1..=8).contains(&field.size) {
                return Err(format!("size {} is not 1 to 8", field.size));
            }
            if field.bits == 0
                || u32::from(field.shift) + u32::from(field.bits) > u32::from(field.size) * 8
            {
                return Err("its bits do not fit its size".to_owned());
            }
        }
        Ok(field)
    }
}

/// Two members of one structure that lie on top of each other. In contexts that is as it should
/// be (they hold unions), and bit-fields share their bytes.
fn overlap(layout: &Layout) -> Option<(&'static str, &'static str)> {
    let solid: Vec<_> = layout
        .fields()
        .filter(|(spec, field)| {
            spec.structure != "context"
                && field.size > 0
                && u32::from(field.bits) == u32::from(field.size) * 8
        })
        .collect();
    // A COP starts with the members of an op.
    let together = |a: &str, b: &str| a == b || (a == "op" && b == "cop");
    solid.iter().find_map(|(spec, field)| {
        solid.iter().find_map(|(other, place)| {
            let same = spec.name == other.name || !together(spec.structure, other.structure);
            let apart =
                field.end() <= place.offset as usize || place.end() <= field.offset as usize;
            (!same && !apart).then_some((spec.name, other.name))
        })
    })
}

/// What a layout was made from, by build-id: paths differ between machines.
pub fn made_from(identity: &Identity, resolved: &Resolved, image: &Image) -> String {
    let archname = identity
        .archname
        .as_deref()
        .unwrap_or("unknown architecture");
    let build_id = image
        .build_id_hex()
        .map_or_else(|| "no build-id".to_owned(), |id| format!("build-id {id}"));
    format!(
        "{} {} {}, {archname}, {build_id}; offsets from {}",
        if identity.cperl { "cperl" } else { "perl" },
        identity.version,
        identity.build,
        resolved.source.short()
    )
}

/// Writes a table that [`Table::parse`] reads back: what `layout-dump` prints.
pub fn write(identity: &Identity, layout: &Layout, from: &str) -> String {
    let mut out = String::new();
    let quoted = |text: &str| toml::Value::String(text.to_owned()).to_string();
    let _ = writeln!(
        out,
        "# Layout of {identity}.\n# Put this file into layouts/, or into a folder of your own that p5-spy is told of.\n"
    );
    let _ = writeln!(out, "format = {FORMAT}\n\n[perl]");
    let _ = writeln!(out, "version = {}", quoted(&identity.version.to_string()));
    let _ = writeln!(out, "build = {}", quoted(&identity.build.to_string()));
    let _ = writeln!(
        out,
        "pointer_size = {}\nbig_endian = {}",
        identity.abi.pointer_size, identity.abi.big_endian
    );
    let _ = writeln!(
        out,
        "iv_size = {}\nnv = {}",
        identity.iv_size(),
        quoted(identity.nv())
    );
    if let Some(size) = identity.interpreter_size {
        let _ = writeln!(out, "interpreter_size = {size}");
    }
    let other = |m: &&String| !["x86_64", "i386"].contains(&m.as_str());
    if let Some(machine) = identity.machine.as_ref().filter(other) {
        let _ = writeln!(out, "machine = {}", quoted(machine));
    }
    if identity.cperl {
        let _ = writeln!(out, "cperl = true");
    }
    if identity.is_mad() {
        let _ = writeln!(out, "mad = true");
    }
    let by = concat!("p5-spy ", env!("CARGO_PKG_VERSION"));
    let _ = writeln!(
        out,
        "\n[made]\nby = {}\nfrom = {}",
        quoted(by),
        quoted(from)
    );
    let mut current = "";
    for (spec, field) in layout.fields() {
        if spec.structure != current {
            current = spec.structure;
            let _ = writeln!(out, "\n[struct.{current}]");
        }
        let _ = match spec.kind {
            Kind::Int if field.shift == 0 && u32::from(field.bits) == u32::from(field.size) * 8 => {
                writeln!(
                    out,
                    "{} = {{ offset = {}, size = {} }}",
                    spec.name, field.offset, field.size
                )
            }
            Kind::Int => writeln!(
                out,
                "{} = {{ offset = {}, size = {}, shift = {}, bits = {} }}",
                spec.name, field.offset, field.size, field.shift, field.bits
            ),
            _ => writeln!(out, "{} = {}", spec.name, field.offset),
        };
    }
    let _ = writeln!(out, "\n[constants]");
    for (name, value) in layout.constants() {
        let origin = layout
            .constant_origin(name)
            .map_or_else(String::new, |o| format!(" # {}", o.short()));
        let _ = writeln!(out, "{name} = {value:#x}{origin}");
    }
    out
}
