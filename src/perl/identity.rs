//! Which perl this is: what the file says of itself.

use crate::image::Image;
use crate::memory::Abi;
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize};
use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

/// A version as perl counts: `5.36.0`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Version {
    /// `PERL_REVISION` (patchlevel.h).
    pub revision: u8,
    /// `PERL_VERSION`.
    pub version: u8,
    /// `PERL_SUBVERSION`.
    pub subversion: u8,
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}.{}", self.revision, self.version, self.subversion)
    }
}

impl FromStr for Version {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let bad = || format!("{text:?} is no perl version such as 5.36.0");
        let mut parts = text
            .split('.')
            .map(|part| part.parse::<u8>().map_err(|_| bad()));
        let version = Version {
            revision: parts.next().ok_or_else(bad)??,
            version: parts.next().ok_or_else(bad)??,
            subversion: parts.next().ok_or_else(bad)??,
        };
        if parts.next().is_some() {
            Err(bad())
        } else {
            Ok(version)
        }
    }
}

impl<'de> Deserialize<'de> for Version {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?
            .parse()
            .map_err(D::Error::custom)
    }
}

/// How the interpreter's variables are kept (perl.h).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Build {
    /// ithreads: one `struct interpreter` per thread.
    Threaded,
    /// MULTIPLICITY without threads: several interpreters, of which `PL_curinterp` is current.
    Multiplicity,
    /// Every `PL_x` a global.
    Unthreaded,
}

impl fmt::Display for Build {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Build::Threaded => "threaded",
            Build::Multiplicity => "multiplicity",
            Build::Unthreaded => "unthreaded",
        })
    }
}

/// All that decides where things are in a perl's structures.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    /// Its version.
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
#[derive(Debug, thiserror::Error)]
pub enum IdentityError {
    /// No perl in that file.
    #[error("it defines no perl interpreter (no PL_curinterp and PL_op_name among its symbols)")]
    NotPerl,
    /// The symbols that tell are missing or unreadable.
    #[error(
        "it is a perl, but one that does not tell its version: it has neither PL_version, as perls since 5.8.9 do, nor the path of a library folder with the version in it"
    )]
    NoVersion,
}

impl Identity {
    /// What the file says: symbols and the few bytes that they name.
    ///
    /// # Errors
    /// [`IdentityError`].
    pub fn of(image: &Image) -> Result<Self, IdentityError> {
        if !image.defines_interpreter() {
            return Err(IdentityError::NotPerl);
        }
        let byte = |name: &str| {
            let symbol = image.symbol(name)?;
            image.bytes_at(symbol.address, 1)?.first().copied()
        };
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
            .map(|text| {
                crate::text::from_utf8(text)
                    .split_whitespace()
                    .map(str::to_owned)
                    .collect()
            });
        let interpreter_size = image.symbol("PL_interp_size").and_then(|s| {
            let raw = image.abi().uint(image.bytes_at(s.address, 2)?, 0, 2)?;
            u32::try_from(raw).ok()
        });
        let build = if image.symbol("PL_thr_key").is_some() {
            Build::Threaded
        } else if image.symbol("PL_curcop").is_some() {
            Build::Unthreaded
        } else {
            Build::Multiplicity
        };
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
        let banner = Banner::of(image);
        Identity {
            version,
            build,
            abi: image.abi(),
            options: (iv_size < 8).then(Vec::new),
            interpreter_size: None,
            archname: banner.archname,
            machine: image.machine(),
            cperl: banner.cperl,
        }
    }

    fn has_option(&self, name: &str) -> bool {
        self.options.iter().flatten().any(|o| o == name)
    }

    /// The C type of floating point numbers: its size moves what stands behind it.
    pub fn nv(&self) -> &'static str {
        if self.has_option("USE_QUADMATH") {
            "__float128"
        } else if self.has_option("USE_LONG_DOUBLE") {
            "long double"
        } else {
            "double"
        }
    }

    /// Bytes in an integer: 8 unless a 32-bit perl was built without `use64bitint`.
    pub fn iv_size(&self) -> u8 {
        if self.has_option("USE_64_BIT_INT") || self.options.is_none() {
            8
        } else {
            self.abi.pointer_size
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
        if let Some(size) = self.interpreter_size {
            write!(f, ", interpreter size {size}")?;
        }
        if let Some(archname) = &self.archname {
            write!(f, ", {archname}")?;
        }
        Ok(())
    }
}

/// The version in the paths of @INC that are compiled in, such as `/usr/lib/perl5/5.8.8`: the
/// only place where perls before 5.8.9 have it as text. The most frequent wins, as older versions
/// may be in @INC too.
fn version_from_paths(image: &Image) -> Option<Version> {
    use object::{Object, ObjectSection};
    let file = image.object().ok()?;
    let mut votes: BTreeMap<Version, u32> = BTreeMap::new();
    for name in [".rodata", ".data"] {
        let section = file.section_by_name(name);
        let data = section.and_then(|s| s.data().ok()).unwrap_or_default();
        for at in memchr::memmem::find_iter(data, b"/5.") {
            let rest = data.get(at + 1..).unwrap_or_default();
            let is_part = |b: &u8| b.is_ascii_digit() || *b == b'.';
            let Some(end) = rest.iter().position(|b| !is_part(b)) else {
                continue;
            };
            let (text, behind) = rest.split_at(end);
            let whole = behind.first().is_some_and(|b| [b'/', 0].contains(b));
            let parsed = std::str::from_utf8(text).ok().and_then(|t| t.parse().ok());
            if let Some(version) = parsed.filter(|_| whole) {
                *votes.entry(version).or_default() += 1;
            }
        }
    }
    let most = votes.values().max().copied()?;
    let mut winners = votes.into_iter().filter(|(_, n)| *n == most);
    winners.next_back().map(|(version, _)| version)
}

/// The version of a perl without symbols: in the text that `perl -v` prints (perl.c, since 5.14),
/// else in the paths of @INC.
pub fn version_from_text(image: &Image) -> Option<Version> {
    from_perl_v(image.data()).or_else(|| version_from_paths(image))
}

/// `This is perl 5, version 36, subversion 0`.
fn from_perl_v(data: &[u8]) -> Option<Version> {
    let at = memchr::memmem::find(data, b"This is perl ")?;
    let line = data.get(at..data.len().min(at + 80))?;
    let mut numbers = line
        .split(|b| !b.is_ascii_digit())
        .filter(|digits| !digits.is_empty())
        .map(|digits| std::str::from_utf8(digits).ok()?.parse().ok());
    Some(Version {
        revision: numbers.next()??,
        version: numbers.next()??,
        subversion: numbers.next()??,
    })
}

/// What the text that `perl -v` prints (perl.c) says, where the file has it whole.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Banner {
    /// The word behind "built for": `$Config{archname}`.
    pub archname: Option<String>,
    /// "This is cperl", or (cperl.h) "This is %s".
    pub cperl: bool,
}

impl Banner {
    /// Finds it in a file.
    pub fn of(image: &Image) -> Self {
        let marker = b" built for ";
        let found = [".rodata", ".data"]
            .iter()
            .find_map(|section| image.text_around(section, marker, 100));
        let Some((before, behind)) = found else {
            return Banner::default();
        };
        let end = behind.iter().position(|b| !b.is_ascii_graphic());
        let name = end.and_then(|end| behind.get(..end));
        // Old perls print it with a format, and then it is not here.
        let name = name.filter(|name| !name.is_empty() && !name.contains(&b'%'));
        let has = |text: &[u8]| memchr::memmem::rfind(before, text).is_some();
        Banner {
            archname: name.map(crate::text::from_utf8),
            cperl: has(b"This is %s 5") || has(b"This is cperl"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_perl_v_prints() {
        let text = |t: &str| from_perl_v(t.as_bytes()).map(|v| v.to_string());
        let new = "\nThis is perl 5, version 36, subversion 3 (%-p) built for x86_64-linux";
        assert_eq!(text(new).as_deref(), Some("5.36.3"));
        assert_eq!(text("This is perl, v%vd built for %s"), None);
    }

    #[test]
    fn versions_parse_and_compare() {
        let parse = |t: &str| t.parse::<Version>();
        assert_eq!(parse("5.36.0").unwrap().to_string(), "5.36.0");
        assert!(parse("5.8.9").unwrap() < parse("5.36.0").unwrap());
        for bad in ["5.36", "5.36.0.1", "v5.36.0", "", "5.300.0"] {
            assert!(parse(bad).is_err(), "{bad}");
        }
    }
}
