//! The files that a process had mapped, as they are on this machine.

use super::header::CoreFile;
use super::heads::HeadReader;
use super::notes::MappedPart;
use super::pieces::KeptMemory;
use crate::examine::{Examiner, FileFinder};
use crate::image::{Image, ImageError};
use crate::memory::Abi;
use crate::platform::bytes::path_of;
use crate::platform::{MappedFile, Mapping};
use indexmap::IndexMap;
use object::elf;
use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

/// The kernel marks the name of a file that was deleted this way (d_path).
const DELETED: &[u8] = b" (deleted)";
/// What is read of a file at a time, and kept.
const BLOCK: u64 = 16 << 10;
/// More notes than there are in front of it.
const LONGEST_NOTES: usize = 4096;

/// Where files are looked for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Whereabouts {
    /// The folder that stands for the other machine's root.
    pub root: Option<PathBuf>,
    /// The program itself, and the file that is to be taken for it.
    pub program: Option<(PathBuf, PathBuf)>,
}

impl Whereabouts {
    fn of(&self, path: &Path) -> PathBuf {
        match (&self.program, &self.root) {
            (Some((program, instead)), _) if program == path => instead.clone(),
            (_, Some(root)) => {
                let below = path.strip_prefix("/").unwrap_or(path);
                // No name leads out of that folder.
                let is_plain = |c| matches!(c, std::path::Component::Normal(_));
                match below.components().all(is_plain) {
                    true => root.join(below),
                    false => root.join("…"),
                }
            }
            _ => path.to_owned(),
        }
    }
}

/// Finds files, and what the core file says of them.
pub(super) struct CoreFinder {
    pub whereabouts: Whereabouts,
    pub build_ids: HashMap<PathBuf, Vec<u8>>,
}

impl FileFinder for CoreFinder {
    fn here(&self, file: &MappedFile) -> PathBuf {
        self.whereabouts.of(&file.path)
    }

    fn build_id(&self, file: &MappedFile) -> Option<Vec<u8>> {
        self.build_ids.get(&file.path).cloned()
    }
}

/// The files of a core file, in order of address, each with its mappings.
pub(super) fn mapped(core: &CoreFile, parts: &[MappedPart]) -> Vec<MappedFile> {
    let mut files: IndexMap<&[u8], Vec<Mapping>> = IndexMap::new();
    let mut parts: Vec<&MappedPart> = parts.iter().collect();
    parts.sort_by_key(|part| part.start);
    for part in parts {
        // A part that the core file leaves out may have been code.
        let found = core.pieces.binary_search_by_key(&part.start, |p| p.start);
        let piece = found.ok().and_then(|index| core.pieces.get(index));
        files.entry(&part.name).or_default().push(Mapping {
            start: part.start,
            end: part.end,
            file_offset: part.offset,
            writable: piece.is_some_and(|piece| piece.writable),
            executable: piece.is_none_or(|piece| piece.executable),
            anonymous: false,
            heap: false,
        });
    }
    let files = files.into_iter().map(|(name, maps)| {
        let kept = name.strip_suffix(DELETED);
        MappedFile {
            path: path_of(kept.unwrap_or(name)).into_owned(),
            maps,
            deleted: kept.is_some(),
            inode: 0,
            device: String::new(),
        }
    });
    files.collect()
}

/// The build-id of a mapped file, by its head in memory, which the kernel keeps for this purpose
/// (coredump_filter, core(5)).
pub(super) fn build_id(memory: &KeptMemory, abi: Abi, file: &MappedFile) -> Option<Vec<u8>> {
    let first = file.maps.iter().find(|map| map.file_offset == 0)?;
    let reader = HeadReader { abi, memory };
    let heads = reader.of_file(first.start)?;
    let mut notes = heads
        .iter()
        .filter(|head| head.kind == u64::from(elf::PT_NOTE.0));
    notes.find_map(|head| {
        let length = usize::try_from(head.file_size).ok()?.min(LONGEST_NOTES);
        let at = first.start.checked_add(head.offset)?;
        id_among(abi, &reader.bytes(at, length)?)
    })
}

/// A name of 4 bytes, `GNU`, a length, a type, and the content, each padded to 4 bytes (elf.h, Elf64_Nhdr).
fn id_among(abi: Abi, notes: &[u8]) -> Option<Vec<u8>> {
    let mut at = 0_usize;
    while let (Some(name), Some(content), Some(kind)) = (
        abi.uint(notes, at, 4),
        abi.uint(notes, at.checked_add(4)?, 4),
        abi.uint(notes, at.checked_add(8)?, 4),
    ) {
        let start = at.checked_add(12)?;
        let middle = start.checked_add(usize::try_from(name.checked_next_multiple_of(4)?).ok()?)?;
        let length = usize::try_from(content).ok()?;
        let end = middle.checked_add(length)?;
        if kind == u64::from(elf::NT_GNU_BUILD_ID.0) && notes.get(start..middle) == Some(b"GNU\0") {
            return notes.get(middle..end).map(<[u8]>::to_vec);
        }
        at = middle.checked_add(length.checked_next_multiple_of(4)?)?;
    }
    None
}

/// All files that stand for memory that is not in the core file.
pub(super) struct FilesBehind {
    pub files: Vec<FileBehind>,
    /// What is mapped of them, lowest address first: start, end, and which file it is of.
    ranges: Vec<(u64, u64, usize)>,
}

impl FilesBehind {
    pub(super) fn of(mapped: &[MappedFile], examiner: &Arc<Examiner>) -> Self {
        let ranges = mapped.iter().enumerate().flat_map(|(index, file)| {
            let maps = file.maps.iter();
            maps.map(move |map| (map.start, map.end, index))
        });
        let mut ranges: Vec<_> = ranges.collect();
        ranges.sort_unstable();
        let files = mapped
            .iter()
            .map(|file| FileBehind::new(file.clone(), examiner.clone()));
        FilesBehind {
            files: files.collect(),
            ranges,
        }
    }

    /// The one that is mapped at an address.
    pub(super) fn at(&self, address: u64) -> Option<&FileBehind> {
        let behind = self.ranges.partition_point(|(start, ..)| *start <= address);
        let (_, end, index) = self.ranges.get(behind.checked_sub(1)?)?;
        (address < *end).then(|| self.files.get(*index))?
    }
}

/// A file whose bytes stand for memory that is not in the core file.
pub(super) struct FileBehind {
    pub file: MappedFile,
    examiner: Arc<Examiner>,
    opened: OnceLock<Result<(Image, u64), ImageError>>,
    blocks: Mutex<HashMap<u64, Option<Vec<u8>>>>,
}

impl FileBehind {
    fn new(file: MappedFile, examiner: Arc<Examiner>) -> Self {
        FileBehind {
            file,
            examiner,
            opened: OnceLock::new(),
            blocks: Mutex::default(),
        }
    }

    /// The file and how far it was moved, or why it is of no use.
    pub(super) fn image(&self) -> Result<&(Image, u64), &ImageError> {
        let open = || {
            let image = self.examiner.open(&self.file)?;
            let bias = image.load_bias(&self.file.maps);
            let bias = bias.ok_or_else(|| ImageError::Another {
                path: self.file.path.clone(),
            })?;
            Ok((image, bias))
        };
        self.opened.get_or_init(open).as_ref()
    }

    /// Why it is of no use, if it was asked for.
    pub(super) fn trouble(&self) -> Option<&ImageError> {
        self.opened.get()?.as_ref().err()
    }

    /// Reads some bytes: so many.
    pub(super) fn read(&self, address: u64, buffer: &mut [u8]) -> usize {
        let start = address - address % BLOCK;
        let mut blocks = self.blocks.lock().unwrap_or_else(PoisonError::into_inner);
        let block = blocks
            .entry(start)
            .or_insert_with(|| self.bytes(start, BLOCK as usize));
        let skip = (address - start) as usize;
        let near = block.as_ref().and_then(|block| block.get(skip..));
        if let Some(near) = near {
            return copied(near, buffer);
        }
        // The block is not whole in one segment: only what was asked for.
        let bytes = self.bytes(address, buffer.len().min(BLOCK as usize));
        bytes.map_or(0, |bytes| copied(&bytes, buffer))
    }

    fn bytes(&self, address: u64, length: usize) -> Option<Vec<u8>> {
        let (image, bias) = self.image().ok()?;
        image.bytes_at(address.wrapping_sub(*bias), length)
    }
}

/// Copies as much as there is and is wanted: so many bytes.
fn copied(from: &[u8], to: &mut [u8]) -> usize {
    let length = from.len().min(to.len());
    for (to, from) in to.iter_mut().zip(from) {
        *to = *from;
    }
    length
}
