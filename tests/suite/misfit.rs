//! A layout that passes the probe and leads to names that are none does not fit.

use crate::support;

use std::path::{Path, PathBuf};
use support::{Target, spy};

const SCRIPT: &str = "package Other; sub inner { print qq(ready\\n); sysread STDIN, my $x, 1 } sub outer { inner() } $| = 1; outer();";

/// The table of the perl that tests run on, with one member elsewhere.
fn wrong_table(folder: &Path) -> PathBuf {
    let output = {
        let mut command = spy();
        command.arg("layout-dump").arg(&support::this_perl().file);
        command.output().unwrap()
    };
    let table = String::from_utf8(output.stdout).unwrap();
    let line = table
        .lines()
        .find(|l| l.starts_with("xgv_stash = "))
        .unwrap();
    let offset: u64 = line["xgv_stash = ".len()..].parse().unwrap();
    let wrong = table.replace(line, &format!("xgv_stash = {}", offset + 8));
    let tables = folder.join("tables");
    std::fs::create_dir(&tables).unwrap();
    std::fs::write(tables.join("wrong.toml"), wrong).unwrap();
    std::fs::copy(
        Path::new(env!("CARGO_MANIFEST_DIR")).join("layouts/flags.toml"),
        tables.join("flags.toml"),
    )
    .unwrap();
    tables
}

fn dump(target: &Target, tables: &Path, words: &[&str]) -> (bool, String, String) {
    let mut command = spy();
    command.args([
        "dump",
        "--no-cache",
        "--pid",
        &target.pid().to_string(),
        "--layouts",
    ]);
    command.arg(tables).args(words);
    let output = command.output().unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (
        output.status.success(),
        text(&output.stdout),
        text(&output.stderr),
    )
}

#[test]
fn a_table_whose_names_are_nonsense_does_not_fit() {
    let folder = support::folder();
    let tables = wrong_table(folder.path());
    let target = Target::start(SCRIPT);
    target.blocks();
    let (is_ok, out, err) = dump(&target, &tables, &["--no-learn"]);
    assert!(!is_ok, "{out}");
    assert!(err.contains("does not fit this perl"), "{err}");
    assert!(!out.contains("inner"), "{out}");
    let (is_ok, out, err) = dump(&target, &tables, &[]);
    assert!(is_ok, "{err}");
    assert!(err.contains("does not fit this perl"), "{err}");
    assert!(err.contains("learned the layout"), "{err}");
    assert!(
        out.contains("Other::inner") && out.contains("Other::outer"),
        "{out}"
    );
}
