//! The head of a core file: which part of the memory is where in it, and its notes.

use super::notes::Notes;
use super::packed::{Packing, unpacked};
use crate::memory::Abi;
use crate::platform::{Ground, OpenError};
use object::elf::{self, FileHeader32, FileHeader64};
use object::read::ReadRef;
use object::read::elf::{FileHeader, ProgramHeader};
use object::{Endianness, ReadCache};
use std::fs::File;
use std::path::{Path, PathBuf};

/// Mappings, of which a process has some ten thousands at most (vm.max_map_count has 65530).
const MOST_SEGMENTS: usize = 1 << 18;
/// What the kernel writes of threads and files, 64 MB for some ten thousand threads.
const LONGEST_NOTES: u64 = 64 << 20;

/// Why a file cannot serve as a core file.
#[derive(Debug, thiserror::Error)]
pub enum CoreError {
    /// It cannot be opened or read.
    #[error("{path}: {source}")]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system answered.
        source: OpenError,
    },
    /// It is none.
    #[error("{0} is no core file of Linux")]
    NoCore(PathBuf),
    /// It is one, and makes no sense.
    #[error("{path} is a damaged core file: {reason}")]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        reason: &'static str,
    },
    /// It is a program that was asked for its core file.
    #[error("{0} is a program, not a core file")]
    Program(PathBuf),
}

/// A piece of memory, and where the file has it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct CorePiece {
    /// First address.
    pub start: u64,
    /// First address behind it.
    pub end: u64,
    /// Where it is in the file.
    pub offset: u64,
    /// So many bytes of it are in the file.
    pub kept: u64,
    pub writable: bool,
    pub executable: bool,
}

/// An open core file.
pub struct CoreFile {
    pub(super) path: PathBuf,
    pub(super) file: File,
    /// How long it is; one that was cut off is shorter than it says.
    pub(super) length: u64,
    /// How long it says that it is.
    pub(super) meant: u64,
    /// How its numbers are stored.
    pub abi: Abi,
    /// Lowest address first.
    pub(super) pieces: Vec<CorePiece>,
    pub(super) notes: Notes,
}

impl CoreFile {
    /// Opens a file and reads its head. One that is packed is unpacked first, into a nameless file.
    ///
    /// # Errors
    /// [`CoreError`] when it cannot be read, is no core file, is a program, or makes no sense.
    pub fn open(path: &Path) -> Result<Self, CoreError> {
        use std::io::Read;
        let opened = std::path::absolute(path).map_err(OpenError::from);
        let opened = opened.and_then(|path| Ground::OURS.open(&path));
        let failed = |source: OpenError| CoreError::Io {
            path: path.to_owned(),
            source,
        };
        let file = opened.map_err(failed)?;
        let mut start = Vec::new();
        let read = (&file).take(6).read_to_end(&mut start);
        let file = read.and_then(|_| match Packing::of(&start) {
            Some(packing) => unpacked(file, packing),
            None => Ok(file),
        });
        CoreFile::of(path, file.map_err(|e| failed(e.into()))?)
    }

    /// Reads the head of an open file.
    ///
    /// # Errors
    /// [`CoreError`] when it is no core file, is a program, or makes no sense.
    pub fn of(path: &Path, file: File) -> Result<Self, CoreError> {
        let failed = |e: std::io::Error| CoreError::Io {
            path: path.to_owned(),
            source: e.into(),
        };
        let again = file.try_clone().map_err(failed)?;
        let length = file.metadata().map_err(failed)?.len();
        let data = ReadCache::new(again);
        let head = match class(&data) {
            Some(Class::Narrow) => read::<FileHeader32<Endianness>>(&data),
            Some(Class::Wide) => read::<FileHeader64<Endianness>>(&data),
            None => return Err(CoreError::NoCore(path.to_owned())),
        };
        let head = head.map_err(|trouble| match trouble {
            Trouble::Program => CoreError::Program(path.to_owned()),
            Trouble::NoCore => CoreError::NoCore(path.to_owned()),
            Trouble::Damaged(reason) => CoreError::Damaged {
                path: path.to_owned(),
                reason,
            },
        })?;
        let ends = head.pieces.iter().map(|p| p.offset.saturating_add(p.kept));
        Ok(CoreFile {
            path: path.to_owned(),
            file,
            length,
            meant: ends.max().unwrap_or(0),
            abi: head.abi,
            pieces: head.pieces,
            notes: head.notes,
        })
    }
}

enum Class {
    Narrow,
    Wide,
}

/// Which of the two ELF formats it is in.
fn class(data: &ReadCache<File>) -> Option<Class> {
    match data.read_bytes_at(0, 5).ok()? {
        b"\x7fELF\x01" => Some(Class::Narrow),
        b"\x7fELF\x02" => Some(Class::Wide),
        _ => None,
    }
}

enum Trouble {
    Program,
    NoCore,
    Damaged(&'static str),
}

struct Head {
    abi: Abi,
    pieces: Vec<CorePiece>,
    notes: Notes,
}

fn read<Elf: FileHeader<Endian = Endianness>>(data: &ReadCache<File>) -> Result<Head, Trouble> {
    let header = Elf::parse(data).map_err(|_| Trouble::NoCore)?;
    let endian = header.endian().map_err(|_| Trouble::NoCore)?;
    match header.e_type(endian) {
        elf::ET_CORE => {}
        elf::ET_EXEC | elf::ET_DYN => return Err(Trouble::Program),
        _ => return Err(Trouble::NoCore),
    }
    let abi = Abi {
        pointer_size: if header.is_type_64() { 8 } else { 4 },
        big_endian: endian == Endianness::Big,
    };
    let machine = header.e_machine(endian);
    let count = header.phnum(endian, data).unwrap_or(0);
    if count as usize > MOST_SEGMENTS {
        return Err(Trouble::Damaged("it has more mappings than any process"));
    }
    let segments = header
        .program_headers(endian, data)
        .map_err(|_| Trouble::Damaged("its list of mappings is not there"))?;
    let mut pieces = Vec::new();
    let mut notes = Notes::default();
    let mut left = LONGEST_NOTES;
    for segment in segments {
        let (offset, kept) = segment.file_range(endian);
        match segment.p_type(endian) {
            elf::PT_LOAD => {
                let start = segment.p_vaddr(endian).into();
                let length: u64 = segment.p_memsz(endian).into();
                let flags = segment.p_flags(endian);
                // What ends behind the last address is none.
                if let Some(end) = u64::checked_add(start, length) {
                    pieces.push(CorePiece {
                        start,
                        end,
                        offset,
                        kept: kept.min(length),
                        writable: flags.contains(elf::PF_W),
                        executable: flags.contains(elf::PF_X),
                    });
                }
            }
            elf::PT_NOTE => {
                left = left
                    .checked_sub(kept)
                    .ok_or(Trouble::Damaged("its notes are longer than any"))?;
                if let Ok(Some(list)) = segment.notes(endian, data) {
                    notes.add::<Elf>(abi, machine, endian, list);
                }
            }
            _ => {}
        }
    }
    pieces.sort_by_key(|piece| (piece.start, piece.end));
    match notes.threads.is_empty() {
        true => Err(Trouble::Damaged("it has no threads")),
        false => Ok(Head { abi, pieces, notes }),
    }
}
