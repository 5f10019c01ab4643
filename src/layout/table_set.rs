//! The tables of a run, and which of them may be for a perl.

use super::Layout;
use super::constants::{FLAGS_FILE, FlagSet, embedded_flag_sets, parse_flags};
use super::table::{Match, Table, TableError};
use crate::identity::texts::FileFacts;
use crate::identity::{Identity, Version};
use crate::packed;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

/// A table as the build has translated it (build.rs).
#[derive(Debug)]
struct BuiltIn {
    name: &'static str,
    /// Revision and version of the perl that it is for.
    series: (u8, u8),
    /// What it is for.
    head: &'static str,
    /// The whole table, as it follows the first one.
    packed: &'static [u8],
}

impl BuiltIn {
    fn json(&self) -> String {
        let (beginning, len) = FIRST;
        packed::after(beginning, len, self.packed)
    }
}

include!(concat!(env!("OUT_DIR"), "/tables.rs"));

/// A table of a set. Those that are built in are parsed only when one of their series is asked
/// for: there are many, and an attach must be quick.
#[derive(Debug, Clone)]
enum TableEntry {
    Loaded(Box<Table>),
    BuiltIn {
        file: &'static BuiltIn,
        target: OnceLock<Option<Box<Match>>>,
        parsed: OnceLock<Option<Box<Table>>>,
    },
}

impl TableEntry {
    fn table(&self) -> Option<&Table> {
        match self {
            TableEntry::Loaded(table) => Some(table),
            TableEntry::BuiltIn { file, parsed, .. } => parsed
                .get_or_init(|| {
                    let table = Table::built_in(&file.json(), Path::new(file.name));
                    Some(Box::new(table.ok()?))
                })
                .as_deref(),
        }
    }

    fn name(&self) -> &str {
        match self {
            TableEntry::Loaded(table) => table.name(),
            TableEntry::BuiltIn { file, .. } => file.name,
        }
    }

    /// What it is for: its head, which is a small part of it.
    fn target(&self) -> Option<&Match> {
        match self {
            TableEntry::Loaded(table) => Some(&table.target),
            TableEntry::BuiltIn { file, target, .. } => target
                .get_or_init(|| serde_json::from_str(file.head).ok())
                .as_deref(),
        }
    }

    /// False only when it is certain that the table is for another series.
    fn may_be_of(&self, version: Version) -> bool {
        match self {
            TableEntry::Loaded(_) => true,
            TableEntry::BuiltIn { file, .. } => file.series == (version.revision, version.version),
        }
    }
}

/// The tables and flags that a run may use.
#[derive(Debug, Clone, Default)]
pub struct TableSet {
    tables: Vec<TableEntry>,
    /// The sets of the folder's `flags.toml`; `None` for the built-in ones.
    flags: Option<Vec<FlagSet>>,
    /// Where they came from, for messages.
    pub source: String,
}

impl TableSet {
    /// The tables that are built into the program. Each is parsed when it is asked for; a test sees to
    /// it that none is damaged.
    pub fn embedded() -> Self {
        let mut set = TableSet {
            source: "the built-in tables".into(),
            ..TableSet::default()
        };
        set.tables
            .extend(EMBEDDED.iter().map(|file| TableEntry::BuiltIn {
                file,
                target: OnceLock::new(),
                parsed: OnceLock::new(),
            }));
        set
    }

    /// The tables of a folder and no others. Flags are still the built-in ones unless the folder
    /// has its own: they are facts of perl's headers, not of a build.
    ///
    /// # Errors
    /// [`TableError`] when the folder or a file in it cannot be read or is damaged.
    pub fn from_folder(folder: &Path) -> Result<Self, TableError> {
        let io_error = |path: &Path| {
            let path = path.to_owned();
            move |source| TableError::Io { path, source }
        };
        let mut set = TableSet {
            source: format!("the tables in {}", folder.display()),
            ..TableSet::default()
        };
        let entries = std::fs::read_dir(folder).map_err(io_error(folder))?;
        let mut paths: Vec<PathBuf> = entries.filter_map(|e| Some(e.ok()?.path())).collect();
        paths.sort();
        for path in paths {
            if path.extension().is_none_or(|e| e != "toml") {
                continue;
            }
            let text = std::fs::read_to_string(&path).map_err(io_error(&path))?;
            if is_table(&path) {
                let table = Table::parse(&text, &path)?;
                set.tables.push(TableEntry::Loaded(Box::new(table)));
            } else {
                set.flags = Some(parse_flags(&text, &path)?);
            }
        }
        Ok(set)
    }

    /// The same without its tables.
    pub fn flags_only(&self) -> Self {
        TableSet {
            tables: Vec::new(),
            ..self.clone()
        }
    }

    /// Adds the tables of another set in front of these.
    pub fn prefer(&mut self, other: TableSet) {
        self.tables.splice(0..0, other.tables);
        self.source = format!("{} and {}", other.source, self.source);
    }

    /// Every table.
    pub fn tables(&self) -> impl Iterator<Item = &Table> {
        self.tables.iter().filter_map(TableEntry::table)
    }

    /// How many files of tables there are, damaged ones included.
    pub fn len(&self) -> usize {
        self.tables.len()
    }

    /// True when there is none.
    pub fn is_empty(&self) -> bool {
        self.tables.is_empty()
    }

    /// Adds the flags of that version to a layout.
    pub fn add_flags(&self, layout: &mut Layout, version: Version) {
        for set in self.flags.as_deref().unwrap_or_else(|| built_in_flags()) {
            set.add_to(layout, version);
        }
    }

    /// The tables that fit, nearest subversion only: more than one is for the caller to refuse.
    pub fn matching(&self, identity: &Identity) -> Vec<&Table> {
        let distance = |t: &Match| t.version.subversion.abs_diff(identity.version.subversion);
        let fitting: Vec<(&TableEntry, u8)> = self
            .tables
            .iter()
            .filter(|entry| entry.may_be_of(identity.version))
            .filter_map(|entry| Some((entry, entry.target()?)))
            .filter(|(_, target)| target.differences(identity).is_empty())
            .map(|(entry, target)| (entry, distance(target)))
            .collect();
        let nearest = fitting.iter().map(|(_, away)| *away).min();
        fitting
            .into_iter()
            .filter(|(_, away)| Some(*away) == nearest)
            .filter_map(|(entry, _)| entry.table())
            .collect()
    }

    /// Tables of other builds or of the versions next to this one, the likeliest first. Pointer
    /// size and byte order must be the same, and the kind of build, as it decides where the
    /// variables are.
    pub fn neighbours(&self, identity: &Identity) -> Vec<&Table> {
        let far = |t: &Table| {
            let away = t.version().version.abs_diff(identity.version.version);
            let size = |s: Option<u32>| s.unwrap_or(0);
            let sizes = size(t.target.interpreter_size).abs_diff(size(identity.interpreter_size));
            (away, sizes)
        };
        let mut found: Vec<&Table> = self
            .tables()
            .filter(|t| {
                t.abi() == identity.abi
                    && t.target.build == identity.build
                    && t.target.cperl == identity.cperl
                    && t.target.mad == identity.is_mad()
                    && t.target.fits_machine(identity.machine.as_deref())
                    && t.target.nv == identity.nv()
                    && t.target.iv_size == identity.iv_size()
                    // Stable and development versions take turns.
                    && far(t).0 <= 2
                    && !t.differences(identity).is_empty()
            })
            .collect();
        found.sort_by_key(|t| far(t));
        found
    }

    /// Tables that a perl without symbols may fit, of which only its texts are known: the likeliest
    /// first.
    pub fn possible(&self, told: &FileFacts) -> Vec<&Table> {
        let mut found: Vec<(bool, u8, &TableEntry)> = self
            .tables
            .iter()
            .filter(|entry| told.version.is_none_or(|v| entry.may_be_of(v)))
            .filter_map(|entry| Some((entry, entry.target()?)))
            .filter(|(_, target)| target.may_be(told))
            .map(|(entry, target)| {
                let unlikely = !told.sounds_like(target.build, &target.nv);
                let subversion = told.version.map_or(0, |v| v.subversion);
                let away = target.version.subversion.abs_diff(subversion);
                (unlikely, away, entry)
            })
            .collect();
        // Tables of unusual builds say so in their names.
        found.sort_by_key(|(unlikely, away, entry)| (*unlikely, *away, entry.name().len()));
        found
            .into_iter()
            .filter_map(|(_, _, entry)| entry.table())
            .collect()
    }

    /// The table that is least unlike a perl, and in what it differs.
    pub fn nearest(&self, identity: &Identity) -> Option<(&Table, Vec<String>)> {
        let far = |t: &Table| {
            let v = (t.version(), identity.version);
            (
                t.differences(identity).len(),
                v.0.version.abs_diff(v.1.version),
                v.0.subversion.abs_diff(v.1.subversion),
            )
        };
        let table = self.tables().min_by_key(|t| far(t))?;
        Some((table, table.differences(identity)))
    }
}

/// The flags that are built into the program, parsed once. None when they are damaged: a test sees
/// to it that they are not.
fn built_in_flags() -> &'static [FlagSet] {
    static FLAGS: OnceLock<Vec<FlagSet>> = OnceLock::new();
    FLAGS.get_or_init(|| embedded_flag_sets().unwrap_or_default())
}

fn is_table(path: &Path) -> bool {
    path.extension().is_some_and(|e| e == "toml")
        && path.file_name().is_some_and(|n| n != FLAGS_FILE)
}
