//! What p5-spy is made of: licences, where it comes from, no crate twice. `deny.toml` has the rules;
//! cargo-deny reads them too, where it is installed, and knows more (advisories).

use super::loudly::loudly;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::process::Command;

fn rules() -> toml::Table {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/deny.toml");
    let text = std::fs::read_to_string(path).expect("deny.toml");
    text.parse().expect("TOML")
}

fn words(value: &toml::Value) -> Vec<&str> {
    let words = value.as_array().expect("a list").iter();
    words.map(|word| word.as_str().expect("a word")).collect()
}

/// The crates that cargo would use for this machine, tests included. `None` where there is no cargo.
fn metadata() -> Option<Value> {
    if !Path::new(env!("CARGO")).exists() {
        loudly!("SKIPPED the crates of the program: there is no cargo");
        return None;
    }
    let asked = Command::new(env!("CARGO"))
        .args(["metadata", "--format-version", "1", "--locked", "--offline"])
        .args(["--filter-platform", &host()])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .expect("cargo runs");
    let said = String::from_utf8_lossy(&asked.stderr);
    assert!(asked.status.success(), "{said}");
    Some(serde_json::from_slice(&asked.stdout).expect("JSON"))
}

fn host() -> String {
    let rustc = std::env::var_os("RUSTC").unwrap_or("rustc".into());
    let asked = Command::new(rustc).arg("-vV").output().expect("rustc runs");
    let text = String::from_utf8(asked.stdout).expect("text");
    let host = text.lines().find_map(|line| line.strip_prefix("host: "));
    host.expect("rustc names its host").to_owned()
}

fn text<'a>(value: &'a Value, name: &str) -> &'a str {
    value[name].as_str().unwrap_or_default()
}

/// The packages that are part of the program or of its build.
fn built(metadata: &Value) -> Vec<&Value> {
    let nodes = metadata["resolve"]["nodes"].as_array().expect("nodes");
    let nodes: BTreeMap<&str, &Value> = nodes.iter().map(|n| (text(n, "id"), n)).collect();
    let mut found = BTreeSet::new();
    let mut open = vec![text(&metadata["resolve"], "root")];
    while let Some(id) = open.pop() {
        if !found.insert(id) {
            continue;
        }
        for needed in nodes[id]["deps"].as_array().expect("dependencies") {
            let kinds = needed["dep_kinds"].as_array().expect("kinds");
            if kinds.iter().any(|k| k["kind"] != "dev") {
                open.push(text(needed, "pkg"));
            }
        }
    }
    let packages = metadata["packages"].as_array().expect("packages");
    let built = packages.iter().filter(|p| found.contains(text(p, "id")));
    built.collect()
}

/// Whether an SPDX expression can be fulfilled with these licences. `/` is an old way to write OR.
fn may_be_used(expression: &str, allowed: &[&str]) -> bool {
    let spaced = expression.replace('/', " OR ");
    let spaced = spaced.replace('(', " ( ").replace(')', " ) ");
    let mut words = spaced.split_whitespace().peekable();
    let verdict = either(&mut words, allowed);
    assert_eq!(words.next(), None, "{expression}");
    verdict
}

type Words<'a> = std::iter::Peekable<std::str::SplitWhitespace<'a>>;

fn either(words: &mut Words, allowed: &[&str]) -> bool {
    let mut verdict = both(words, allowed);
    while words.next_if_eq(&"OR").is_some() {
        verdict |= both(words, allowed);
    }
    verdict
}

fn both(words: &mut Words, allowed: &[&str]) -> bool {
    let mut verdict = one(words, allowed);
    while words.next_if_eq(&"AND").is_some() {
        verdict &= one(words, allowed);
    }
    verdict
}

fn one(words: &mut Words, allowed: &[&str]) -> bool {
    let word = words.next().expect("a licence");
    if word == "(" {
        let verdict = either(words, allowed);
        assert_eq!(words.next(), Some(")"));
        return verdict;
    }
    // What an exception permits comes on top of its licence.
    if words.next_if_eq(&"WITH").is_some() {
        words.next().expect("an exception");
    }
    allowed.contains(&word)
}

#[test]
fn expressions_are_understood() {
    let allowed = ["MIT", "Apache-2.0"];
    for (expression, verdict) in [
        ("MIT", true),
        ("GPL-2.0-only", false),
        ("GPL-2.0-only OR MIT", true),
        ("GPL-2.0-only AND MIT", false),
        ("GPL-2.0-only/MIT", true),
        ("(MIT OR GPL-2.0-only) AND Unicode-3.0", false),
        ("Unicode-3.0 AND Zlib OR MIT", true),
        ("Apache-2.0 WITH LLVM-exception", true),
    ] {
        assert_eq!(may_be_used(expression, &allowed), verdict, "{expression}");
    }
}

#[test]
fn licences_are_those_of_the_list() {
    let rules = rules();
    let licences = &rules["licenses"];
    let exceptions = licences["exceptions"].as_array().expect("a list");
    let mut bad = Vec::new();
    let Some(metadata) = metadata() else {
        return;
    };
    for package in metadata["packages"].as_array().expect("packages") {
        let (name, licence) = (text(package, "name"), text(package, "license"));
        let mut allowed = words(&licences["allow"]);
        for exception in exceptions {
            if exception["crate"].as_str() == Some(name) {
                allowed.extend(words(&exception["allow"]));
            }
        }
        if licence.is_empty() || !may_be_used(licence, &allowed) {
            bad.push(format!("{name}: {licence}"));
        }
    }
    assert!(bad.is_empty(), "not in deny.toml: {bad:#?}");
}

#[test]
fn everything_comes_from_the_one_registry() {
    let Some(metadata) = metadata() else {
        return;
    };
    let packages = metadata["packages"].as_array().expect("packages");
    let others = packages
        .iter()
        .filter(|p| p["id"] != metadata["resolve"]["root"]);
    let sources: BTreeSet<&str> = others.map(|p| text(p, "source")).collect();
    // Cargo.lock has its name, and a checksum for each crate.
    let is_registry = sources.iter().all(|s| s.starts_with("registry+"));
    assert!(sources.len() == 1 && is_registry, "{sources:?}");
}

#[test]
fn no_crate_is_built_twice_but_those_that_are_known() {
    let Some(metadata) = metadata() else {
        return;
    };
    let mut versions: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for package in built(&metadata) {
        let found = versions.entry(text(package, "name")).or_default();
        found.insert(text(package, "version"));
    }
    versions.retain(|_, found| found.len() > 1);
    let rules = rules();
    let skipped = rules["bans"]["skip"].as_array().expect("a list").iter();
    let known: BTreeSet<&str> = skipped
        .filter_map(|rule| rule["crate"].as_str()?.split('@').next())
        .collect();
    let twice: BTreeSet<&str> = versions.keys().copied().collect();
    assert_eq!(twice, known, "{versions:#?}");
}
