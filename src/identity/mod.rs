//! Which perl this is: what the file says of itself.

pub mod arrays;
pub mod build;
pub mod references;
pub mod texts;
pub mod version;

use crate::image::{Files, Image, Question, WINDOWS};
use crate::memory::Abi;
use build::{is_mad, iv_size, nv, option_words};
use serde::{Deserialize, Serialize};
use std::fmt;
use texts::{Banner, FileFacts, harmless, harmless_options, has_old_threads, version_from_paths};

pub use build::Build;
pub use version::Version;

/// All that decides where things are in a perl's structures.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Identity {
    /// Such as 5.36.0, of `PL_version` and its like or of the file's texts.
    pub version: Version,
    /// Threads or not.
    pub build: Build,
    /// Pointer size and byte order.
    pub abi: Abi,
    /// The options that break binary compatibility, as `PL_bincompat_options` lists them; `None`
    /// before 5.8.9, which has no such list.
    pub options: Option<Vec<String>>,
    /// `sizeof(struct interpreter)`, as `PL_interp_size` says (since 5.8.9, not unthreaded).
    pub interpreter_size: Option<u32>,
    /// `$Config{archname}`, where the file has it.
    pub archname: Option<String>,
    /// The kind of processor, as [`Image::machine`] names it.
    pub machine: Option<String>,
    /// It is cperl, whose structures differ from those of the perl of the same number.
    pub cperl: bool,
}

/// Why it is not known which perl this is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error, Serialize, Deserialize)]
pub enum IdentityError {
    /// No perl in that file.
    #[error("it defines no perl interpreter (no PL_curinterp and PL_op_name among its symbols)")]
    NotPerl,
    /// The symbols that tell are missing or unreadable.
    #[error(
        "it is a perl, but one that does not tell its version: it has neither PL_version, as perls since 5.8.9 do, nor the path of a library folder with the version in it"
    )]
    NoVersion,
    /// Its threads are those of 5.005, which share one interpreter.
    #[error(
        "this perl was built with the threads of 5.005 (-Duse5005threads), and p5-spy does not support such perls. It reads programs that run under a perl without threads, or with those that perls have now (-Duseithreads)"
    )]
    OldThreads,
    /// Nobody could read it.
    #[error("what it says of itself cannot be read")]
    Unread,
}

/// The question which perl a file is.
#[derive(Debug, Serialize, Deserialize)]
pub struct WhichPerl;

impl Question for WhichPerl {
    type Answer = Result<Identity, IdentityError>;
    const NAME: &'static str = "identity";

    fn answer(&self, image: &Image, _: &dyn Files) -> Self::Answer {
        Identity::read(image)
    }
}

impl Identity {
    /// What the file says: symbols and the few bytes that they name.
    ///
    /// # Errors
    /// [`IdentityError`] when the file defines no interpreter, does not say its version, or cannot be read.
    pub fn of(image: &Image) -> Result<Self, IdentityError> {
        let answer = image.ask(&WhichPerl).unwrap_or(Err(IdentityError::Unread));
        answer.map(|identity| Identity {
            options: identity.options.map(harmless_options),
            archname: identity.archname.map(harmless),
            machine: identity.machine.map(harmless),
            abi: image.abi(),
            ..identity
        })
    }

    fn read(image: &Image) -> Result<Self, IdentityError> {
        if !image.defines_interpreter() {
            return Err(IdentityError::NotPerl);
        }
        let byte = |name: &str| image.initial_byte(image.symbol(name)?.address);
        let version = || {
            Some(Version {
                revision: byte("PL_revision")?,
                version: byte("PL_version")?,
                subversion: byte("PL_subversion")?,
            })
        };
        let version = version()
            .or_else(|| version_from_paths(image))
            .ok_or(IdentityError::NoVersion)?;
        let options = image
            .symbol("PL_bincompat_options")
            .and_then(|s| image.c_string_at(s.address, 4096))
            .map(option_words);
        let interpreter_size = image.symbol("PL_interp_size").and_then(|s| {
            let raw = image.abi().uint(image.own_bytes(s.address, 2)?, 0, 2)?;
            u32::try_from(raw).ok()
        });
        let build = if image.symbol("PL_thr_key").is_some() {
            Build::Threaded
        } else if image.symbol("PL_curcop").is_some() {
            Build::Unthreaded
        } else {
            Build::Multiplicity
        };
        if build == Build::Threaded && has_old_threads(image, options.as_deref()) {
            return Err(IdentityError::OldThreads);
        }
        let banner = Banner::of(image);
        Ok(Identity {
            version,
            build,
            abi: image.abi(),
            options,
            interpreter_size,
            archname: banner.archname,
            machine: image.machine(),
            cperl: banner.cperl,
        })
    }

    /// A perl whose symbols are gone: what was found out otherwise, and what its texts say.
    pub fn without_symbols(image: &Image, version: Version, build: Build, iv_size: u8) -> Self {
        let told = FileFacts::by(image);
        Identity {
            version,
            build,
            abi: told.abi,
            options: told.options.or_else(|| (iv_size < 8).then(Vec::new)),
            interpreter_size: None,
            archname: told.archname,
            machine: told.machine,
            cperl: told.cperl,
        }
    }

    /// The C type of floating point numbers: its size moves what stands behind it.
    pub fn nv(&self) -> &'static str {
        nv(self.options.as_deref().unwrap_or_default())
    }

    /// It was built with -Dmad.
    pub fn is_mad(&self) -> bool {
        is_mad(self.options.as_deref().unwrap_or_default())
    }

    /// It is a Windows perl.
    pub fn is_of_windows(&self) -> bool {
        let machine = self.machine.as_deref();
        machine.is_some_and(|machine| machine.contains(WINDOWS))
    }

    /// Bytes in an integer: 8 unless a 32-bit perl was built without `use64bitint`.
    pub fn iv_size(&self) -> u8 {
        match &self.options {
            Some(options) => iv_size(options, self.abi),
            None => 8,
        }
    }
}

impl fmt::Display for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let bits = u32::from(self.abi.pointer_size) * 8;
        let name = if self.cperl { "cperl" } else { "perl" };
        write!(f, "{name} {} {}, {bits} bit", self.version, self.build)?;
        if self.abi.big_endian {
            write!(f, ", big-endian")?;
        }
        if self.nv() != "double" {
            write!(f, ", {}", self.nv())?;
        }
        if self.is_mad() {
            write!(f, ", mad")?;
        }
        if let Some(size) = self.interpreter_size {
            write!(f, ", interpreter size {size}")?;
        }
        if let Some(archname) = &self.archname {
            write!(f, ", {archname}")?;
        }
        Ok(())
    }
}
