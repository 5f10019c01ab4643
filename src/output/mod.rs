//! Pictures and texts: one file per format.

pub mod collapsed;
pub mod dump;
mod file;
pub mod flamegraph;
pub mod stats;

pub use file::write_whole;

use crate::cli::{By, Format};
use crate::profile::Profile;
use std::io::{self, Write};

/// The extensions that stand for a format, the usual one first.
pub fn extensions(format: Format) -> &'static [&'static str] {
    match format {
        Format::Flamegraph => flamegraph::EXTENSIONS,
        Format::Collapsed => collapsed::EXTENSIONS,
    }
}

/// How to look at a file of a format, for the summary.
pub fn viewer(format: Format) -> &'static str {
    match format {
        Format::Flamegraph => flamegraph::VIEWER,
        Format::Collapsed => collapsed::VIEWER,
    }
}

/// Renders a profile.
///
/// # Errors
/// Those of `to`.
pub fn render(
    format: Format,
    profile: &Profile,
    by: By,
    title: &str,
    to: &mut dyn Write,
) -> io::Result<()> {
    match format {
        Format::Flamegraph => flamegraph::write(profile, by, title, to),
        Format::Collapsed => collapsed::write(profile, by, to),
    }
}
