//! Seeds of a target: files made by `make-corpus`, and what was found before.

use std::fs;
use std::path::{Path, PathBuf};

/// No seed is larger: what is short is tried more often.
const LARGEST: u64 = 1 << 20;

/// A folder of this crate's.
pub fn folder(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(name)
}

/// All seeds of a target, in an order that stays.
pub fn seeds(target: &str) -> Vec<Vec<u8>> {
    let mut files = Vec::new();
    for kind in ["corpus", "regressions"] {
        let entries = fs::read_dir(folder(kind).join(target));
        files.extend(entries.into_iter().flatten().flatten().map(|e| e.path()));
    }
    files.sort();
    let small =
        |file: &PathBuf| fs::metadata(file).is_ok_and(|m| m.is_file() && m.len() <= LARGEST);
    files.retain(small);
    files
        .iter()
        .filter_map(|file| fs::read(file).ok())
        .collect()
}
