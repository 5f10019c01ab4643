//! Files for package managers (`dist/manifests`): each has the version of Cargo.toml and the sums of what was made.

use crate::support;

use sha2::{Digest, Sha256};
use std::path::Path;
use std::process::{Command, Output};
use support::{PERL, file, folder, text};

const VERSION: &str = env!("CARGO_PKG_VERSION");
const FILES: [&str; 7] = [
    "aur/.SRCINFO",
    "aur/PKGBUILD",
    "homebrew/p5-spy.rb",
    "scoop/p5-spy.json",
    "winget/p5-spy.p5-spy.installer.yaml",
    "winget/p5-spy.p5-spy.locale.en-US.yaml",
    "winget/p5-spy.p5-spy.yaml",
];
const FOUND_AT: &str = "https://example.org/o/p5-spy/releases/download/v7";

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn make(archives: &Path, into: &Path, url: Option<&str>) -> Output {
    std::fs::create_dir_all(into).unwrap();
    let mut command = Command::new(PERL);
    command.arg(root().join("dist/manifests"));
    command.args([text(archives), VERSION, "A profiler", text(into)]);
    command.env_remove("P5SPY_HOMEPAGE").env_remove("P5SPY_URL");
    if let Some(url) = url {
        command.env("P5SPY_URL", url);
    }
    command.output().unwrap()
}

fn sum(bytes: &str) -> String {
    let sum = Sha256::digest(bytes.as_bytes());
    sum.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[test]
fn each_has_the_version_and_the_sums_of_what_was_made() {
    let work = folder();
    let source = format!("p5-spy-{VERSION}.tar.gz");
    let zip = format!("p5-spy-{VERSION}-windows-x86_64.zip");
    file(work.path(), &source, "the source");
    file(work.path(), &zip, "the program");
    let into = work.path().join("made");
    let made = make(work.path(), &into, Some(FOUND_AT));
    assert!(made.status.success(), "{made:?}");
    for name in FILES {
        let content = std::fs::read_to_string(into.join(name)).unwrap();
        assert!(content.contains(VERSION), "{name}: {content}");
        let is_windows = name.starts_with("scoop") || name.ends_with("installer.yaml");
        let (archive, sum) = match is_windows {
            true => (&zip, sum("the program")),
            false => (&source, sum("the source")),
        };
        if name.ends_with("locale.en-US.yaml") || name.ends_with("p5-spy.p5-spy.yaml") {
            continue;
        }
        assert!(content.contains(&sum), "{name}: {content}");
        // A shell's file has its own words for the name.
        let url = match name {
            "aur/PKGBUILD" => format!("{FOUND_AT}/$pkgname-$pkgver.tar.gz"),
            _ => format!("{FOUND_AT}/{archive}"),
        };
        assert!(content.contains(&url), "{name}: {content}");
    }
    let scoop = std::fs::read_to_string(into.join("scoop/p5-spy.json")).unwrap();
    let scoop: serde_json::Value = serde_json::from_str(&scoop).unwrap();
    assert_eq!(scoop["version"], VERSION);
    assert_eq!(scoop["homepage"], "https://example.org/o/p5-spy");
    let folder = scoop["architecture"]["64bit"]["extract_dir"].as_str();
    assert_eq!(folder, zip.strip_suffix(".zip"));
}

#[test]
fn none_is_made_of_an_archive_that_is_not_there() {
    let work = folder();
    file(
        work.path(),
        &format!("p5-spy-{VERSION}.tar.gz"),
        "the source",
    );
    let into = work.path().join("made");
    let made = make(work.path(), &into, Some(FOUND_AT));
    let said = String::from_utf8_lossy(&made.stderr).into_owned();
    assert!(
        made.status.success() && said.contains("nothing for scoop"),
        "{said}"
    );
    let is_there = ["aur", "homebrew", "scoop", "winget"].map(|name| into.join(name).exists());
    assert_eq!(is_there, [true, true, false, false]);
    for url in [
        None,
        Some("http://example.org/x"),
        Some("https://example.org/x y"),
    ] {
        assert!(!make(work.path(), &into, url).status.success(), "{url:?}");
    }
}

/// Its home is Cargo.toml.
#[test]
fn no_file_of_dist_has_a_version_of_its_own() {
    let listed = Command::new("git")
        .args(["-c", "safe.directory=*", "ls-files", "dist"])
        .current_dir(root())
        .output();
    let Ok(listed) = listed.map(|listed| String::from_utf8(listed.stdout).unwrap()) else {
        return;
    };
    for name in listed.lines() {
        // A link that is gone, or bytes that are no text, have none.
        let content = std::fs::read_to_string(root().join(name)).unwrap_or_default();
        assert!(!content.contains(&format!("\"{VERSION}\"")), "{name}");
        assert!(!content.contains(&format!("p5-spy-{VERSION}")), "{name}");
    }
}
