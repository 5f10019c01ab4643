//! What was found about a perl, kept for the next time: by build-id, in the user's cache folder.
//!
//! An entry is a layout with the symbols that the file lacks, in a form that is read in no time
//! (`entry.rs`). It is believed only when nobody else could have written it, and it is left aside
//! when it is damaged or was written for another schema.

use super::entry;
use super::schema::{CONSTANTS, FIELDS, FieldSpec};
use super::{Resolved, table};
use crate::image::{Image, Symbol};
use crate::perl::identity::Identity;
use crate::process::effective_user;
use std::ffi::OsStr;
use std::fs;
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

/// Names of entries for files without a build-id begin so.
const HASHED: &str = "sha256-";
/// No entry is larger.
const MAX_ENTRY: u64 = 1 << 20;

/// A folder of entries.
#[derive(Debug, Clone)]
pub struct Cache {
    folder: PathBuf,
    /// What is there is not believed any more: it is only written.
    anew: bool,
}

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

impl Cache {
    /// The user's cache: `$XDG_CACHE_HOME/p5-spy` or `~/.cache/p5-spy`. `None` where there is no
    /// home.
    pub fn of_user() -> Option<Self> {
        let base = std::env::var_os("XDG_CACHE_HOME")
            .filter(|v| !v.is_empty())
            .map(PathBuf::from)
            .or_else(|| Some(PathBuf::from(std::env::var_os("HOME")?).join(".cache")))?;
        base.is_absolute().then(|| Cache::at(&base.join("p5-spy")))
    }

    /// A cache in this folder.
    pub fn at(folder: &Path) -> Self {
        // Another schema has other entries: they live in a folder of their own.
        Cache {
            folder: folder.join(format!("layouts-{FINGERPRINT:016x}")),
            anew: false,
        }
    }

    /// The same, to be filled anew: what is in it proved wrong.
    pub fn anew(self) -> Self {
        Cache { anew: true, ..self }
    }

    /// What is known of the perl in `image`.
    pub fn get(&self, image: &Image) -> Option<Cached> {
        if self.anew || !is_private(&self.folder) {
            return None;
        }
        // To hash a file of many megabytes takes longer than to find its layout anew.
        if image.build_id().is_none() && !self.has_hashes() {
            return None;
        }
        let path = self.folder.join(file_name(image)?);
        let cached = entry::read(&read_private(&path)?)?;
        (cached.identity.abi == image.abi()).then_some(cached)
    }

    /// True when something is known of a file without a build-id.
    fn has_hashes(&self) -> bool {
        let is_one = |name: &OsStr| name.as_encoded_bytes().starts_with(HASHED.as_bytes());
        fs::read_dir(&self.folder)
            .is_ok_and(|mut names| names.any(|e| e.is_ok_and(|e| is_one(&e.file_name()))))
    }

    /// Keeps what was found. Written whole under another name first, so that nobody ever reads
    /// half an entry.
    ///
    /// # Errors
    /// When the folder cannot be made or written, or is not private.
    pub fn put(
        &self,
        image: &Image,
        identity: &Identity,
        resolved: &Resolved,
        symbols: &[(String, Symbol)],
    ) -> io::Result<()> {
        let mut builder = fs::DirBuilder::new();
        builder.recursive(true).mode(0o700).create(&self.folder)?;
        if !is_private(&self.folder) {
            let folder = self.folder.display();
            return Err(io::Error::other(format!(
                "{folder} is not a folder that only you can write"
            )));
        }
        let from = table::made_from(identity, resolved, image);
        let bytes = entry::write(&from, identity, &resolved.layout, symbols)?;
        let mut file = tempfile::NamedTempFile::new_in(&self.folder)?;
        file.write_all(&bytes)?;
        let name = file_name(image).ok_or(io::ErrorKind::FileTooLarge)?;
        file.persist(self.folder.join(name))?;
        Ok(())
    }
}

/// The build-id, or where the linker made none a hash of the file; `None` where it has neither.
fn file_name(image: &Image) -> Option<String> {
    let hashed = || Some(format!("{HASHED}{}", image.digest()?));
    let key = image.build_id_hex().or_else(hashed)?;
    Some(format!("{key}.layout"))
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

/// True for a folder that belongs to us and that only we (and root) can write.
fn is_private(folder: &Path) -> bool {
    let ours = |path: &Path| {
        fs::symlink_metadata(path).is_ok_and(|m| m.is_dir() && is_ours(m.uid(), m.mode()))
    };
    ours(folder) && folder.parent().is_some_and(ours)
}

fn is_ours(uid: u32, mode: u32) -> bool {
    uid == effective_user() && mode & 0o022 == 0
}

fn read_private(path: &Path) -> Option<Vec<u8>> {
    let file = fs::OpenOptions::new()
        .read(true)
        .custom_flags(libc::O_NOFOLLOW | libc::O_NONBLOCK)
        .open(path)
        .ok()?;
    let metadata = file.metadata().ok()?;
    if !metadata.is_file() || !is_ours(metadata.uid(), metadata.mode()) {
        return None;
    }
    let mut bytes = Vec::with_capacity(usize::try_from(metadata.len().min(MAX_ENTRY)).ok()? + 1);
    file.take(MAX_ENTRY).read_to_end(&mut bytes).ok()?;
    Some(bytes)
}
