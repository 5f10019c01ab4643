//! What the texts in a perl's file tell of it: also where every symbol is gone.

use super::build::{Build, has_word, is_mad, iv_size, nv, option_words};
use super::version::Version;
use crate::image::{Files, Image, Question};
use crate::memory::Abi;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Which perl it is, as far as the texts in its file tell.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct FileFacts {
    /// `None` where no text says it, or several say different ones.
    pub version: Option<Version>,
    /// The options that it was built with: at least those that decide how it is laid out.
    pub options: Option<Vec<String>>,
    /// `$Config{archname}`.
    pub archname: Option<String>,
    /// Its texts are those of cperl, the fork, whose structures differ from those of its version.
    pub cperl: bool,
    /// Pointer size and byte order.
    pub abi: Abi,
    /// The kind of processor.
    pub machine: Option<String>,
}

/// The question what they tell.
#[derive(Debug, Serialize, Deserialize)]
pub struct AskFileFacts;

impl Question for AskFileFacts {
    type Answer = FileFacts;
    const NAME: &'static str = "texts";

    fn answer(&self, image: &Image, _: &dyn Files) -> FileFacts {
        FileFacts::read(image)
    }
}

impl FileFacts {
    /// What the image's file tells.
    pub fn by(image: &Image) -> Self {
        let told = image.ask(&AskFileFacts).map(|told| FileFacts {
            options: told.options.map(harmless_options),
            archname: told.archname.map(harmless),
            machine: told.machine.map(harmless),
            ..told
        });
        told.unwrap_or(FileFacts {
            version: None,
            options: None,
            archname: None,
            cperl: false,
            abi: image.abi(),
            machine: None,
        })
    }

    fn read(image: &Image) -> Self {
        let banner = Banner::of(image);
        let (mut version, mut archname) = (version_in_banner(image), banner.archname);
        // Not every perl has them elsewhere.
        if version.is_none() || archname.is_none() {
            let in_paths = InPaths::of(image);
            version = version.or(in_paths.version);
            archname = archname.or(in_paths.archname);
        }
        FileFacts {
            version,
            options: options(image),
            archname,
            cperl: banner.cperl,
            abi: image.abi(),
            machine: image.machine(),
        }
    }

    /// Its threads are those of 5.005, which share one interpreter.
    pub fn has_old_threads(&self) -> bool {
        let options = self.options.as_deref().unwrap_or_default();
        OLD_THREADS.iter().any(|option| has_word(options, option))
    }

    /// Threads or not: by the options, which are certain.
    pub fn build(&self) -> Option<Build> {
        let options = self.options.as_deref()?;
        Some(if has_word(options, "USE_ITHREADS") {
            Build::Threaded
        } else if has_word(options, "MULTIPLICITY") {
            Build::Multiplicity
        } else {
            Build::Unthreaded
        })
    }

    /// The C type of floating point numbers, by the options.
    pub fn nv(&self) -> Option<&'static str> {
        Some(nv(self.options.as_deref()?))
    }

    /// Bytes in an integer, by the options.
    pub fn iv_size(&self) -> Option<u8> {
        Some(iv_size(self.options.as_deref()?, self.abi))
    }

    /// Whether it was built with -Dmad, by the options.
    pub fn is_mad(&self) -> Option<bool> {
        Some(is_mad(self.options.as_deref()?))
    }

    /// Whether the name of the architecture speaks for such a build: Configure adds words to it,
    /// but who packages a perl may change them.
    pub fn sounds_like(&self, build: Build, nv: &str) -> bool {
        let Some(name) = &self.archname else {
            return true;
        };
        let said = if name.contains("thread") {
            Build::Threaded
        } else if name.contains("-multi") {
            Build::Multiplicity
        } else {
            Build::Unthreaded
        };
        let floats = if name.ends_with("-quadmath") {
            "__float128"
        } else if name.ends_with("-ld") {
            "long double"
        } else {
            "double"
        };
        (said, floats) == (build, nv)
    }
}

/// A word that another process read in a file of somebody's: short, and fit to be shown.
pub(super) fn harmless(text: String) -> String {
    const LONGEST: usize = 200;
    crate::text::from_utf8(text.as_bytes().get(..LONGEST).unwrap_or(text.as_bytes()))
}

/// The same for a list of them.
pub(super) fn harmless_options(options: Vec<String>) -> Vec<String> {
    const MOST: usize = 500;
    options.into_iter().take(MOST).map(harmless).collect()
}

/// What the threads of 5.005 are called since 5.8, and in 5.6.
const OLD_THREADS: [&str; 2] = ["USE_5005THREADS", "USE_THREADS"];

/// Whether a perl has the threads of 5.005, by the list of its options or, where it has none, by the
/// texts that `perl -V` makes that of.
pub(super) fn has_old_threads(image: &Image, options: Option<&[String]>) -> bool {
    OLD_THREADS.iter().any(|option| match options {
        Some(options) => has_word(options, option),
        None => is_set(image, option),
    })
}

/// Whether an option's text is in the file: each is a text of its own before 5.8.8.
fn is_set(image: &Image, option: &str) -> bool {
    let text = format!(" {option}\0");
    image.text_around(text.as_bytes(), 0).is_some()
}

/// The options that decide how a perl is laid out.
const DECISIVE: [&str; 7] = [
    "MULTIPLICITY",
    "USE_ITHREADS",
    OLD_THREADS[0],
    OLD_THREADS[1],
    "USE_64_BIT_INT",
    "USE_LONG_DOUBLE",
    "USE_QUADMATH",
];

/// The options that `perl -V` prints (perl.c), known by one that all perls have which can read large
/// files. Since 5.8.8 they are one text (`PL_bincompat_options` since 5.8.9), before that each is a
/// text of its own, which is there if it is set.
fn options(image: &Image) -> Option<Vec<String>> {
    const MARKER: &[u8] = b" USE_LARGE_FILES";
    let (before, behind) = image.text_around(MARKER, 2048)?;
    let words = words_around(before, MARKER, behind);
    if words.len() > 1 {
        return Some(words);
    }
    let set = DECISIVE.iter().filter(|option| is_set(image, option));
    Some(set.map(|option| (*option).to_owned()).collect())
}

/// The options in the list that the one in the middle is of.
fn words_around(before: &[u8], middle: &[u8], behind: &[u8]) -> Vec<String> {
    let is_other = |b: &u8| !(b.is_ascii_uppercase() || b.is_ascii_digit() || b"_ ".contains(b));
    let start = before.iter().rposition(is_other).map_or(0, |at| at + 1);
    let end = behind.iter().position(is_other).unwrap_or(behind.len());
    let (before, behind) = (before.get(start..), behind.get(..end));
    option_words(
        &[
            before.unwrap_or_default(),
            middle,
            behind.unwrap_or_default(),
        ]
        .concat(),
    )
}

/// What the paths of @INC that are compiled in tell, such as `/usr/lib/perl5/5.8.8/i386-linux`: the
/// only place where perls before 5.8.9 have their version as text.
#[derive(Debug, Default, PartialEq, Eq)]
struct InPaths {
    version: Option<Version>,
    archname: Option<String>,
}

impl InPaths {
    fn of(image: &Image) -> Self {
        let parts = image.data_parts();
        Self::among(parts.into_iter().filter_map(|part| image.part(part)))
    }

    /// The most frequent version wins, as older ones may be in @INC too.
    fn among<'a>(texts: impl Iterator<Item = &'a [u8]>) -> Self {
        let mut votes: BTreeMap<Version, u32> = BTreeMap::new();
        let mut names = BTreeMap::new();
        let is_part = |b: &u8| b.is_ascii_digit() || *b == b'.';
        for data in texts {
            for at in memchr::memmem::find_iter(data, b"/5.") {
                let rest = data.get(at + 1..).unwrap_or_default();
                let Some(end) = rest.iter().position(|b| !is_part(b)) else {
                    continue;
                };
                let (text, behind) = rest.split_at(end);
                let whole = behind.first().is_some_and(|b| [b'/', 0].contains(b));
                let parsed = std::str::from_utf8(text).ok().and_then(|t| t.parse().ok());
                let Some(version) = parsed.filter(|_| whole) else {
                    continue;
                };
                *votes.entry(version).or_default() += 1;
                if let Some(name) = archname(behind) {
                    names.entry(version).or_insert(name);
                }
            }
        }
        let most = votes.values().max().copied();
        let mut winners = votes.into_iter().filter(|(_, n)| Some(*n) == most);
        let version = winners.next_back().map(|(version, _)| version);
        InPaths {
            version,
            archname: version.and_then(|version| names.remove(&version)),
        }
    }
}

/// The name of an architecture, where it is the last part of a path; `text` goes on behind it.
fn archname(text: &[u8]) -> Option<String> {
    let text = text.strip_prefix(b"/")?;
    let name = text.get(..text.iter().position(|b| *b == 0)?)?;
    let is_one = name.contains(&b'-') && name.iter().all(|b| b.is_ascii_graphic() && *b != b'/');
    (is_one && name.len() < 100).then(|| crate::text::from_utf8(name))
}

/// The version in the paths of @INC that are compiled in.
pub fn version_from_paths(image: &Image) -> Option<Version> {
    InPaths::of(image).version
}

fn version_in_banner(image: &Image) -> Option<Version> {
    version_of_perl_v(image.text_around(b"This is perl ", 80)?.1)
}

/// `5, version 36, subversion 0`.
fn version_of_perl_v(line: &[u8]) -> Option<Version> {
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
        let Some((before, behind)) = image.text_around(b" built for ", 100) else {
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
        let text = |t: &str| version_of_perl_v(t.as_bytes()).map(|v| v.to_string());
        let new = "5, version 36, subversion 3 (%-p) built for x86_64-linux";
        assert_eq!(text(new).as_deref(), Some("5.36.3"));
        assert_eq!(text(", v%vd built for %s"), None);
    }

    #[test]
    fn what_lists_of_options_tell() {
        let words = |before: &str, behind: &str| {
            let words = words_around(before.as_bytes(), b" USE_LARGE_FILES", behind.as_bytes());
            words.join(",")
        };
        let whole = words("x\0 MULTIPLICITY USE_ITHREADS", " USE_PERLIO\0 NO");
        assert_eq!(
            whole,
            "MULTIPLICITY,USE_ITHREADS,USE_LARGE_FILES,USE_PERLIO"
        );
        let quoted = words("options: USE_64_BIT_INT", " USE_PERLIO\\n\"");
        assert_eq!(quoted, "USE_64_BIT_INT,USE_LARGE_FILES,USE_PERLIO");
        assert_eq!(words(" USE_ITHREADS\0", "\0 USE_SOCKS"), "USE_LARGE_FILES");
    }

    #[test]
    fn what_paths_tell() {
        let among = |text: &str| InPaths::among(std::iter::once(text.as_bytes()));
        let found = among(
            "/opt/lib/5.8.7\0/opt/lib/5.8.8/i686-linux-thread-multi\0/opt/lib/5.8.8\0/opt/5.9/x\0",
        );
        assert_eq!(found.version, "5.8.8".parse().ok());
        assert_eq!(found.archname.as_deref(), Some("i686-linux-thread-multi"));
        let bare = among("/usr/lib/perl5/5.8.8/site_perl\0/usr/lib/perl5/5.8.8/a-b/c\0");
        assert_eq!((bare.version.is_some(), bare.archname), (true, None));
        assert_eq!(among("/lib/perl 5.8.8"), InPaths::default());
    }

    #[test]
    fn what_names_of_architectures_tell() {
        let told = |archname: Option<&str>| FileFacts {
            version: None,
            options: None,
            archname: archname.map(str::to_owned),
            cperl: false,
            abi: Abi {
                pointer_size: 8,
                big_endian: false,
            },
            machine: None,
        };
        let threaded = told(Some("x86_64-linux-thread-multi-ld"));
        assert!(threaded.sounds_like(Build::Threaded, "long double"));
        assert!(!threaded.sounds_like(Build::Threaded, "double"));
        assert!(!threaded.sounds_like(Build::Multiplicity, "long double"));
        assert!(told(Some("x86_64-linux-multi")).sounds_like(Build::Multiplicity, "double"));
        assert!(told(Some("x86_64-linux")).sounds_like(Build::Unthreaded, "double"));
        assert!(told(None).sounds_like(Build::Threaded, "__float128"));
    }
}
