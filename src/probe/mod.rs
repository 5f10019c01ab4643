//! Probes: declarative rules that tell an interpreter from random words. The rules are data
//! (`probes/*.toml`); this is the small fixed set of verbs that they are written in.

mod path;

use crate::layout::{Layout, schema};
use crate::memory::{ReadError, Reader};
use crate::perl::locate::VariableMap;
use crate::platform::Mapping;
use path::Path;
use serde::Deserialize;

/// The probe every interpreter must pass.
/// The build has translated it into JSON (build.rs).
const INTERPRETER: &str = include_str!(concat!(env!("OUT_DIR"), "/interpreter.toml"));

/// A probe file that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ProbeError {
    /// It is not TOML, or has words that no probe has.
    #[error("{name}: {reason}")]
    Syntax {
        /// The file.
        name: String,
        /// What is wrong, with the line.
        reason: String,
    },
    /// A path names what the schema does not have.
    #[error("{name}: {path}: {reason}")]
    Path {
        /// The file.
        name: String,
        /// The path through the schema, as it is written in the file.
        path: String,
        /// What is wrong with it.
        reason: String,
    },
}

/// A check that a candidate did not pass.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{path} {found}, but {why}")]
pub struct Refusal {
    /// What was looked at.
    pub path: String,
    /// What was there.
    pub found: String,
    /// Why an interpreter would have something else there.
    pub why: String,
}

/// What the checks are held against.
pub struct Candidate<'a> {
    /// The target.
    pub reader: Reader<'a>,
    /// Offsets by name.
    pub layout: &'a Layout,
    /// Where this interpreter's variables are.
    pub variables: &'a VariableMap<'a>,
    /// The target's memory map.
    pub maps: &'a [Mapping],
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct ProbeFile {
    #[serde(rename = "format")]
    _format: u32,
    name: String,
    check: Vec<RawCheck>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct RawCheck {
    path: String,
    why: String,
    #[serde(default)]
    optional: bool,
    pointer: Option<Access>,
    between: Option<[Bound; 2]>,
    chain: Option<RawChain>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Access {
    Readable,
    Writable,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(untagged)]
enum Bound {
    Number(i64),
    Name(String),
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct RawChain {
    next: String,
    back: String,
    limit: usize,
    last: String,
    is: Bound,
}

#[derive(Debug)]
enum CheckVerb {
    Pointer(Access),
    Between(Limit, Limit),
    Chain(RawChain),
}

#[derive(Debug)]
enum Limit {
    Number(i64),
    Constant(String),
    Path(Path),
}

#[derive(Debug)]
struct Check {
    path: Path,
    verb: CheckVerb,
    optional: bool,
    why: String,
}

fn syntax(name: &str, error: &dyn std::fmt::Display) -> ProbeError {
    ProbeError::Syntax {
        name: name.to_owned(),
        // It may quote the file.
        reason: crate::text::message(&error.to_string()),
    }
}

/// A list of checks, loaded and held against the schema.
#[derive(Debug)]
pub struct Probe {
    checks: Vec<Check>,
}

impl Probe {
    /// The probe that every interpreter must pass.
    ///
    /// # Errors
    /// [`ProbeError`] when the file in the source tree is damaged; a test sees to it that it is not.
    pub fn interpreter() -> Result<Self, ProbeError> {
        const NAME: &str = "probes/interpreter.toml";
        let file = serde_json::from_str(INTERPRETER);
        Self::of_file(file.map_err(|e| syntax(NAME, &e))?, NAME)
    }

    /// Parses the text of a probe; `name` is for messages.
    ///
    /// # Errors
    /// [`ProbeError`] when it is not TOML, or has a word that no probe has or a path that the schema lacks.
    pub fn parse(text: &str, name: &str) -> Result<Self, ProbeError> {
        Self::of_file(toml::from_str(text).map_err(|e| syntax(name, &e))?, name)
    }

    fn of_file(file: ProbeFile, name: &str) -> Result<Self, ProbeError> {
        let mut checks = Vec::new();
        for raw in file.check {
            let path_error = |path: &str, reason: String| ProbeError::Path {
                name: crate::text::message(&format!("{name} ({})", file.name)),
                path: crate::text::message(path),
                reason: crate::text::message(&reason),
            };
            let path = Path::parse(&raw.path).map_err(|e| path_error(&raw.path, e))?;
            let limit = |bound: Bound| match bound {
                Bound::Number(number) => Ok(Limit::Number(number)),
                Bound::Name(word) if schema::constant(&word).is_some() => Ok(Limit::Constant(word)),
                Bound::Name(word) => Path::parse(&word)
                    .map(Limit::Path)
                    .map_err(|e| path_error(&word, e)),
            };
            let verb = match (raw.pointer, raw.between, raw.chain) {
                (Some(access), None, None) => CheckVerb::Pointer(access),
                (None, Some([low, high]), None) => CheckVerb::Between(limit(low)?, limit(high)?),
                (None, None, Some(chain)) => {
                    for member in [&chain.next, &chain.back, &chain.last] {
                        path::member(member).map_err(|e| path_error(member, e))?;
                    }
                    CheckVerb::Chain(chain)
                }
                _ => return Err(path_error(&raw.path, "must have exactly one verb".into())),
            };
            checks.push(Check {
                path,
                verb,
                optional: raw.optional,
                why: raw.why,
            });
        }
        Ok(Probe { checks })
    }

    /// Holds every check against a candidate; the first that fails refuses it.
    ///
    /// # Errors
    /// [`Refusal`], which names the check and what was found.
    pub fn examine(&self, candidate: &Candidate<'_>) -> Result<(), Refusal> {
        self.checks.iter().try_for_each(|check| {
            check.hold(candidate).map_err(|found| Refusal {
                path: check.path.to_string(),
                found,
                why: check.why.clone(),
            })
        })
    }
}

impl Check {
    /// `Err` says what was found instead.
    fn hold(&self, candidate: &Candidate<'_>) -> Result<(), String> {
        if self.optional && !self.path.is_known(candidate) {
            return Ok(());
        }
        let value = self.path.value(candidate)?;
        match &self.verb {
            CheckVerb::Pointer(access) => candidate.access(value.unsigned, *access),
            CheckVerb::Between(low, high) => {
                let (low, high) = (low.value(candidate)?, high.value(candidate)?);
                if (low..=high).contains(&value.signed) {
                    Ok(())
                } else {
                    Err(format!("is {}, not between {low} and {high}", value.signed))
                }
            }
            CheckVerb::Chain(chain) => chain.follow(candidate, value.unsigned),
        }
    }
}

impl Limit {
    fn value(&self, candidate: &Candidate<'_>) -> Result<i64, String> {
        match self {
            Limit::Number(number) => Ok(*number),
            Limit::Constant(name) => candidate.constant(name),
            Limit::Path(path) => Ok(path.value(candidate)?.signed),
        }
    }
}

impl Candidate<'_> {
    fn access(&self, address: u64, access: Access) -> Result<(), String> {
        let map = self
            .maps
            .iter()
            .find(|m| (m.start..m.end).contains(&address));
        match map {
            None => Err(format!(
                "is {address:#x}, which is no address of the process"
            )),
            Some(map) if access == Access::Writable && !map.writable => {
                Err(format!("is {address:#x}, which cannot be written"))
            }
            Some(_) => Ok(()),
        }
    }

    fn constant(&self, name: &str) -> Result<i64, String> {
        self.layout
            .constant(name)
            .and_then(|value| i64::try_from(value).ok())
            .ok_or_else(|| format!("cannot be compared: the layout lacks {name}"))
    }

    fn read(&self, error: ReadError) -> String {
        format!("cannot be read: {error}")
    }
}

impl RawChain {
    fn follow(&self, candidate: &Candidate<'_>, first: u64) -> Result<(), String> {
        let get = |base: u64, member: &str| Path::at(member, base)?.value(candidate);
        let mut at = first;
        for _ in 0..self.limit {
            let next = get(at, &self.next)?.unsigned;
            if next == 0 {
                let wanted = match &self.is {
                    Bound::Number(number) => *number,
                    Bound::Name(name) => candidate.constant(name)?,
                };
                let last = get(at, &self.last)?.signed;
                return if last == wanted {
                    Ok(())
                } else {
                    Err(format!("ends with {} {last}, not {wanted}", self.last))
                };
            }
            let back = get(next, &self.back)?.unsigned;
            if back != at {
                return Err(format!(
                    "is a chain whose {} at {next:#x} leads to {back:#x}, not back to {at:#x}",
                    self.back
                ));
            }
            // As each leads back to the one before it, a circle can only close where it began.
            if next == first {
                return Err(format!("is a chain whose {} goes in a circle", self.next));
            }
            at = next;
        }
        Err(format!(
            "is a chain that does not end within {} steps",
            self.limit
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_probe_of_the_tree_fits_the_schema() {
        assert!(Probe::interpreter().unwrap().checks.len() >= 8);
    }

    #[test]
    fn mistakes_are_named() {
        let check = |body: &str| {
            let text = format!("format = 1\nname = \"x\"\n[[check]]\nwhy = \"y\"\n{body}");
            Probe::parse(&text, "f.toml").unwrap_err().to_string()
        };
        assert!(check("path = \"Inothing\"\npointer = \"readable\"").contains("Inothing"));
        assert!(check("path = \"Icurcop->cop_lime\"\npointer = \"readable\"").contains("cop_lime"));
        assert!(check("path = \"Icurcop\"").contains("exactly one verb"));
        assert!(check("path = \"Icurcop\"\npointer = \"soft\"").contains("line 6"));
        assert!(check("path = \"Icurcop\"\nbetween = [0, \"CXt_NONE\"]").contains("CXt_NONE"));
    }
}
