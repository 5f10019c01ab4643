//! What a perl was built with, by the words of `PL_bincompat_options` (perl.c).

use crate::memory::Abi;
use serde::{Deserialize, Serialize};
use std::fmt;

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

/// The words of a list of options.
pub fn option_words(text: &[u8]) -> Vec<String> {
    let text = crate::text::from_utf8(text);
    text.split_whitespace().map(str::to_owned).collect()
}

/// The C type of floating point numbers: its size moves what stands behind it.
pub fn nv(options: &[String]) -> &'static str {
    if has_word(options, "USE_QUADMATH") {
        "__float128"
    } else if has_word(options, "USE_LONG_DOUBLE") {
        "long double"
    } else {
        "double"
    }
}

/// Bytes in an integer: 8 unless a 32-bit perl was built without `use64bitint`.
pub fn iv_size(options: &[String], abi: Abi) -> u8 {
    match has_word(options, "USE_64_BIT_INT") {
        true => 8,
        false => abi.pointer_size,
    }
}

/// True for a perl built with -Dmad (5.10 to 5.20): its ops have a member more, and so have other
/// places for what stands behind that.
pub fn is_mad(options: &[String]) -> bool {
    has_word(options, "PERL_MAD")
}

/// True when an option is among the words.
pub fn has_word(options: &[String], name: &str) -> bool {
    options.iter().any(|option| option == name)
}
