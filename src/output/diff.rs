//! What two profiles differ in: a differential flame graph, and a list for people.

use super::Picture;
use super::collapsed::lines;
use super::flamegraph::{empty, options};
use super::size;
use crate::profile::{Change, Difference, Profile};
use inferno::differential;
use inferno::flamegraph::from_lines;
use std::fmt::Write as _;
use std::io::{self, Write};

/// Draws what is after, in red where it grew and in blue where it shrank. The earlier profile is
/// scaled to as many samples as the later one has.
///
/// # Errors
/// Those of `to`.
pub fn write(
    before: &Profile,
    after: &Profile,
    picture: &Picture,
    to: &mut dyn Write,
) -> io::Result<()> {
    size::check_both([before, after]).map_err(io::Error::other)?;
    let text = |profile: &Profile| {
        let lines = lines(profile, picture.by);
        let lines: Vec<String> = lines.iter().map(|(l, c)| format!("{l} {c}\n")).collect();
        lines.concat()
    };
    let mut merged = Vec::new();
    let how = differential::Options {
        normalize: true,
        ..differential::Options::default()
    };
    differential::from_readers(
        how,
        text(before).as_bytes(),
        text(after).as_bytes(),
        &mut merged,
    )?;
    let merged = String::from_utf8(merged).map_err(io::Error::other)?;
    if after.total() == 0 {
        return to.write_all(empty(&picture.title, after).as_bytes());
    }
    let mut options = options(picture);
    // Colours are the change's.
    options.hash = false;
    from_lines(&mut options, merged.lines(), to)
}

/// The entries that gained and lost most, as a table.
pub fn text(differences: &[Difference], count: usize) -> String {
    let mut out = String::new();
    let gained: Vec<&Difference> = differences.iter().filter(|d| d.own.by() > 0.0).collect();
    let lost = differences.iter().rev().filter(|d| d.own.by() < 0.0);
    let lost: Vec<&Difference> = lost.collect();
    let mut doubtful = false;
    for (title, list) in [("Gained", gained), ("Lost", lost)] {
        if list.is_empty() {
            continue;
        }
        if !out.is_empty() {
            out.push('\n');
        }
        let _ = writeln!(
            out,
            "{title:<8}own before   after  change            total before   after  change"
        );
        for difference in list.iter().take(count) {
            let own = columns(&difference.own, &mut doubtful);
            let total = columns(&difference.total, &mut doubtful);
            let _ = writeln!(out, "        {own}  {total}  {}", difference.name);
        }
    }
    if out.is_empty() {
        return "No function has another share of its own than before.\n".into();
    }
    out.push_str(
        "\nShares in percent of the samples, changes in percentage points with 95 % confidence,\nas if each sample were independent of the others.\n",
    );
    if doubtful {
        out.push_str("? may be chance alone: record for longer to be sure.\n");
    }
    out
}

fn columns(change: &Change, doubtful: &mut bool) -> String {
    let [before, after] = change.shares.map(|share| 100.0 * share);
    let mark = if change.is_certain() { ' ' } else { '?' };
    *doubtful |= !change.is_certain();
    format!(
        "{before:10.1} {after:7.1} {:+7.1} ± {:<4.1}{mark}",
        100.0 * change.by(),
        100.0 * change.margin
    )
}
