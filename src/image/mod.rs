//! The perl executable or libperl as a file: symbols, sections, build-id, debug file.

mod budget;
mod bytes;
mod debug_file;
mod exports;
mod glance;
mod hashed;
mod macho;
mod parts;
mod question;
mod runtime;
mod sighting;
mod symbols;

pub use budget::{Budget, Exceeded};
pub use bytes::FileBytes;
pub use debug_file::{DebugFile, DebugFileError, DebugSearch, symbol_file};
pub use glance::may_define_perl;
pub use parts::Part;
pub use question::{BytesAt, Elsewhere, Files, ImageFacts, MentionsPerl, Question};
pub use sighting::Sighting;

use crate::memory::{Abi, Reader};
use crate::platform::{Ground, Mapping, OpenError, Stamp};
use object::read::ReadRef;
use object::{
    BinaryFormat, Object, ObjectSegment, ObjectSymbol, RelocationFlags, RelocationTarget,
};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, HashMap};
use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};
use symbols::Symbols;

/// No perl and no program that embeds one is larger.
const MAX_FILE: u64 = 1 << 30;

/// Why a file cannot serve as an image.
#[derive(Debug, thiserror::Error)]
pub enum ImageError {
    /// It cannot be opened or read.
    #[error("cannot read {path}: {source}")]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system answered.
        source: OpenError,
    },
    /// It is not what was mapped.
    #[error("{path} is another build than the one that was mapped")]
    Another {
        /// The file that is there now.
        path: PathBuf,
    },
    /// Who was to read it could not.
    #[error("cannot read {path}: {reason}")]
    Confined {
        /// The file.
        path: PathBuf,
        /// What went wrong.
        reason: String,
    },
    /// Who was to read it says why it cannot be read.
    #[error("{0}")]
    FileFacts(String),
    /// It is no object file, or a damaged one.
    #[error("{path} is not a program or library that can be read: {source}")]
    Format {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        source: object::Error,
    },
    /// It is far larger than any program.
    #[error("{path} is larger than {} MiB", MAX_FILE >> 20)]
    TooLarge {
        /// The file.
        path: PathBuf,
    },
}

/// Functions that every perl exports, each from a source file that uses structures which the
/// others do not: perl.c, hv.c, sv.c and gv.c. Debug information is entered through them.
const LANDMARKS: [&str; 4] = [
    "perl_construct",
    "Perl_hv_iterinit",
    "Perl_sv_setsv_flags",
    "Perl_gv_fetchpv",
];

/// Behind the processor of a Windows program; what compiled it follows.
pub const WINDOWS: &str = "_windows";

/// One defined symbol.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Symbol {
    /// Its address as the file counts, before the loader moves it. For thread-local symbols the
    /// offset in the TLS segment.
    pub address: u64,
    /// Bytes; 0 where the file does not say.
    pub size: u64,
}

/// An object file, of which as much is read as is needed, and symbols that were laid over it. The file
/// is shared by clones; what is laid over one is not seen in another.
#[derive(Clone)]
pub struct Image {
    file: Arc<ImageFile>,
    /// Who may be asked what is not to be done here.
    elsewhere: Option<Arc<dyn Elsewhere>>,
    /// Symbols that the file does not have any more, found in memory.
    overlay: HashMap<String, Symbol>,
    /// Symbols that are elsewhere than where the file has them.
    moved: HashMap<String, Symbol>,
    /// Which file it was when it was opened; `None` where that cannot be told.
    seen: Option<Sighting>,
}

/// What never changes.
struct ImageFile {
    path: PathBuf,
    abi: Abi,
    build_id: Option<Vec<u8>>,
    symbols: Symbols,
    segments: Vec<Segment>,
    /// The file, where we read it ourselves; else nothing.
    data: FileBytes,
    /// Why an answer is missing that there should be.
    trouble: OnceLock<String>,
}

/// What of a file is loaded where.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
struct Segment {
    address: u64,
    file_offset: u64,
    file_size: u64,
    memory_size: u64,
    writable: bool,
    executable: bool,
}

impl Image {
    /// Reads the file at `open_path`, which our user named; `path` is the name to show for it.
    ///
    /// # Errors
    /// Every case of [`ImageError`] that our own file can have: it cannot be read, is no object file, or far
    /// too large.
    pub fn open(path: &Path, open_path: &Path) -> Result<Self, ImageError> {
        let file = Ground::OURS.open(open_path);
        let file = file.map_err(|source| ImageError::Io {
            path: path.to_owned(),
            source,
        })?;
        Self::of_file(path, file, Arc::default())
    }

    /// Reads an open file.
    ///
    /// # Errors
    /// [`ImageError`] when it cannot be read, is no object file or a damaged one, or is far larger than any
    /// program.
    pub fn of_file(path: &Path, file: File, budget: Arc<Budget>) -> Result<Self, ImageError> {
        let length = bounded_length(path, &file)?;
        let seen = Stamp::of(&file).ok().map(Sighting::of);
        let data = readable(FileBytes::new(file, length, budget));
        let format_error = |source| ImageError::Format {
            path: path.to_owned(),
            source,
        };
        let file = object::File::parse(&data).map_err(format_error)?;
        let abi = Abi {
            pointer_size: if file.is_64() { 8 } else { 4 },
            big_endian: !file.is_little_endian(),
        };
        let build_id = file.build_id().ok().flatten().map(<[u8]>::to_vec);
        let uuid = || file.mach_uuid().ok().flatten().map(Vec::from);
        let build_id = build_id.or_else(uuid);
        let symbols = Symbols::of(&file, &data);
        let segments = file.segments().map(|segment| {
            let (file_offset, file_size) = segment.file_range();
            let permissions = segment.permissions();
            let (writable, executable) = macho::protection(segment.flags())
                .unwrap_or((permissions.writable(), permissions.executable()));
            Segment {
                address: segment.address(),
                file_offset,
                file_size,
                memory_size: segment.size(),
                writable,
                executable,
            }
        });
        // First of all: what is mapped begins with them.
        let segments = exports::headers(&file)
            .into_iter()
            .chain(segments)
            .collect();
        Ok(Image::of(
            ImageFile {
                path: path.to_owned(),
                abi,
                build_id,
                symbols,
                segments,
                data,
                trouble: OnceLock::new(),
            },
            None,
        )
        .seen_as(seen))
    }

    /// A file that somebody else has open.
    ///
    /// # Errors
    /// [`ImageError::Confined`] for facts that cannot be.
    pub fn elsewhere(
        path: &Path,
        facts: ImageFacts,
        elsewhere: Box<dyn Elsewhere>,
    ) -> Result<Self, ImageError> {
        if !facts.are_sane() {
            return Err(ImageError::Confined {
                path: path.to_owned(),
                reason: "what is said of it cannot be".into(),
            });
        }
        Ok(Image::of(
            ImageFile {
                path: path.to_owned(),
                abi: facts.abi,
                build_id: facts.build_id,
                symbols: Symbols::told(facts.symbols),
                segments: facts.segments,
                data: FileBytes::nothing(),
                trouble: OnceLock::new(),
            },
            Some(elsewhere),
        ))
    }

    /// An image of which only symbols are known.
    pub fn without_file(path: &Path, abi: Abi, symbols: Vec<(String, Symbol)>) -> Self {
        Image::of(
            ImageFile {
                path: path.to_owned(),
                abi,
                build_id: None,
                symbols: Symbols::told(symbols),
                segments: Vec::new(),
                data: FileBytes::nothing(),
                trouble: OnceLock::new(),
            },
            None,
        )
    }

    fn of(file: ImageFile, elsewhere: Option<Box<dyn Elsewhere>>) -> Self {
        Image {
            file: Arc::new(file),
            elsewhere: elsewhere.map(Arc::from),
            overlay: HashMap::new(),
            moved: HashMap::new(),
            seen: None,
        }
    }

    /// The same, the file being that one when it was opened.
    #[must_use]
    pub fn seen_as(self, seen: Option<Sighting>) -> Self {
        Image { seen, ..self }
    }

    /// Leaves heavy questions to somebody else, though the file is open here.
    #[must_use]
    pub fn with_help(self, elsewhere: Box<dyn Elsewhere>) -> Self {
        Image {
            elsewhere: Some(Arc::from(elsewhere)),
            ..self
        }
    }

    /// The answer to a question, by whoever has the file. `None` where there is nobody, or no answer.
    pub fn ask<Q: Question>(&self, question: &Q) -> Option<Q::Answer> {
        match &self.elsewhere {
            Some(elsewhere) if Q::IS_HEAVY || !self.is_here() => {
                let asked = postcard::to_stdvec(question).ok()?;
                let answer = elsewhere.ask(Q::NAME, &asked, &mut |wanted| question.fetch(wanted));
                let answer = answer.and_then(|bytes| {
                    postcard::from_bytes(&bytes)
                        .map_err(|_| "what was answered cannot be understood".to_owned())
                });
                answer
                    .map_err(|reason| self.file.trouble.get_or_init(|| reason).clone())
                    .ok()
            }
            _ => Some(question.answer(self, &question::Here)),
        }
    }

    /// Why some question had no answer, if that happened: what then seems not to be there may be.
    pub fn trouble(&self) -> Option<&str> {
        self.file.trouble.get().map(String::as_str)
    }

    fn is_here(&self) -> bool {
        self.file.data.length() > 0
    }

    /// The same without who could be asked, and without the descriptor by which he is: what is known
    /// stays.
    #[must_use]
    pub fn released(self) -> Self {
        Image {
            elsewhere: None,
            ..self
        }
    }

    /// What reading it may still cost.
    pub fn budget(&self) -> Arc<Budget> {
        self.file.data.budget()
    }

    /// All symbols of perl's.
    pub fn symbols(&self) -> impl Iterator<Item = (&str, Symbol)> {
        let file = &self.file;
        let own = file.symbols.iter(&file.data);
        let own = own.map(|(name, s)| (name, self.moved.get(name).copied().unwrap_or(s)));
        let overlay = self.overlay.iter().map(|(name, s)| (name.as_str(), *s));
        own.chain(overlay.filter(|(name, _)| file.symbols.get(&file.data, name).is_none()))
    }

    /// The name to show for the file.
    pub fn path(&self) -> &Path {
        &self.file.path
    }

    /// Pointer size and byte order of its code.
    pub fn abi(&self) -> Abi {
        self.file.abi
    }

    /// The linker's fingerprint of the file.
    pub fn build_id(&self) -> Option<&[u8]> {
        self.file.build_id.as_deref()
    }

    /// The build-id as it is usually written.
    pub fn build_id_hex(&self) -> Option<String> {
        self.build_id().map(hex)
    }

    /// Which file it was when it was opened; `None` where that cannot be told.
    pub fn seen(&self) -> Option<Sighting> {
        self.seen
    }

    /// Where some functions of perl's begin, each from a source file of its own.
    pub fn landmarks(&self) -> Vec<u64> {
        let Ok(file) = self.object() else {
            return Vec::new();
        };
        let is_one = |name: &[u8]| LANDMARKS.iter().any(|l| l.as_bytes() == name);
        let found: BTreeMap<&[u8], u64> = file
            .symbols()
            .chain(file.dynamic_symbols())
            .filter(|symbol| !symbol.is_undefined())
            .filter_map(|symbol| Some((symbol.name_bytes().ok()?, symbol.address())))
            .filter(|(name, _)| is_one(name))
            .collect();
        found.into_values().collect()
    }

    /// A variable of perl's (`PL_…`), from .dynsym or .symtab.
    pub fn symbol(&self, name: &str) -> Option<Symbol> {
        let own = || self.file.symbols.get(&self.file.data, name);
        let own = self.moved.get(name).copied().or_else(own);
        own.or_else(|| self.overlay.get(name).copied())
    }

    /// The same file with these symbols laid over it: what the file has itself stays.
    #[must_use]
    pub fn with_symbols(&self, symbols: impl IntoIterator<Item = (String, Symbol)>) -> Self {
        let mut laid = self.clone();
        laid.overlay.extend(symbols);
        laid
    }

    /// The same file, some of whose symbols are elsewhere: the dynamic linker takes a program's for them.
    #[must_use]
    pub fn with_moved(&self, symbols: impl IntoIterator<Item = (String, Symbol)>) -> Self {
        let mut changed = self.clone();
        changed.moved.extend(symbols);
        changed
    }

    /// True when the file has this text somewhere.
    pub fn mentions(&self, text: &[u8]) -> bool {
        self.file.data.find(0..u64::MAX, text).is_some()
    }

    /// What stands on both sides of the first `marker` in the file's data: at most `limit` bytes
    /// each.
    pub fn text_around(&self, marker: &[u8], limit: u64) -> Option<(&[u8], &[u8])> {
        self.data_parts().into_iter().find_map(|part| {
            let end = part.offset.checked_add(part.size)?;
            let found = self.file.data.find(part.offset..end, marker)?;
            let before = limit.min(found - part.offset);
            let start = found.checked_add(marker.len() as u64)?;
            let length = limit.min(end.checked_sub(start)?);
            let read = |at: u64, length: u64| (&self.file.data).read_bytes_at(at, length).ok();
            Some((read(found - before, before)?, read(start, length)?))
        })
    }

    /// The kind of processor that its code is for, such as `x86_64` or `aarch64`; where that is another
    /// system's than Linux's, with its name behind it, and what else decides how perl lays its structures
    /// out there: `x86_64_windows_gcc_msvcrt`.
    pub fn machine(&self) -> Option<String> {
        let object = self.object().ok()?;
        let mut machine = format!("{:?}", object.architecture()).to_ascii_lowercase();
        if object.format() == BinaryFormat::Pe {
            machine += WINDOWS;
            machine += runtime::suffix(&object);
        }
        Some(machine)
    }

    /// It is a program or library of macOS.
    pub fn is_mach_o(&self) -> bool {
        let format = self.object().map(|file| file.format());
        format == Ok(BinaryFormat::MachO)
    }

    /// What the file is, when it is of a system whose perls there are no tables of.
    pub fn foreign_format(&self) -> Option<&'static str> {
        match self.object().ok()?.format() {
            BinaryFormat::Elf | BinaryFormat::Pe => None,
            BinaryFormat::MachO => Some("a macOS program or library"),
            _ => Some("of another system"),
        }
    }

    /// True when the file has strings that only a perl has: one without symbols may be in it.
    pub fn mentions_perl(&self) -> bool {
        self.ask(&question::MentionsPerl).unwrap_or(false)
    }

    fn own_mentions_perl(&self) -> bool {
        let mut missing: Vec<&[u8]> = vec![b"PERL5LIB\0", b"pushmark\0", b"nextstate\0"];
        for part in self.data_parts() {
            let range = part.offset..part.offset.saturating_add(part.size);
            self.file.data.cross_off(range, &mut missing);
        }
        missing.is_empty()
    }

    /// True when this file defines a perl interpreter, whatever it is called.
    pub fn defines_interpreter(&self) -> bool {
        symbols::OF_PERL
            .iter()
            .all(|name| self.symbol(name).is_some())
    }

    /// The parsed file, for those who need more than symbols.
    ///
    /// # Errors
    /// [`object::Error`]: none in practice, as the same bytes were parsed before.
    pub fn object(&self) -> Result<object::File<'_, &FileBytes>, object::Error> {
        object::File::parse(&self.file.data)
    }

    /// Where in the file the byte at `address` is, and how many follow it in its segment.
    fn place(&self, address: u64) -> Option<(u64, u64)> {
        self.file.segments.iter().find_map(|segment| {
            let skip = address.checked_sub(segment.address)?;
            let left = segment.file_size.checked_sub(skip)?;
            let offset = segment.file_offset.checked_add(skip)?;
            (left > 0).then_some((offset, left))
        })
    }

    /// Initialised bytes at `address` as the file counts.
    pub fn bytes_at(&self, address: u64, length: usize) -> Option<Vec<u8>> {
        self.ask(&question::BytesAt { address, length }).flatten()
    }

    /// The same, of a file that is open here.
    pub fn own_bytes(&self, address: u64, length: usize) -> Option<&[u8]> {
        let length = u64::try_from(length).ok()?;
        let (offset, left) = self.place(address)?;
        (length <= left).then(|| (&self.file.data).read_bytes_at(offset, length).ok())?
    }

    /// The byte at `address` as the file counts, before a program runs: what the file does not have of a
    /// segment is zero.
    pub fn initial_byte(&self, address: u64) -> Option<u8> {
        if let Some(bytes) = self.own_bytes(address, 1) {
            return bytes.first().copied();
        }
        let covers = |segment: &Segment| {
            let skip = address.checked_sub(segment.address);
            skip.is_some_and(|skip| segment.file_size <= skip && skip < segment.memory_size)
        };
        self.file.segments.iter().any(covers).then_some(0)
    }

    /// The NUL-terminated string at `address` as the file counts, of at most `limit` bytes.
    pub fn c_string_at(&self, address: u64, limit: usize) -> Option<&[u8]> {
        let (offset, left) = self.place(address)?;
        let end = offset.checked_add(left.min(limit as u64))?;
        (&self.file.data).read_bytes_at_until(offset..end, 0).ok()
    }

    /// The pointers of the array that `name` is, as the dynamic linker would fill them in.
    pub fn pointer_array(&self, name: &str) -> Option<Vec<u64>> {
        let symbol = self.symbol(name)?;
        let width = u64::from(self.file.abi.pointer_size);
        let count = usize::try_from(symbol.size / width).ok()?;
        let bytes = self.own_bytes(symbol.address, usize::try_from(symbol.size).ok()?)?;
        let mut pointers: Vec<u64> = (0..count)
            .map_while(|i| {
                self.file
                    .abi
                    .pointer(bytes, i * usize::from(self.file.abi.pointer_size))
            })
            .collect();
        let file = self.object().ok()?;
        if self.is_mach_o() {
            let head = self.file.segments.iter();
            let head = head.filter(|s| s.file_offset == 0 && s.file_size > 0);
            let base = head.map(|s| s.address).next().unwrap_or(0);
            let is_inside = |address| self.place(address).is_some();
            for pointer in &mut pointers {
                *pointer = macho::target(*pointer, base, is_inside);
            }
        }
        let by_index: HashMap<_, _> = file
            .dynamic_symbols()
            .map(|s| (s.index(), s.address()))
            .collect();
        for (at, relocation) in file.dynamic_relocations().into_iter().flatten() {
            let Some(index) = at.checked_sub(symbol.address).filter(|o| *o < symbol.size) else {
                continue;
            };
            let Some(slot) = pointers.get_mut((index / width) as usize) else {
                continue;
            };
            // With implicit addends the addend is what the slot holds already.
            let addend = if relocation.has_implicit_addend() {
                *slot as i64
            } else {
                relocation.addend()
            };
            let base = match relocation.target() {
                RelocationTarget::Symbol(index) => by_index.get(&index).copied().unwrap_or(0),
                _ => 0,
            };
            if matches!(relocation.flags(), RelocationFlags::Elf { .. }) {
                *slot = base.wrapping_add_signed(addend);
            }
        }
        Some(pointers)
    }

    /// The strings that the array of `char *` called `name` points to, as the file has them.
    pub fn string_array(&self, name: &str) -> Option<Vec<Option<String>>> {
        let pointers = self.pointer_array(name)?;
        Some(
            pointers
                .into_iter()
                .map(|p| Some(crate::text::from_utf8(self.c_string_at(p, 128)?)))
                .collect(),
        )
    }

    /// The strings that the array of `char *` called `name` points to in the live target, where the
    /// file was moved by `bias`; empty without that symbol, `None` for what cannot be read.
    pub fn live_strings(&self, reader: &Reader<'_>, bias: u64, name: &str) -> Vec<Option<String>> {
        let Some(symbol) = self.symbol(name) else {
            return Vec::new();
        };
        let count = symbol.size / u64::from(reader.abi().pointer_size);
        let place = bias.wrapping_add(symbol.address);
        let pointers = reader.pointers(place, count.min(4096) as usize);
        reader
            .c_strings(&pointers.unwrap_or_default(), 128)
            .unwrap_or_default()
            .into_iter()
            .map(|text| text.map(|t| crate::text::from_utf8(&t)))
            .collect()
    }

    /// The start and the end of a range of data without what lies behind the file's own, where the
    /// program may have its heap; `bias` is how far the loader moved the file.
    pub fn cut_to_data(&self, bias: u64, (start, end): (u64, u64)) -> (u64, u64) {
        let writable = self.file.segments.iter().filter(|s| s.writable);
        let ends = writable.map(|s| bias.wrapping_add(s.address).wrapping_add(s.memory_size));
        match ends.max() {
            Some(last) if start < last => (start, end.min(last)),
            _ => (start, end),
        }
    }

    /// How far the loader moved the file: add it to an address of the file to get the one in the
    /// process. `maps` are the mappings of this very file.
    pub fn load_bias(&self, maps: &[Mapping]) -> Option<u64> {
        maps.iter().find_map(|map| {
            // Mappings start on a page, segments need not: both sides are rounded down alike.
            let mut loaded = self.file.segments.iter().filter(|s| s.file_size > 0);
            loaded.find_map(|segment| {
                let slack = segment.file_offset.checked_sub(map.file_offset)?;
                let length = map.end.checked_sub(map.start)?;
                (slack < length.min(0x1_0000))
                    .then(|| map.start.wrapping_add(slack).wrapping_sub(segment.address))
            })
        })
    }
}

/// Lower-case hexadecimal digits.
pub fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// The same file, without its sections if those keep it from being read; of one for several processors
/// the part for ours.
fn readable(mut data: FileBytes) -> FileBytes {
    if let Some(part) = macho::slice(&data) {
        data = data.narrowed(part);
    }
    if object::File::parse(&data).is_err() {
        data.hide_sections();
    }
    data
}

/// The length of a file, if that is a sane one.
fn bounded_length(path: &Path, file: &File) -> Result<u64, ImageError> {
    let metadata = file.metadata().map_err(|source| ImageError::Io {
        path: path.to_owned(),
        source: source.into(),
    })?;
    match metadata.len() {
        length if length > MAX_FILE => Err(ImageError::TooLarge {
            path: path.to_owned(),
        }),
        length => Ok(length),
    }
}

/// The file that has the system's perl in it: the program, or its library.
#[cfg(test)]
pub(crate) fn perl_of_the_system() -> PathBuf {
    let program = PathBuf::from("/usr/bin/perl");
    let has_it = |path: &Path| Image::open(path, path).is_ok_and(|i| i.defines_interpreter());
    if has_it(&program) {
        return program;
    }
    let asks = r#"print "$Config{archlibexp}/CORE/$Config{libperl}""#;
    let perl = std::process::Command::new(&program)
        .args(["-MConfig", "-e", asks])
        .output();
    let library = String::from_utf8(perl.unwrap().stdout).unwrap();
    library.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_laid_over_hides_nothing_and_is_seen_in_no_other() {
        let at = |address| Symbol { address, size: 8 };
        let named = |name: &str, address| (name.to_owned(), at(address));
        let abi = Abi {
            pointer_size: 8,
            big_endian: false,
        };
        let file = Image::without_file(Path::new("perl"), abi, vec![named("PL_op", 1)]);
        let one = file.with_symbols([named("PL_op", 2), named("PL_curcop", 3)]);
        let other = file.with_symbols([named("PL_curcop", 4)]);
        assert_eq!(one.symbol("PL_op"), Some(at(1)));
        assert_eq!(one.symbol("PL_curcop"), Some(at(3)));
        assert_eq!(other.symbol("PL_curcop"), Some(at(4)));
        assert_eq!(file.symbol("PL_curcop"), None);
        let moved = one.with_moved([named("PL_op", 5)]);
        assert_eq!(moved.symbol("PL_op"), Some(at(5)));
        assert!(moved.symbols().any(|found| found == ("PL_op", at(5))));
        let mut all: Vec<(&str, Symbol)> = one.symbols().collect();
        all.sort_unstable_by_key(|(_, symbol)| symbol.address);
        assert_eq!(all, [("PL_op", at(1)), ("PL_curcop", at(3))]);
    }
}
