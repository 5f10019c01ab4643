//! Numbers that no structure holds: from `layouts/flags.toml` by version, and from the target's
//! own arrays where it tells.

use super::table::{TableError, parse_built_in, parse_number_table};
use super::{Layout, Origin};
use crate::identity::Version;
use serde::Deserialize;
use std::collections::BTreeMap;
use std::path::Path;

/// The name of the file in a folder of tables that holds flags and no layout.
pub const FLAGS_FILE: &str = "flags.toml";

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct FlagsFile {
    #[serde(rename = "format")]
    _format: u32,
    set: Vec<FlagSet>,
}

/// The flags of one range of versions.
#[derive(Debug, Clone, Deserialize)]
pub struct FlagSet {
    name: String,
    since: Option<Version>,
    before: Option<Version>,
    #[serde(flatten)]
    numbers: BTreeMap<String, u64>,
}

impl FlagSet {
    fn covers(&self, version: Version) -> bool {
        self.since.is_none_or(|since| version >= since)
            && self.before.is_none_or(|before| version < before)
    }

    /// Adds the numbers that the layout lacks, if the set is for this version.
    pub fn add_to(&self, layout: &mut Layout, version: Version) {
        if self.covers(version) {
            let origin = Origin::Flags(self.name.as_str().into());
            for (name, value) in &self.numbers {
                layout.add_constant(name, *value, &origin);
            }
        }
    }
}

/// Parses the text of a flags file.
pub(super) fn parse_flags(text: &str, path: &Path) -> Result<Vec<FlagSet>, TableError> {
    let file: FlagsFile = parse_number_table(text, path)?;
    for set in &file.set {
        for name in set.numbers.keys() {
            if super::schema::constant(name).is_none() {
                return Err(TableError::unknown(
                    path,
                    text,
                    name,
                    "is no constant that p5-spy uses",
                ));
            }
        }
    }
    Ok(file.set)
}

/// The flags that are built into the program.
///
/// # Errors
/// [`TableError`] when the file in the source tree is damaged; a test sees to it that it is not.
pub fn embedded_flag_sets() -> Result<Vec<FlagSet>, TableError> {
    // That every name is known is for a test to check, which has more time.
    let file: FlagsFile = parse_built_in(
        include_str!(concat!(env!("OUT_DIR"), "/flags.toml")),
        Path::new("layouts/flags.toml"),
    )?;
    Ok(file.set)
}

/// The context types, from the strings of the target's `PL_block_type`, whose index is the
/// number (perl.h). Types that the array does not name are left to other sources.
pub fn block_type_numbers(names: &[Option<String>]) -> Vec<(&'static str, u64)> {
    let number = |wanted: &str| {
        let mut places = names
            .iter()
            .enumerate()
            .filter(|(_, n)| n.as_deref() == Some(wanted));
        let first = places.next()?;
        places.next().is_none().then_some(first.0 as u64)
    };
    let wanted = [
        ("CXt_SUB", "SUB"),
        ("CXt_FORMAT", "FORMAT"),
        ("CXt_EVAL", "EVAL"),
    ];
    let mut found: Vec<(&str, u64)> = wanted
        .into_iter()
        .filter_map(|(constant, name)| Some((constant, number(name)?)))
        .collect();
    // Some old perls leave types out at the end.
    // Where the file says no sizes (a DLL's exports), zeros that follow the array seem to be in it.
    if found.len() == wanted.len()
        && let Some(last) = names.iter().rposition(Option::is_some)
    {
        found.push(("CXt_LAST", last as u64));
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_version_gets_every_number_it_needs() {
        let sets = embedded_flag_sets().unwrap();
        for version in [
            "5.6.2", "5.8.9", "5.10.1", "5.16.3", "5.22.4", "5.24.0", "5.36.0", "5.41.4", "5.46.0",
        ] {
            let version: Version = version.parse().unwrap();
            let mut layout = Layout::default();
            for set in &sets {
                set.add_to(&mut layout, version);
            }
            for constant in super::super::schema::CONSTANTS {
                if constant.need == super::super::schema::Need::Required {
                    assert!(
                        layout.constant(constant.name).is_some(),
                        "{version}: {}",
                        constant.name
                    );
                }
            }
        }
    }

    #[test]
    fn every_number_that_is_built_in_is_used() {
        for name in embedded_flag_sets()
            .unwrap()
            .iter()
            .flat_map(|s| s.numbers.keys())
        {
            assert!(super::super::schema::constant(name).is_some(), "{name}");
        }
    }

    #[test]
    fn no_version_gets_two_values_for_one_number() {
        let sets = embedded_flag_sets().unwrap();
        for minor in 6..60 {
            for sub in 0..12 {
                let version = Version {
                    revision: 5,
                    version: minor,
                    subversion: sub,
                };
                let mut seen = BTreeMap::new();
                for set in sets.iter().filter(|s| s.covers(version)) {
                    for (name, value) in &set.numbers {
                        let before = seen.insert(name.clone(), *value);
                        assert_eq!(before, None, "{version} {name}");
                    }
                }
            }
        }
    }

    #[test]
    fn block_types_are_their_own_index() {
        let names: Vec<Option<String>> = ["NULL", "WHEN", "SUB", "FORMAT", "EVAL"]
            .iter()
            .map(|n| Some((*n).to_owned()))
            .collect();
        assert_eq!(
            block_type_numbers(&names),
            [
                ("CXt_SUB", 2),
                ("CXt_FORMAT", 3),
                ("CXt_EVAL", 4),
                ("CXt_LAST", 4)
            ]
        );
        let doubled = vec![Some("SUB".to_owned()), Some("SUB".to_owned()), None];
        assert_eq!(block_type_numbers(&doubled), []);
    }
}
