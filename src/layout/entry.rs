//! The bytes of an entry of the cache: members and constants by their numbers in the schema, which
//! costs a tenth of the time that a table takes to be read. Behind a checksum, as a damaged file
//! would otherwise be a layout too.

use super::schema::{CONSTANTS, FIELDS};
use super::{Layout, Origin, Resolved};
use crate::identity::{Build, Identity, Version};
use crate::image::Symbol;
use crate::memory::{Abi, Field};
use serde::{Deserialize, Serialize};
use std::io;

/// An entry.
#[derive(Debug, Clone)]
pub struct Cached {
    /// Which perl it is.
    pub identity: Identity,
    /// Its layout.
    pub resolved: Resolved,
    /// The symbols that its file does not have.
    pub symbols: Vec<(String, Symbol)>,
}

/// The version of this form. The first were tables.
pub(super) const FORMAT: u64 = 2;

/// What the checksum takes.
const CHECKSUM: usize = 4;
/// No structure of perl's is larger.
const MAX_OFFSET: u32 = 1 << 16;

#[derive(Debug, Serialize, Deserialize)]
struct CacheEntry {
    /// How the layout was found.
    made: String,
    version: [u8; 3],
    build: Build,
    pointer_size: u8,
    big_endian: bool,
    options: Option<Vec<String>>,
    interpreter_size: Option<u32>,
    archname: Option<String>,
    machine: Option<String>,
    cperl: bool,
    layout: NumberedLayout,
    /// Name, address, size.
    symbols: Vec<(String, u64, u64)>,
}

/// A layout by numbers of the schema, which must be the same where it is read.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct NumberedLayout {
    /// Index in [`FIELDS`]; offset, size, shift and bits.
    fields: Vec<(u16, u32, u8, u8, u8)>,
    /// Index in [`CONSTANTS`], and the value.
    constants: Vec<(u16, u64)>,
}

impl NumberedLayout {
    pub(super) fn of(layout: &Layout) -> Self {
        let mut numbers = NumberedLayout {
            fields: Vec::new(),
            constants: Vec::new(),
        };
        for (index, spec) in (0..).zip(FIELDS) {
            if let Some(f) = layout.field(spec.structure, spec.name) {
                let field = (index, f.offset, f.size, f.shift, f.bits);
                numbers.fields.push(field);
            }
        }
        for (index, spec) in (0..).zip(CONSTANTS) {
            let value = layout.constant(spec.name);
            numbers.constants.extend(value.map(|value| (index, value)));
        }
        numbers
    }

    /// `None` for numbers that no layout can have.
    pub(super) fn layout(self, origin: &Origin) -> Option<Layout> {
        let mut layout = Layout::default();
        for (index, offset, size, shift, bits) in self.fields {
            let spec = FIELDS.get(usize::from(index))?;
            let field = Field {
                offset,
                size,
                shift,
                bits,
            };
            layout.add_spec(spec, is_sane(field).then_some(field)?, origin);
        }
        for (index, value) in self.constants {
            let spec = CONSTANTS.get(usize::from(index))?;
            layout.constants.insert(spec.name, (value, origin.clone()));
        }
        Some(layout)
    }
}

/// An entry of what was found, and how (`made`).
pub(crate) fn write(
    made: &str,
    identity: &Identity,
    layout: &Layout,
    symbols: &[(String, Symbol)],
) -> io::Result<Vec<u8>> {
    let mut entry = CacheEntry {
        made: made.to_owned(),
        version: [
            identity.version.revision,
            identity.version.version,
            identity.version.subversion,
        ],
        build: identity.build,
        pointer_size: identity.abi.pointer_size,
        big_endian: identity.abi.big_endian,
        options: identity.options.clone(),
        interpreter_size: identity.interpreter_size,
        archname: identity.archname.clone(),
        machine: identity.machine.clone(),
        cperl: identity.cperl,
        layout: NumberedLayout::of(layout),
        symbols: Vec::new(),
    };
    let symbols = symbols.iter();
    entry.symbols = symbols
        .map(|(name, s)| (name.clone(), s.address, s.size))
        .collect();
    let body = postcard::to_stdvec(&entry).map_err(io::Error::other)?;
    let mut bytes = crc32fast::hash(&body).to_le_bytes().to_vec();
    bytes.extend(body);
    Ok(bytes)
}

/// What was written; `None` where it is damaged.
pub(crate) fn read(bytes: &[u8]) -> Option<Cached> {
    let (sum, body) = bytes.split_first_chunk::<CHECKSUM>()?;
    if crc32fast::hash(body) != u32::from_le_bytes(*sum) {
        return None;
    }
    let entry: CacheEntry = postcard::from_bytes(body).ok()?;
    // Its words are shown: whoever wrote it may have put anything into them.
    let shown = |text: String| crate::text::from_utf8(text.as_bytes());
    let all_shown = |texts: Vec<String>| texts.into_iter().map(shown).collect();
    let origin = Origin::Cache(shown(entry.made).into());
    let layout = entry.layout.layout(&origin)?;
    let [revision, version, subversion] = entry.version;
    let symbols = entry.symbols.into_iter();
    Some(Cached {
        identity: Identity {
            version: Version {
                revision,
                version,
                subversion,
            },
            build: entry.build,
            abi: Abi {
                pointer_size: entry.pointer_size,
                big_endian: entry.big_endian,
            },
            options: entry.options.map(all_shown),
            interpreter_size: entry.interpreter_size,
            archname: entry.archname.map(shown),
            machine: entry.machine.map(shown),
            cperl: entry.cperl,
        },
        resolved: Resolved {
            bound: layout.bind().ok()?,
            layout,
            source: origin,
        },
        symbols: symbols
            .map(|(name, address, size)| (name, Symbol { address, size }))
            .collect(),
    })
}

/// What a member of a structure can be, or a structure's size, which has no bytes to load.
fn is_sane(field: Field) -> bool {
    let width = u32::from(field.size) * 8;
    field.offset < MAX_OFFSET
        && field.size <= 8
        && (field.size == 0) == (field.bits == 0)
        && u32::from(field.shift) + u32::from(field.bits) <= width
}

#[cfg(test)]
mod tests {
    use super::super::TableSet;
    use super::*;

    /// What is kept of every built-in table.
    fn entries() -> Vec<(Identity, Layout, Vec<u8>)> {
        let tables = TableSet::embedded();
        let symbol = Symbol {
            address: 0x1234,
            size: 8,
        };
        let symbols = [("PL_curinterp".to_owned(), symbol)];
        let mut all = Vec::new();
        let folder = format!("{}/layouts", env!("CARGO_MANIFEST_DIR"));
        for file in std::fs::read_dir(folder).unwrap() {
            let path = file.unwrap().path();
            if path.ends_with("flags.toml") {
                continue;
            }
            let text = std::fs::read_to_string(&path).unwrap();
            let table = super::super::Table::parse(&text, &path).unwrap();
            let identity = table.identity();
            let mut layout = table.layout().clone();
            tables.add_flags(&mut layout, identity.version);
            let bytes = write("a test", &identity, &layout, &symbols).unwrap();
            all.push((identity, layout, bytes));
        }
        all
    }

    #[test]
    fn what_is_written_is_read() {
        let all = entries();
        assert!(all.len() > 20);
        for (identity, layout, bytes) in all {
            let read = read(&bytes).unwrap();
            assert_eq!(read.identity, identity);
            let fields = |l: &Layout| l.fields().map(|(_, field)| field).collect::<Vec<_>>();
            assert_eq!(fields(&read.resolved.layout), fields(&layout));
            assert!(read.resolved.layout.constants().eq(layout.constants()));
            assert_eq!(read.resolved.source, Origin::Cache("a test".into()));
            assert_eq!(read.symbols[0].1.address, 0x1234);
        }
    }

    #[test]
    fn what_a_terminal_would_obey_is_escaped() {
        let (mut identity, layout, _) = entries().remove(0);
        identity.archname = Some("x86\x1b[2J".into());
        let bytes = write("by\x07", &identity, &layout, &[]).unwrap();
        let read = read(&bytes).unwrap();
        let said = format!("{} {}", read.identity, read.resolved.source.short());
        assert!(!said.contains(char::is_control), "{said:?}");
    }

    #[test]
    fn damage_is_noticed() {
        let (_, _, bytes) = entries().remove(0);
        for length in 0..bytes.len() {
            assert!(read(&bytes[..length]).is_none(), "{length}");
        }
        for at in 0..bytes.len() {
            let mut damaged = bytes.clone();
            damaged[at] ^= 0x10;
            assert!(read(&damaged).is_none(), "{at}");
        }
    }
}
