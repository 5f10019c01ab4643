//! Debug information: in the file itself, or in the separate file that belongs to it.

use super::{Image, hex, read_bounded};
use gimli::{EndianSlice, RunTimeEndian, SectionId};
use object::read::ReadRef;
use object::{Object, ObjectSection};
use std::borrow::Cow;
use std::path::{Path, PathBuf};

/// Where separate debug files are looked for.
#[derive(Debug, Clone)]
pub struct DebugSearch {
    /// Folders like /usr/lib/debug, in order.
    pub folders: Vec<PathBuf>,
    /// Put in front of absolute paths: the root of the target's file system as we see it.
    pub root: PathBuf,
}

/// Where distributions install separate debug files.
const INSTALLED: &str = "/usr/lib/debug";

impl Default for DebugSearch {
    fn default() -> Self {
        DebugSearch {
            folders: vec![PathBuf::from(INSTALLED)],
            root: PathBuf::from("/"),
        }
    }
}

/// Debug information that is there but cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("the debug file {path} cannot be used: {reason}")]
pub struct DebugFileError {
    path: PathBuf,
    reason: String,
}

/// The DWARF sections of one file, decompressed, and of the file that dwz moved common parts to.
pub struct DebugFile {
    /// The file that the sections came from, as the target sees it.
    pub path: PathBuf,
    sections: Sections,
    supplement: Option<Sections>,
}

struct Sections {
    endian: RunTimeEndian,
    parts: Vec<(SectionId, Vec<u8>)>,
}

/// The reader that the sections are parsed with.
pub type DwarfReader<'a> = EndianSlice<'a, RunTimeEndian>;

/// The sections that describe types and the addresses of units. Lines are here only because a
/// unit cannot be opened without the header of its own; locations are never read.
const WANTED: [SectionId; 10] = [
    SectionId::DebugAbbrev,
    SectionId::DebugAddr,
    SectionId::DebugAranges,
    SectionId::DebugInfo,
    SectionId::DebugLine,
    SectionId::DebugLineStr,
    SectionId::DebugRanges,
    SectionId::DebugRngLists,
    SectionId::DebugStr,
    SectionId::DebugStrOffsets,
];

impl DebugFile {
    /// Finds the debug information of `image`: in it, by build-id, or by its .gnu_debuglink.
    /// `Ok(None)` when there is none anywhere.
    ///
    /// # Errors
    /// [`DebugFileError`] when the file that belongs to the image is damaged.
    pub fn find(image: &Image, search: &DebugSearch) -> Result<Option<Self>, DebugFileError> {
        let damaged = |path: &Path, reason: String| DebugFileError {
            path: path.to_owned(),
            reason,
        };
        let own = image
            .object()
            .map_err(|e| damaged(image.path(), e.to_string()))?;
        if own.section_by_name(".debug_info").is_some() {
            let sections = Sections::load(&own).map_err(|e| damaged(image.path(), e))?;
            let supplement = supplement(&own, image.path(), search)?;
            return Ok(Some(DebugFile {
                path: image.path().to_owned(),
                sections,
                supplement,
            }));
        }
        for (path, check) in candidates(image, &own, search) {
            let Ok(data) = read_bounded(&path, &path) else {
                continue;
            };
            let file = object::File::parse(&*data).map_err(|e| damaged(&path, e.to_string()))?;
            let belongs = match check {
                Check::BuildId => file.build_id().ok().flatten() == image.build_id(),
                Check::Crc(crc) => crc32fast::hash(&data) == crc,
            };
            if !belongs || file.section_by_name(".debug_info").is_none() {
                continue;
            }
            let sections = Sections::load(&file).map_err(|e| damaged(&path, e))?;
            let supplement = supplement(&file, &path, search)?;
            return Ok(Some(DebugFile {
                path: as_the_target_sees(&path, &search.root),
                sections,
                supplement,
            }));
        }
        Ok(None)
    }

    /// The parsed top of the DWARF, its supplementary file attached.
    pub fn dwarf(&self) -> gimli::Dwarf<DwarfReader<'_>> {
        let mut dwarf = self.sections.dwarf();
        if let Some(supplement) = &self.supplement {
            dwarf.set_sup(supplement.dwarf());
        }
        dwarf
    }
}

impl Sections {
    fn load<'data, R: ReadRef<'data>>(file: &object::File<'data, R>) -> Result<Self, String> {
        let endian = if file.is_little_endian() {
            RunTimeEndian::Little
        } else {
            RunTimeEndian::Big
        };
        let mut parts = Vec::new();
        for id in WANTED {
            if let Some(section) = file.section_by_name(id.name()) {
                let data = section
                    .uncompressed_data()
                    .map_err(|e| format!("section {}: {e}", id.name()))?;
                parts.push((id, Cow::into_owned(data)));
            }
        }
        Ok(Sections { endian, parts })
    }

    fn dwarf(&self) -> gimli::Dwarf<DwarfReader<'_>> {
        let find = |id: SectionId| {
            self.parts
                .iter()
                .find(|(known, _)| *known == id)
                .map_or(&[][..], |(_, data)| data)
        };
        let loaded: Result<_, std::convert::Infallible> =
            gimli::Dwarf::load(|id| Ok(EndianSlice::new(find(id), self.endian)));
        match loaded {
            Ok(dwarf) => dwarf,
            Err(never) => match never {},
        }
    }
}

/// A path without the way to the target's root in front.
fn as_the_target_sees(path: &Path, root: &Path) -> PathBuf {
    path.strip_prefix(root)
        .map_or_else(|_| path.to_owned(), |inside| Path::new("/").join(inside))
}

enum Check {
    BuildId,
    Crc(u32),
}

fn under(root: &Path, path: &Path) -> PathBuf {
    root.join(path.strip_prefix("/").unwrap_or(path))
}

fn by_build_id(folder: &Path, id: &[u8]) -> Option<PathBuf> {
    let (first, rest) = id.split_first()?;
    Some(
        folder
            .join(".build-id")
            .join(hex(&[*first]))
            .join(format!("{}.debug", hex(rest))),
    )
}

/// Every place where the image's debug file may be: the target's own root first, then ours.
fn candidates<'data, R: ReadRef<'data>>(
    image: &Image,
    own: &object::File<'data, R>,
    search: &DebugSearch,
) -> Vec<(PathBuf, Check)> {
    let mut found = Vec::new();
    let ours = Path::new("/");
    let roots = if search.root == ours {
        vec![ours]
    } else {
        vec![&*search.root, ours]
    };
    for root in roots {
        for folder in &search.folders {
            if let Some(path) = image
                .build_id()
                .and_then(|id| by_build_id(&under(root, folder), id))
            {
                found.push((path, Check::BuildId));
            }
        }
        if let (Ok(Some((name, crc))), Some(dir)) = (own.gnu_debuglink(), image.path().parent()) {
            let name = PathBuf::from(String::from_utf8_lossy(name).into_owned());
            // A name with folders in it would let the file choose what we read.
            let Some(name) = name.file_name().map(PathBuf::from) else {
                continue;
            };
            let beside = under(root, dir);
            found.push((beside.join(&name), Check::Crc(crc)));
            found.push((beside.join(".debug").join(&name), Check::Crc(crc)));
            for folder in &search.folders {
                found.push((
                    under(root, folder)
                        .join(dir.strip_prefix("/").unwrap_or(dir))
                        .join(&name),
                    Check::Crc(crc),
                ));
            }
        }
    }
    found
}

/// The file named by .gnu_debugaltlink, where dwz keeps what several debug files share.
fn supplement<'data, R: ReadRef<'data>>(
    file: &object::File<'data, R>,
    path: &Path,
    search: &DebugSearch,
) -> Result<Option<Sections>, DebugFileError> {
    let Ok(Some((name, build_id))) = file.gnu_debugaltlink() else {
        return Ok(None);
    };
    let name = PathBuf::from(String::from_utf8_lossy(name).into_owned());
    let beside = path.parent().unwrap_or(Path::new("/"));
    // A relative name counts from the real place of the debug file, links resolved.
    let real = path
        .canonicalize()
        .ok()
        .and_then(|p| p.parent().map(Path::to_owned));
    let mut places = vec![beside.join(&name)];
    places.extend(real.map(|dir| dir.join(&name)));
    places.push(under(&search.root, &name));
    for folder in &search.folders {
        // The name says where it is once installed; it may have been unpacked elsewhere.
        if let Ok(rest) = name.strip_prefix(INSTALLED) {
            places.push(under(&search.root, &folder.join(rest)));
            places.push(folder.join(rest));
        }
        places.extend(by_build_id(&under(&search.root, folder), build_id));
        places.extend(by_build_id(folder, build_id));
    }
    for place in places {
        let Ok(data) = read_bounded(&place, &place) else {
            continue;
        };
        let damaged = |reason: String| DebugFileError {
            path: place.clone(),
            reason,
        };
        let parsed = object::File::parse(&*data).map_err(|e| damaged(e.to_string()))?;
        if parsed.build_id().ok().flatten() == Some(build_id) {
            return Sections::load(&parsed).map(Some).map_err(damaged);
        }
    }
    Err(DebugFileError {
        path: path.to_owned(),
        reason: format!(
            "it needs {} (build-id {}), which is not installed",
            crate::text::from_utf8(name.as_os_str().as_encoded_bytes()),
            hex(build_id)
        ),
    })
}
