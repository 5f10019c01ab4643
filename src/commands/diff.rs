//! `p5-spy report --diff`: what two raw recordings differ in.

use super::print;
use super::report::{describe, wrote};
use super::spool::RecordingOrigin;
use crate::cli::{By, Format, Output, hints};
use crate::frames::paths::Shortener;
use crate::output::stats::nothing;
use crate::output::{Picture, diff, html, write_whole};
use crate::profile::{Filter, Fold, Profile, compare};
use crate::recording::load;
use crate::say::part;
use anyhow::{Context, bail};
use std::fs::File;
use std::io::{BufReader, Seek, SeekFrom};
use std::path::{Path, PathBuf};

/// How many that gained, and as many that lost, are listed.
const LISTED: usize = 10;

/// What of them is compared, and as what.
pub struct DiffSettings {
    pub filter: Filter,
    pub fold: Fold,
    pub by: By,
    pub full_filenames: bool,
    pub max_memory: Option<u64>,
}

#[inline(never)]
pub fn run(
    files: &[PathBuf; 2],
    outputs: &[Output],
    settings: &DiffSettings,
) -> anyhow::Result<u8> {
    let [before, after] = files;
    let by = settings.by;
    let open = |file| open(file, settings);
    let (mut before, mut after) = (open(before)?, open(after)?);
    if !settings.full_filenames {
        // One name for one file in both: else it would seem to have gone, and another to have come.
        let folders = [&*before.about.folder, &*after.about.folder];
        let both = Shortener::of(before.frames.iter().chain(&after.frames), folders);
        before.shortener = both.clone();
        after.shortener = both;
    }
    for (name, profile) in [("Before: ", &before), ("After: ", &after)] {
        part(name);
        describe(profile);
    }
    for (file, profile) in files.iter().zip([&before, &after]) {
        if let Some(why) = nothing(profile) {
            bail!(
                "{}: no samples to compare: {why}{}",
                file.display(),
                hints::emptiness(profile)
            );
        }
    }
    diff::check(&before, &after)?;
    let picture = Picture {
        by,
        title: format!("{}, before and after", after.about.title),
    };
    for output in outputs {
        write_whole(&output.file, &mut |to| match output.format {
            Format::Html => html::write_both(&before, &after, &picture, to),
            _ => diff::write(&before, &after, &picture, to),
        })?;
        wrote(output);
    }
    let to_stdout = outputs.iter().any(|o| o.file.as_os_str() == "-");
    let text = diff::text(&compare(&before, &after, by), LISTED);
    if to_stdout {
        part(text);
    } else {
        print(text.as_bytes())?;
    }
    Ok(0)
}

fn open(file: &Path, settings: &DiffSettings) -> anyhow::Result<Profile> {
    let origin = RecordingOrigin::File(settings.max_memory);
    let problem = || format!("cannot use {}", file.display());
    let mut from = File::open(file).with_context(problem)?;
    let room = origin.room(from.seek(SeekFrom::End(0)).with_context(problem)?);
    from.rewind().with_context(problem)?;
    let loaded = load(BufReader::new(from), &settings.filter, false, &room);
    let mut profile = loaded.with_context(problem)?;
    profile.fold(&settings.fold);
    Ok(profile)
}
