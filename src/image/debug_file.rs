//! Debug information: in the file itself, or in the separate file that belongs to it.

use super::{Budget, FileBytes, Files, Image, bounded_length, hex};
use gimli::{EndianSlice, RunTimeEndian, SectionId};
use object::{CompressionFormat, Object, ObjectSection};
use serde::{Deserialize, Serialize};
use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Where separate debug files are looked for.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct DebugSearch {
    /// Folders like /usr/lib/debug, in order.
    pub folders: Vec<PathBuf>,
}

/// Where distributions install separate debug files.
const INSTALLED: &str = "/usr/lib/debug";

impl Default for DebugSearch {
    fn default() -> Self {
        DebugSearch {
            folders: vec![PathBuf::from(INSTALLED)],
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
    /// [`DebugFileError`] when the file that belongs to the image is damaged, or costs too much.
    pub fn find(
        image: &Image,
        search: &DebugSearch,
        files: &dyn Files,
    ) -> Result<Option<Self>, DebugFileError> {
        let damaged = |path: &Path, reason: String| DebugFileError {
            path: path.to_owned(),
            reason,
        };
        let budget = image.budget();
        let own = image
            .object()
            .map_err(|e| damaged(image.path(), e.to_string()))?;
        if own.section_by_name(".debug_info").is_some() {
            let sections = Sections::load(&own, &image.file.data, &budget);
            let sections = sections.map_err(|e| damaged(image.path(), e))?;
            let supplement = supplement(&own, image.path(), search, files, &budget)?;
            return Ok(Some(DebugFile {
                path: image.path().to_owned(),
                sections,
                supplement,
            }));
        }
        for (path, check, whose) in candidates(image, &own, search) {
            let Some(data) = whose.open(&path, files, &budget) else {
                continue;
            };
            let file = object::File::parse(&data).map_err(|e| damaged(&path, e.to_string()))?;
            let belongs = match check {
                DebugFileCheck::BuildId => file.build_id().ok().flatten() == image.build_id(),
                DebugFileCheck::Crc(crc) => checksum(&data) == Some(crc),
            };
            if !belongs || file.section_by_name(".debug_info").is_none() {
                continue;
            }
            let sections = Sections::load(&file, &data, &budget).map_err(|e| damaged(&path, e))?;
            let supplement = supplement(&file, &path, search, files, &budget)?;
            return Ok(Some(DebugFile {
                path,
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

/// The separate debug file of an image, for its symbols: none, or one.
pub fn symbol_file(
    image: &Image,
    search: Option<&DebugSearch>,
    files: &dyn Files,
) -> Option<FileBytes> {
    let budget = image.budget();
    let own = image.object().ok()?;
    let found = candidates(image, &own, search?);
    found.into_iter().find_map(|(path, check, whose)| {
        let data = whose.open(&path, files, &budget)?;
        let file = object::File::parse(&data).ok()?;
        let belongs = match check {
            DebugFileCheck::BuildId => file.build_id().ok().flatten() == image.build_id(),
            DebugFileCheck::Crc(crc) => checksum(&data) == Some(crc),
        };
        (belongs && file.symbols().next().is_some()).then_some(data)
    })
}

impl Sections {
    /// Takes what is needed out of a file, within the budget.
    fn load<'a>(
        file: &object::File<'a, &'a FileBytes>,
        data: &'a FileBytes,
        budget: &Budget,
    ) -> Result<Self, String> {
        let endian = if file.is_little_endian() {
            RunTimeEndian::Little
        } else {
            RunTimeEndian::Big
        };
        let mut parts = Vec::new();
        for id in WANTED {
            if let Some(section) = file.section_by_name(id.name()) {
                let bytes = contents(&section, data, budget);
                parts.push((
                    id,
                    bytes.map_err(|e| format!("section {}: {e}", id.name()))?,
                ));
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

/// A section's bytes, decompressed. What it says of its own size is paid for before it is believed.
fn contents<'a>(
    section: &object::Section<'a, '_, &'a FileBytes>,
    data: &FileBytes,
    budget: &Budget,
) -> Result<Vec<u8>, String> {
    let range = section.compressed_file_range().map_err(|e| e.to_string())?;
    if range.format == CompressionFormat::None {
        let end = range.offset.saturating_add(range.compressed_size);
        // Too much or past the end: either way it is not read.
        return data.copy(range.offset..end).ok_or_else(|| {
            match budget.spend(range.compressed_size) {
                Err(e) => e.to_string(),
                Ok(()) => "it is cut off".into(),
            }
        });
    }
    // A byte of deflate stands for at most so many (RFC 1951).
    const DENSEST: u64 = 1032;
    let most = range.compressed_size.saturating_mul(DENSEST);
    if range.format == CompressionFormat::Zlib && range.uncompressed_size > most {
        return Err("it claims to be larger than it can be".into());
    }
    budget
        .spend(range.uncompressed_size)
        .map_err(|e| e.to_string())?;
    let whole = section.uncompressed_data().map_err(|e| e.to_string())?;
    Ok(whole.into_owned())
}

/// What .gnu_debuglink holds of the file that it names.
fn checksum(data: &FileBytes) -> Option<u32> {
    let mut hash = crc32fast::Hasher::new();
    data.pieces(0..data.length(), 0, |_, piece| {
        hash.update(piece);
        true
    })?;
    Some(hash.finalize())
}

/// Whose file system a file is looked for in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum WhoseRoot {
    /// The target's.
    Theirs,
    /// Our own, where that is another one.
    Ours,
}

impl WhoseRoot {
    fn open(self, path: &Path, files: &dyn Files, budget: &Arc<Budget>) -> Option<FileBytes> {
        let file: File = match self {
            WhoseRoot::Theirs => files.theirs(path).ok()?,
            WhoseRoot::Ours => files.ours(path)?,
        };
        let length = bounded_length(path, &file).ok()?;
        Some(FileBytes::new(file, length, budget.clone()))
    }
}

enum DebugFileCheck {
    BuildId,
    Crc(u32),
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
fn candidates<'a>(
    image: &Image,
    own: &object::File<'a, &'a FileBytes>,
    search: &DebugSearch,
) -> Vec<(PathBuf, DebugFileCheck, WhoseRoot)> {
    let mut found = Vec::new();
    let link = own
        .gnu_debuglink()
        .ok()
        .flatten()
        .zip(image.path().parent());
    let link = link.and_then(|((name, crc), dir)| {
        let name = PathBuf::from(String::from_utf8_lossy(name).into_owned());
        // A name with folders in it would let the file choose what we read.
        Some((name.file_name().map(PathBuf::from)?, crc, dir))
    });
    for whose in [WhoseRoot::Theirs, WhoseRoot::Ours] {
        for folder in &search.folders {
            let path = image.build_id().and_then(|id| by_build_id(folder, id));
            found.extend(path.map(|path| (path, DebugFileCheck::BuildId, whose)));
        }
        let Some((name, crc, dir)) = &link else {
            continue;
        };
        let mut folders = Vec::new();
        if whose == WhoseRoot::Theirs {
            folders.extend([dir.to_path_buf(), dir.join(".debug")]);
        }
        let inside = dir.strip_prefix("/").unwrap_or(dir);
        folders.extend(search.folders.iter().map(|folder| folder.join(inside)));
        let places = folders.into_iter().map(|folder| folder.join(name));
        found.extend(places.map(|path| (path, DebugFileCheck::Crc(*crc), whose)));
    }
    found
}

/// The file named by .gnu_debugaltlink, where dwz keeps what several debug files share.
fn supplement<'a>(
    file: &object::File<'a, &'a FileBytes>,
    path: &Path,
    search: &DebugSearch,
    files: &dyn Files,
    budget: &Arc<Budget>,
) -> Result<Option<Sections>, DebugFileError> {
    let Ok(Some((name, build_id))) = file.gnu_debugaltlink() else {
        return Ok(None);
    };
    let name = PathBuf::from(String::from_utf8_lossy(name).into_owned());
    let beside = path.parent().unwrap_or(Path::new("/"));
    let mut places = vec![(beside.join(&name), WhoseRoot::Theirs)];
    // A relative name counts from the real place of the debug file: the folders of build-ids hold
    // links to it.
    let real = path.canonicalize().ok();
    let real = real.as_deref().and_then(Path::parent);
    places.extend(real.map(|folder| (folder.join(&name), WhoseRoot::Theirs)));
    for whose in [WhoseRoot::Theirs, WhoseRoot::Ours] {
        for folder in &search.folders {
            // The name says where it is once installed; it may have been unpacked elsewhere.
            let installed = name
                .strip_prefix(INSTALLED)
                .ok()
                .map(|rest| folder.join(rest));
            places.extend(installed.map(|place| (place, whose)));
            places.extend(by_build_id(folder, build_id).map(|place| (place, whose)));
        }
    }
    for (place, whose) in places {
        let Some(data) = whose.open(&place, files, budget) else {
            continue;
        };
        let damaged = |reason: String| DebugFileError {
            path: place.clone(),
            reason,
        };
        let parsed = object::File::parse(&data).map_err(|e| damaged(e.to_string()))?;
        if parsed.build_id().ok().flatten() == Some(build_id) {
            return Sections::load(&parsed, &data, budget)
                .map(Some)
                .map_err(damaged);
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
