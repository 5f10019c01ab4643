//! Versions of perl.

use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::fmt;
use std::str::FromStr;

/// A version as perl counts: `5.36.0`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Version {
    /// `PERL_REVISION` (patchlevel.h).
    pub revision: u8,
    /// `PERL_VERSION`.
    pub version: u8,
    /// `PERL_SUBVERSION`.
    pub subversion: u8,
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}.{}", self.revision, self.version, self.subversion)
    }
}

impl FromStr for Version {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let bad = || format!("{text:?} is no perl version such as 5.36.0");
        let mut parts = text
            .split('.')
            .map(|part| part.parse::<u8>().map_err(|_| bad()));
        let version = Version {
            revision: parts.next().ok_or_else(bad)??,
            version: parts.next().ok_or_else(bad)??,
            subversion: parts.next().ok_or_else(bad)??,
        };
        if parts.next().is_some() {
            Err(bad())
        } else {
            Ok(version)
        }
    }
}

impl Serialize for Version {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Version {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?
            .parse()
            .map_err(D::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_parse_and_compare() {
        let parse = |t: &str| t.parse::<Version>();
        assert_eq!(parse("5.36.0").unwrap().to_string(), "5.36.0");
        assert!(parse("5.8.9").unwrap() < parse("5.36.0").unwrap());
        for bad in ["5.36", "5.36.0.1", "v5.36.0", "", "5.300.0"] {
            assert!(parse(bad).is_err(), "{bad}");
        }
    }
}
