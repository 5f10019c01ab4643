//! `p5-spy doctor`: what this machine lets p5-spy do, and where its files are.

use super::print;
use crate::cli::{config_folder, foreign_config_folder, hints};
use crate::layout::{Cache, TableSet};
use crate::platform::{Ability, abilities, effective_user, system, user_name};
use serde::Serialize;
use std::fmt::Write as _;
use std::path::Path;

/// What is told, as one document.
#[derive(Serialize)]
struct DoctorDocument {
    version: &'static str,
    /// The system and the processor that it was built for.
    built_for: String,
    system: String,
    user: String,
    abilities: Vec<Told>,
    files: Vec<(&'static str, String)>,
}

#[derive(Serialize)]
struct Told {
    what: &'static str,
    /// null where it cannot be tried.
    there: Option<bool>,
    found: String,
    /// What would improve it.
    better: Option<String>,
}

impl From<Ability> for Told {
    fn from(one: Ability) -> Self {
        Told {
            what: one.what,
            there: one.there,
            found: crate::text::message(&one.found),
            better: one.better.as_ref().map(hints::better),
        }
    }
}

#[inline(never)]
pub fn run(json: bool) -> anyhow::Result<u8> {
    let document = DoctorDocument {
        version: env!("CARGO_PKG_VERSION"),
        built_for: format!(
            "{} {}, {}",
            std::env::consts::OS,
            std::env::consts::ARCH,
            env!("P5SPY_LINKED")
        ),
        system: system(),
        user: user_name(effective_user()),
        abilities: abilities().into_iter().map(Told::from).collect(),
        files: files(),
    };
    let text = match json {
        true => serde_json::to_string_pretty(&document)? + "\n",
        false => document.text(),
    };
    print(text.as_bytes())?;
    Ok(0)
}

/// Where the files are that say how p5-spy works.
fn files() -> Vec<(&'static str, String)> {
    let shown = |path: &Path| crate::text::from_utf8(path.as_os_str().as_encoded_bytes());
    let is_there = |path: &Path| match path.exists() {
        true => "",
        false => " (not there)",
    };
    let config = match (config_folder(), foreign_config_folder()) {
        (_, Some(foreign)) => format!("{} is another user's: not used", shown(&foreign)),
        (Some(folder), None) => {
            let file = folder.join("config.toml");
            format!("{}{}", shown(&file), is_there(&file))
        }
        (None, None) => "none: there is no home".into(),
    };
    let tables = TableSet::embedded().len();
    let tables = match config_folder().map(|folder| folder.join("layouts")) {
        Some(own) => match own.is_dir().then(|| TableSet::from_folder(&own)) {
            None => format!("{tables} built in; your own go to {}", shown(&own)),
            Some(Ok(found)) => format!("{tables} built in, {} in {}", found.len(), shown(&own)),
            Some(Err(e)) => format!(
                "{tables} built in; {}",
                crate::text::message(&e.to_string())
            ),
        },
        None => format!("{tables} built in"),
    };
    let cache = match Cache::of_user() {
        None => "none: there is no home of yours".into(),
        Some(cache) => match cache.count() {
            Ok(count) => format!("{} ({count} perls)", shown(&cache.place())),
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => {
                format!("{} (not there yet)", shown(&cache.place()))
            }
            Err(e) => format!("{}: not used: {e}", shown(&cache.place())),
        },
    };
    let options = match std::env::var_os("P5SPY_OPTS") {
        Some(words) => crate::text::from_utf8(words.as_encoded_bytes()),
        None => "not set".into(),
    };
    vec![
        ("configuration", config),
        ("P5SPY_OPTS", options),
        ("layout tables", tables),
        ("cache", cache),
    ]
}

impl DoctorDocument {
    fn text(&self) -> String {
        let mut text = format!(
            "p5-spy {} ({})\n{}, as {}\n",
            self.version, self.built_for, self.system, self.user
        );
        let width = self.abilities.iter().map(|one| one.what.len());
        let files = self.files.iter().map(|(name, _)| name.len());
        let width = width.chain(files).max().unwrap_or(0);
        let mut line = |mark: &str, what: &str, found: &str| {
            // A String takes any text.
            let _ = writeln!(text, "  {mark:<3} {what:<width$}  {found}");
        };
        for one in &self.abilities {
            let mark = match one.there {
                Some(true) => "yes",
                Some(false) => "no",
                None => "?",
            };
            line(mark, one.what, &one.found);
        }
        for (name, found) in &self.files {
            line("", name, found);
        }
        let mut better = self
            .abilities
            .iter()
            .filter_map(|one| Some((one.what, one.better.as_ref()?)));
        if let Some(first) = better.next() {
            text.push_str("What would improve matters:\n");
            for (what, how) in std::iter::once(first).chain(better) {
                let _ = writeln!(text, "  {what}: {how}");
            }
        }
        text
    }
}
