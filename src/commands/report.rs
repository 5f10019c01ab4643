//! `p5-spy report`: pictures of a raw recording.

use super::spool::Pictures;
use super::warn;
use crate::cli::{Output, hints};
use crate::output::stats;
use crate::profile::Profile;
use crate::say::say;
use anyhow::Context;
use std::fs::File;
use std::path::Path;

#[inline(never)]
pub fn run(file: &Path, pictures: &Pictures) -> anyhow::Result<u8> {
    let problem = || format!("cannot use {}", file.display());
    let mut from = File::open(file).with_context(problem)?;
    let mut said = false;
    pictures
        .make(&mut from, &mut |output, profile| {
            if !said {
                said = true;
                describe(profile);
            }
            wrote(output);
        })
        .with_context(problem)?;
    Ok(0)
}

/// What the recording is, in a line or two.
pub(super) fn describe(profile: &Profile) {
    say(format_args!(
        "{}",
        crate::text::message(&profile.about.title)
    ));
    say(format_args!(
        "{}",
        stats::text(&profile.summary, profile.about.rate)
    ));
    if let Some(hint) = hints::account(&profile.summary) {
        say(hint);
    }
    if profile.is_cut {
        let seconds = profile.duration().as_secs_f64();
        warn(format!(
            "the recording was cut off after {seconds:.1} s; this is what it has up to then"
        ));
    }
}

pub(super) fn wrote(output: &Output) {
    if output.file.as_os_str() != "-" {
        let file = output.file.display().to_string();
        let viewer = output.format.viewer().replace("FILE", &file);
        say(format_args!("Wrote {file} ({viewer})"));
    }
}
