//! Finding the layout of a perl: every source in its order.

use super::constants::block_type_numbers;
use super::debug::layout_from_debug;
use super::{BindError, BoundLayout, Cache, Cached, Layout, Origin, TableSet};
use crate::identity::Identity;
use crate::image::{DebugSearch, Image};
use crate::platform::MappedFile;
use crate::remedy::{Notice, Remedy};
use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Where a layout may come from.
#[derive(Debug, Clone)]
pub struct Sources {
    /// Tables, named or built in.
    pub tables: TableSet,
    /// The user named the tables: one that fits wins over debug information.
    pub named: bool,
    /// Where separate debug files are; `None` to use no debug information at all.
    pub debug: Option<DebugSearch>,
    /// What was found already, by build-id: attaching again after an exec, or to a program whose
    /// layout was looked up before it was started, costs nothing.
    pub known: KnownLayouts,
    /// What earlier runs found; `None` to neither read nor write it.
    pub cache: Option<Cache>,
    /// Which perls may be run to learn their layout.
    pub learn: Learn,
}

/// Which perls may be run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Learn {
    /// None.
    Never,
    /// Perls of our own user.
    Ours,
    /// Perls of other users too, each as its user.
    Anybodys,
}

impl Sources {
    /// Built-in tables and debug information where it usually lies: nothing is remembered, and no
    /// perl is run.
    pub fn built_in() -> Self {
        Sources {
            tables: TableSet::embedded(),
            named: false,
            debug: Some(DebugSearch::default()),
            known: KnownLayouts::default(),
            cache: None,
            learn: Learn::Never,
        }
    }

    /// What an earlier run found about the perl in `image`, unless it came from debug information
    /// that is not to be used.
    pub fn cached(&self, image: &Image) -> Option<Cached> {
        let found = self.cache.as_ref()?.get(image)?;
        let from_debug =
            matches!(&found.resolved.source, Origin::Cache(made) if made.ends_with("DWARF"));
        (self.debug.is_some() || !from_debug).then_some(found)
    }
}

/// Layouts found during this run.
#[derive(Debug, Clone, Default)]
pub struct KnownLayouts {
    found: Arc<Mutex<HashMap<KnownKey, Resolved>>>,
    /// What is known holds for these files only; `None` for all that nobody but root and we can
    /// have written.
    scope: Option<Scope>,
}

/// A file as its user's process has it mapped: whoever can write a file can give it the build-id of
/// another.
type Scope = (Option<u32>, u64, String);
type KnownKey = (Option<Scope>, Vec<u8>);

impl KnownLayouts {
    /// The same, of one file of that user's alone.
    #[must_use]
    pub fn of_file(&self, user: Option<u32>, file: &MappedFile) -> Self {
        KnownLayouts {
            found: self.found.clone(),
            scope: Some((user, file.inode, file.device.clone())),
        }
    }

    fn key(&self, image: &Image) -> Option<KnownKey> {
        Some((self.scope.clone(), image.build_id()?.to_vec()))
    }

    fn found(&self) -> MutexGuard<'_, HashMap<KnownKey, Resolved>> {
        self.found.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn get(&self, image: &Image) -> Option<Resolved> {
        self.found().get(&self.key(image)?).cloned()
    }

    /// Takes back what proved wrong.
    pub fn forget(&self, image: &Image) {
        if let Some(id) = image.build_id() {
            self.found().retain(|(_, known), _| known != id);
        }
    }

    /// Remembers a layout for the rest of this run.
    pub fn insert(&self, image: &Image, resolved: &Resolved) {
        if let Some(key) = self.key(image) {
            self.found().insert(key, resolved.clone());
        }
    }
}

/// A layout that was found.
#[derive(Debug, Clone)]
pub struct Resolved {
    /// What is known, each value with its origin.
    pub layout: Layout,
    /// The same, complete and checked.
    pub bound: BoundLayout,
    /// Where the offsets came from.
    pub source: Origin,
}

/// Why there is no layout.
#[derive(Debug, thiserror::Error)]
pub enum ResolveError {
    /// Nothing fits.
    #[error("{identity}: no layout. {reason}")]
    NoLayout {
        /// The perl.
        identity: String,
        /// Where was looked.
        reason: String,
        /// Nobody has debug symbols of it.
        is_of_windows: bool,
    },
    /// Two tables fit, and p5-spy does not guess.
    #[error("{identity}: two layouts fit, {tables}")]
    Ambiguous {
        /// The perl.
        identity: String,
        /// The names of both, as they are shown.
        tables: String,
    },
    /// The layout that was found is incomplete.
    #[error("{identity}: {source_name} is incomplete: {source}")]
    Incomplete {
        /// The perl.
        identity: String,
        /// Where it came from.
        source_name: String,
        /// What is missing.
        source: BindError,
    },
}

impl ResolveError {
    /// What can be done about it.
    pub fn remedy(&self) -> Option<Remedy> {
        match self {
            ResolveError::NoLayout {
                is_of_windows: true,
                ..
            } => Some(Remedy::LayoutOfHeaders),
            ResolveError::NoLayout { .. } => Some(Remedy::AnyLayout),
            ResolveError::Ambiguous { .. } => Some(Remedy::OneLayout),
            ResolveError::Incomplete { .. } => None,
        }
    }
}

/// The layout of the perl in `image`: from a table that the user named, else from its debug
/// information, else from a built-in table.
/// Debug information that is there but unusable is reported through `warn`, and the search goes on.
///
/// # Errors
/// [`ResolveError`] when nothing fits, two tables do, or what was found lacks a member that every perl has.
pub fn resolve(
    image: &Image,
    identity: &Identity,
    sources: &Sources,
    warn: &mut dyn FnMut(Notice),
) -> Result<Resolved, ResolveError> {
    if let Some(resolved) = sources.known.get(image) {
        return Ok(resolved);
    }
    let resolved = search(image, identity, sources, warn)?;
    sources.known.insert(image, &resolved);
    Ok(resolved)
}

fn search(
    image: &Image,
    identity: &Identity,
    sources: &Sources,
    warn: &mut dyn FnMut(Notice),
) -> Result<Resolved, ResolveError> {
    if sources.named && !sources.tables.matching(identity).is_empty() {
        return from_tables_or(image, identity, sources);
    }
    if let Some(found) = sources.cached(image) {
        return Ok(found.resolved);
    }
    if let Some(search) = &sources.debug {
        match layout_from_debug(image, search) {
            Ok(Some(mut layout)) => {
                sources.tables.add_flags(&mut layout, identity.version);
                let file = first_origin(&layout);
                match layout.bind() {
                    Ok(bound) => {
                        let resolved = Resolved {
                            layout,
                            bound,
                            source: file,
                        };
                        // Not to be able to keep it costs only time, the next time.
                        let cache = sources.cache.as_ref();
                        let _ = cache.map(|c| c.put(image, identity, &resolved, &[]));
                        return Ok(resolved);
                    }
                    Err(e) => warn(format!("{file} was not used: {e}").into()),
                }
            }
            Ok(None) => {}
            Err(e) => warn(e.into()),
        }
    }
    from_tables_or(image, identity, sources)
}

fn first_origin(layout: &Layout) -> Origin {
    layout
        .field_origin("stackinfo", "si_cxix")
        .cloned()
        .unwrap_or(Origin::Dwarf("an unnamed file".into()))
}

fn from_tables_or(
    image: &Image,
    identity: &Identity,
    sources: &Sources,
) -> Result<Resolved, ResolveError> {
    if sources.tables.matching(identity).is_empty() {
        return Err(no_layout(image.path(), identity, sources));
    }
    from_tables(identity, sources)
}

/// The layout of the one table that fits.
///
/// # Errors
/// [`ResolveError`] when none does, or two.
pub fn from_tables(identity: &Identity, sources: &Sources) -> Result<Resolved, ResolveError> {
    let matching = sources.tables.matching(identity);
    match matching.as_slice() {
        [] => Err(no_layout(Path::new("its file"), identity, sources)),
        [table] => {
            let mut layout = table.layout().clone();
            sources.tables.add_flags(&mut layout, identity.version);
            let bound = layout.bind().map_err(|source| ResolveError::Incomplete {
                identity: identity.to_string(),
                source_name: table.name().to_owned(),
                source,
            })?;
            Ok(Resolved {
                layout,
                bound,
                source: Origin::Table(table.name().into()),
            })
        }
        several => Err(ResolveError::Ambiguous {
            identity: identity.to_string(),
            tables: several
                .iter()
                .map(|t| t.name())
                .collect::<Vec<_>>()
                .join(" and "),
        }),
    }
}

fn no_layout(file: &Path, identity: &Identity, sources: &Sources) -> ResolveError {
    let debug = match &sources.debug {
        None => "Debug information was not looked for.".to_owned(),
        Some(_) if identity.is_of_windows() => {
            format!("{} has no debug information.", file.display())
        }
        Some(search) => {
            let folders: Vec<String> = search
                .folders
                .iter()
                .map(|f: &PathBuf| f.display().to_string())
                .collect();
            format!(
                "It has no debug information, neither in {} nor under {}.",
                file.display(),
                folders.join(", ")
            )
        }
    };
    let nearest = match sources.tables.nearest(identity) {
        None => format!(
            "There are no layout tables: {} are empty.",
            sources.tables.source
        ),
        Some((table, differences)) => {
            format!(
                "The nearest of {} is {}: {}.",
                sources.tables.source,
                table.describe(),
                differences.join(", ")
            )
        }
    };
    ResolveError::NoLayout {
        identity: identity.to_string(),
        reason: format!("{debug} {nearest}"),
        is_of_windows: identity.is_of_windows(),
    }
}

/// The same layout with the context types that the target's `PL_block_type` tells.
///
/// # Errors
/// [`BindError`]: none in practice, as the layout was complete before.
pub fn with_block_types(
    resolved: &Resolved,
    names: &[Option<String>],
) -> Result<Resolved, BindError> {
    let mut layout = resolved.layout.clone();
    for (name, value) in block_type_numbers(names) {
        layout.set_constant(name, value, &Origin::Target("PL_block_type"));
    }
    let bound = layout.bind()?;
    Ok(Resolved {
        layout,
        bound,
        source: resolved.source.clone(),
    })
}
