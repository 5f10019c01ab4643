//! What the system lets p5-spy do here, found out by doing it.

use super::Obstacle;

/// Something that p5-spy does, or does better, where the system lets it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ability {
    /// What it is, in a few words.
    pub what: &'static str,
    /// It is to be had; `None` where that cannot be tried.
    pub there: Option<bool>,
    /// What was found, or what happens without.
    pub found: String,
    /// What can be done; `None` where nothing is amiss or nothing helps.
    pub better: Option<Better>,
}

/// What would improve matters.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Better {
    /// What to do, in words.
    Said(&'static str),
    /// What helps against this.
    Against(Obstacle),
}

impl Ability {
    /// One that is there.
    pub(super) fn there(what: &'static str, found: impl Into<String>) -> Self {
        Ability {
            what,
            there: Some(true),
            found: found.into(),
            better: None,
        }
    }

    /// One that cannot be tried.
    pub(super) fn unknown(what: &'static str, found: impl Into<String>) -> Self {
        Ability {
            what,
            there: None,
            found: found.into(),
            better: None,
        }
    }

    /// One that is missing.
    pub(super) fn missing(
        what: &'static str,
        found: impl Into<String>,
        better: Option<&'static str>,
    ) -> Self {
        Ability {
            what,
            there: Some(false),
            found: found.into(),
            better: better.map(Better::Said),
        }
    }

    /// One that something stands in the way of.
    pub(super) fn hindered(what: &'static str, obstacle: Obstacle) -> Self {
        Ability {
            what,
            there: Some(false),
            found: format!("cannot be read: {}", obstacle.in_short()),
            better: Some(Better::Against(obstacle)),
        }
    }
}
