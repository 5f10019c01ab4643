//! Pictures and texts: one file per format.
//!
//! `render` is here (`flamegraph.rs` leaves the drawing to inferno, which colours by name); `format.rs` has
//! their names and endings, `size.rs` what one takes at most before it is made of somebody's recording.
//! `spots.rs` says what a frame is called and where it executes, `timeline.rs` gives each thread's samples in
//! order; `agreement.rs` reads all back that hold numbers by function, and compares these. Files are written through
//! a temporary one (`file.rs`).

#[cfg(test)]
mod agreement;
mod call_tree;
pub mod callgrind;
pub mod chrometrace;
pub mod collapsed;
pub mod diff;
pub mod dump;
mod file;
pub mod firefox;
pub mod flamechart;
pub mod flamegraph;
mod format;
pub mod html;
mod json;
mod limited;
pub mod pprof;
mod size;
pub mod speedscope;
mod spots;
pub mod stats;
#[cfg(test)]
mod synthetic;
mod timeline;

pub use file::write_whole;
pub use format::Format;

use crate::profile::{By, Profile};
use limited::Limited;
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
/// Those of `to`; and [`TooLarge`](crate::profile::TooLarge) before anything grows out of proportion to the file that the
/// profile was read from.
pub fn render(
    format: Format,
    profile: &Profile,
    picture: &Picture,
    to: &mut dyn Write,
) -> io::Result<()> {
    size::check(format, profile).map_err(io::Error::other)?;
    let to: &mut dyn Write = &mut Limited::new(to, profile.room.written);
    match format {
        Format::Flamegraph => flamegraph::write(profile, picture, to),
        Format::Flamechart => flamechart::write(profile, picture, to),
        Format::Collapsed => collapsed::write(profile, picture, to),
        Format::Speedscope => speedscope::write(profile, picture, to),
        Format::Pprof => pprof::write(profile, picture, to),
        Format::Callgrind => callgrind::write(profile, picture, to),
        Format::Firefox => firefox::write(profile, picture, to),
        Format::Chrometrace => chrometrace::write(profile, picture, to),
        Format::Html => html::write(profile, picture, to),
        // It is the recording itself, which a profile no longer is.
        Format::P5spy => Err(io::ErrorKind::Unsupported.into()),
    }
}
