//! What was found about a perl, kept for the next time in the user's cache folder: by build-id, or where
//! the linker made none by the file itself, which must not have been written since. Who owns a file can
//! give it any build-id, but can set neither its number nor the time of its last change; and only files
//! that root or we alone can write are kept. (To hash one costs ten times what a table does.)
//!
//! An entry is a layout with the symbols that the file lacks, in a form that is read in no time
//! (`entry.rs`). It is believed only when nobody else could have written it, and it is left aside
//! when it is damaged or was written for another schema.

use super::entry::Cached;
use super::schema::{CONSTANTS, FIELDS, FieldSpec};
use super::{Resolved, entry, table};
use crate::identity::Identity;
use crate::image::{Image, Symbol};
use crate::platform::files::Folder;
use crate::platform::{opened, places};
use std::ffi::{OsStr, OsString};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

/// No entry is larger.
const MAX_ENTRY: u64 = 1 << 20;

/// A folder of entries.
#[derive(Debug, Clone)]
pub struct Cache {
    /// A folder that is there, and below it those that may be made.
    base: PathBuf,
    below: Vec<OsString>,
    /// What is there is not believed any more: it is only written.
    anew: bool,
}

impl Cache {
    /// The user's cache. `None` where there is no home. Nothing is made in a home of another user's,
    /// as some systems leave it to sudo.
    pub fn of_user() -> Option<Self> {
        let (base, below) = places::cache()?;
        base.is_absolute()
            .then(|| Cache::below(base, &below.join("p5-spy")))
    }

    /// A cache in this folder, which is there.
    pub fn at(folder: &Path) -> Self {
        Cache::below(folder.to_owned(), Path::new(""))
    }

    fn below(base: PathBuf, below: &Path) -> Self {
        let mut below: Vec<OsString> = below.iter().map(OsStr::to_owned).collect();
        // Another schema has other entries: they live in a folder of their own.
        below.push(format!("layouts-{FINGERPRINT:016x}").into());
        Cache {
            base,
            below,
            anew: false,
        }
    }

    /// Where the entries are, there or not.
    pub fn place(&self) -> PathBuf {
        self.below
            .iter()
            .fold(self.base.clone(), |at, name| at.join(name))
    }

    /// How many there are.
    ///
    /// # Errors
    /// When there is no such folder, it may not be listed, or others may write there.
    pub fn count(&self) -> io::Result<usize> {
        self.folder(false)?;
        Ok(std::fs::read_dir(self.place())?.flatten().count())
    }

    /// The folder with the entries; it and those on the way to it are ours.
    fn folder(&self, make: bool) -> io::Result<Folder> {
        let mut folder = Folder::open(&self.base)?;
        let is_ours = folder.is_ours()?;
        for name in &self.below {
            folder = folder.inside(name, make)?;
        }
        match is_ours && folder.is_private()? {
            true => Ok(folder),
            false => Err(io::Error::other(
                "the cache is not in a folder that only you can write",
            )),
        }
    }

    /// The same, to be filled anew: what is in it proved wrong.
    pub fn anew(self) -> Self {
        Cache { anew: true, ..self }
    }

    /// What is known of the perl in `image`.
    pub fn get(&self, image: &Image) -> Option<Cached> {
        if self.anew {
            return None;
        }
        let folder = self.folder(false).ok()?;
        let key = CacheKey::of(image)?;
        let bytes = read_private(&folder, &key.name)?;
        let cached = entry::read(bytes.strip_prefix(&*key.stamp)?)?;
        (cached.identity.abi == image.abi()).then_some(cached)
    }

    /// Keeps what was found. Written whole under another name first, so that nobody ever reads
    /// half an entry.
    ///
    /// # Errors
    /// When the folder cannot be made or written, or is not private, and when nothing tells the file from
    /// others.
    pub fn put(
        &self,
        image: &Image,
        identity: &Identity,
        resolved: &Resolved,
        symbols: &[(String, Symbol)],
    ) -> io::Result<()> {
        let key = CacheKey::of(image)
            .ok_or_else(|| io::Error::other("nothing tells its file from others"))?;
        let is_settled = image.seen().is_some_and(|seen| seen.is_settled);
        if !key.stamp.is_empty() && !is_settled {
            return Err(io::Error::other("its file was changed just now"));
        }
        let folder = self.folder(true)?;
        let from = table::made_from(identity, resolved, image);
        let bytes = entry::write(&from, identity, &resolved.layout, symbols)?;
        folder.write(key.name.as_ref(), &[&*key.stamp, &bytes].concat())
    }
}

/// Which entry is of a file.
struct CacheKey {
    name: String,
    /// What the entry begins with where its name does not tell files apart.
    stamp: Vec<u8>,
}

impl CacheKey {
    /// `None` where nothing tells the file from others.
    fn of(image: &Image) -> Option<Self> {
        if let Some(id) = image.build_id_hex() {
            return Some(CacheKey {
                name: format!("{id}.layout"),
                stamp: Vec::new(),
            });
        }
        // One entry for each file, however often that is written.
        let stamp = image.seen()?.stamp;
        let ((major, minor), inode) = (stamp.device, stamp.inode);
        Some(CacheKey {
            name: format!("file-{major:x}-{minor:x}-{inode:x}.layout"),
            stamp: stamp.bytes(),
        })
    }
}

/// Changes with everything that an entry's meaning depends on.
const FINGERPRINT: u64 = {
    let mut hash = Fnv::new().number(entry::FORMAT);
    hash = hash.text(env!("CARGO_PKG_VERSION"));
    let mut fields = FIELDS;
    while let [first, others @ ..] = fields {
        hash = hash.field(first);
        fields = others;
    }
    let mut constants = CONSTANTS;
    while let [first, others @ ..] = constants {
        hash = hash.text(first.name).number(first.need as u64);
        constants = others;
    }
    hash.0
};

/// FNV-1a, made for being computed by the compiler.
struct Fnv(u64);

impl Fnv {
    const fn new() -> Self {
        Fnv(0xcbf2_9ce4_8422_2325)
    }

    const fn number(self, number: u64) -> Self {
        Fnv((self.0 ^ number).wrapping_mul(0x0100_0000_01b3))
    }

    const fn text(self, text: &str) -> Self {
        let mut hash = self.number(text.len() as u64);
        let mut rest = text.as_bytes();
        while let [first, others @ ..] = rest {
            hash = hash.number(*first as u64);
            rest = others;
        }
        hash
    }

    const fn field(self, field: &FieldSpec) -> Self {
        let mut hash = self.text(field.structure).text(field.name);
        hash = hash.number(field.kind as u64).number(field.need as u64);
        let mut paths = field.dwarf;
        while let [first, others @ ..] = paths {
            hash = hash.text(first);
            paths = others;
        }
        hash
    }
}

fn read_private(folder: &Folder, name: &str) -> Option<Vec<u8>> {
    let file = folder.read(name.as_ref()).ok()?;
    let about = file.metadata().ok()?;
    if !about.is_file() || !opened::is_private(&file).ok()? {
        return None;
    }
    let mut bytes = Vec::with_capacity(usize::try_from(about.len().min(MAX_ENTRY)).ok()? + 1);
    file.take(MAX_ENTRY).read_to_end(&mut bytes).ok()?;
    Some(bytes)
}
