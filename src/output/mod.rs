//! Pictures and texts: one file per format.

pub mod collapsed;
pub mod dump;
mod file;
pub mod flamegraph;
mod format;
pub mod html;
pub mod stats;

pub use file::write_whole;
pub use format::Format;

use crate::profile::{By, Profile};
use std::io::{self, Write};

/// What a picture is to show.
#[derive(Debug, Clone, Default)]
pub struct Picture {
    /// What a frame stands for.
    pub by: By,
    /// What stands above it.
    pub title: String,
}

/// Renders a profile.
///
/// # Errors
/// Those of `to`.
pub fn render(
    format: Format,
    profile: &Profile,
    picture: &Picture,
    to: &mut dyn Write,
) -> io::Result<()> {
    match format {
        Format::Flamegraph => flamegraph::write(profile, picture, to),
        Format::Collapsed => collapsed::write(profile, picture, to),
        Format::Html => html::write(profile, picture, to),
        Format::Speedscope
        | Format::Pprof
        | Format::Callgrind
        | Format::Firefox
        | Format::Chrometrace
        | Format::P5spy => Err(io::Error::other("not yet")),
    }
}
