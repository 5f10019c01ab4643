//! Pictures of one recording, read by programs that we did not write.

use crate::loudly;
use crate::support;

use loudly::loudly;
use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;
use support::{PERL, SPLIT, file, folder, run, stacks, text};

/// Records [`SPLIT`] and writes what is asked for.
fn record(folder: &Path, outputs: &[&str]) {
    let script = file(folder, "split.pl", SPLIT);
    let outputs: Vec<String> = outputs
        .iter()
        .map(|name| folder.join(name).display().to_string())
        .collect();
    let mut words = vec!["record", "-r", "200"];
    for output in &outputs {
        words.extend(["-o", output]);
    }
    words.extend(["--", PERL, text(&script), "1"]);
    run(&words).expect(0, "samples due in");
}

/// Own samples by function and file.
fn own(collapsed: &str) -> BTreeMap<String, u64> {
    let mut own = BTreeMap::new();
    for (frames, count) in stacks(collapsed) {
        *own.entry(frames.last().unwrap().clone()).or_default() += count;
    }
    own
}

#[test]
fn callgrind_annotate_reads_the_same_numbers_and_finds_the_source() {
    let has_it = Command::new("callgrind_annotate").arg("--version").output();
    if has_it.is_err() {
        loudly!("SKIPPED: callgrind_annotate (valgrind) is not installed");
        return;
    }
    let folder = folder();
    record(folder.path(), &["out.callgrind", "out.folded"]);
    let collapsed = std::fs::read_to_string(folder.path().join("out.folded")).unwrap();
    let own = own(&collapsed);
    let annotated = Command::new("callgrind_annotate")
        .args(["--auto=yes", "--threshold=100", "--show=Samples"])
        .arg(folder.path().join("out.callgrind"))
        .output()
        .unwrap();
    let said = String::from_utf8(annotated.stdout).unwrap();
    let complaint = String::from_utf8_lossy(&annotated.stderr).into_owned();
    assert!(!complaint.contains("malformed"), "{complaint}");
    // "1,234 (56.78%)  what"
    let number = |end: &str| -> Option<u64> {
        let line = said.lines().find(|line| line.trim_end().ends_with(end))?;
        line.split_whitespace()
            .next()?
            .replace(',', "")
            .parse()
            .ok()
    };
    let total: u64 = own.values().sum();
    assert_eq!(number("PROGRAM TOTALS"), Some(total), "{said}");
    for sub in ["main::hot", "main::warm", "main::cool"] {
        let script = folder.path().join("split.pl");
        let script = text(&script);
        let samples = own.get(&format!("{sub} ({script})")).copied();
        assert!(samples.is_some_and(|s| s > 0), "{own:?}");
        assert_eq!(number(&format!("{script}:{sub}")), samples, "{said}");
    }
    let hot = SPLIT.lines().find(|line| line.contains("sub hot")).unwrap();
    assert!(said.contains(hot.trim()), "no source of {hot}: {said}");
}

#[test]
fn pprof_reads_the_same_numbers() {
    let has_it = Command::new("go").args(["tool", "pprof", "-help"]).output();
    if has_it.is_err() {
        loudly!("SKIPPED: pprof (golang-go) is not installed");
        return;
    }
    let folder = folder();
    record(folder.path(), &["out.pb.gz", "out.folded"]);
    let collapsed = std::fs::read_to_string(folder.path().join("out.folded")).unwrap();
    let own = own(&collapsed);
    let top = Command::new("go")
        .args(["tool", "pprof", "-sample_index=samples", "-top"])
        .args(["-nodecount=1000", "-nodefraction=0", "-edgefraction=0"])
        .arg(folder.path().join("out.pb.gz"))
        .env("HOME", folder.path())
        .output()
        .unwrap();
    let said = String::from_utf8(top.stdout).unwrap();
    // "   12  3.4%  5.6%   78  9.0%  what"
    let row = |name: &str| -> Option<u64> {
        let line = said.lines().find(|line| line.trim_end().ends_with(name))?;
        line.split_whitespace().next()?.parse().ok()
    };
    for sub in ["main::hot", "main::warm", "main::cool"] {
        let starts = format!("{sub} (");
        let samples = own.iter().find(|(name, _)| name.starts_with(&starts));
        let samples = samples.map(|(_, count)| *count);
        assert!(samples.is_some_and(|s| s > 0), "{own:?}");
        assert_eq!(row(sub), samples, "{said}");
    }
}
