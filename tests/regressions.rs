//! What fuzzing found once, and what it starts from: every file of `tests/fuzz/regressions` and
//! `tests/fuzz/corpus` is looked at again, without the fuzz crate.

#[allow(dead_code)] // The fuzzer uses the rest.
#[path = "fuzz/src/memory.rs"]
mod memory;
#[path = "fuzz/src/targets/mod.rs"]
mod targets;

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

#[global_allocator]
static MEMORY: memory::Bounded = memory::Bounded;

/// Many times what each takes. What does not end at all is for the test runner's user to see.
const LONGEST: Duration = Duration::from_secs(20);

fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).into_iter().flatten();
    let mut files: Vec<PathBuf> = entries.map(|e| e.unwrap().path()).collect();
    files.sort();
    files
}

#[test]
fn nothing_that_was_found_comes_back() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fuzz");
    for target in targets::ALL {
        let kinds = ["corpus", "regressions"].map(|kind| folder.join(kind).join(target.name));
        let inputs: Vec<PathBuf> = kinds.iter().flat_map(|kind| files(kind)).collect();
        assert!(!inputs.is_empty(), "{} has no seed", target.name);
        for input in inputs {
            let name = input.display().to_string();
            let bytes = std::fs::read(&input).unwrap();
            memory::INPUT.lock().unwrap().clone_from(&name);
            let started = Instant::now();
            let run = std::panic::catch_unwind(|| (target.run)(&bytes));
            assert!(run.is_ok(), "{name} (p5-spy panicked; its words are above)");
            let took = started.elapsed();
            assert!(took < LONGEST, "{name} took {took:?}");
        }
    }
}

/// A folder that belongs to no target would never be looked at.
#[test]
fn every_seed_has_its_target() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fuzz");
    for kind in ["corpus", "regressions"] {
        for found in files(&folder.join(kind)) {
            let name = found.file_name().unwrap();
            let known = targets::ALL.iter().any(|target| target.name == name);
            assert!(known, "{} is of no target", found.display());
        }
    }
}
