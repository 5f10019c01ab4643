//! What two profiles differ in: a differential flame graph, and a list for people.

use super::call_tree::{CallTree, CountPair};
use super::flamegraph::{empty, least, options};
use super::{Picture, size};
use crate::profile::{Change, Difference, Entry, MemoryBudget, Profile, TooLarge};
use inferno::differential;
use inferno::flamegraph::from_lines;
use std::fmt::Write as _;
use std::io::{self, Write};

/// Refuses profiles of which too much would be made.
///
/// # Errors
/// [`TooLarge`] when it would be larger than the two files let one expect.
pub fn check(before: &Profile, after: &Profile) -> Result<(), TooLarge> {
    size::check_both([before, after])
}

/// Draws what is after, in red where it grew and in blue where it shrank. The earlier profile is
/// scaled to as many samples as the later one has.
///
/// # Errors
/// When `to` does not take it, or the lines take more memory than [`Profile::room`] has.
pub fn write(
    before: &Profile,
    after: &Profile,
    picture: &Picture,
    to: &mut dyn Write,
) -> io::Result<()> {
    let [before_text, after_text] = texts(before, after, picture)?;
    let mut merged = Vec::new();
    let how = differential::Options {
        normalize: true,
        ..differential::Options::default()
    };
    differential::from_readers(
        how,
        before_text.as_bytes(),
        after_text.as_bytes(),
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

/// Both as collapsed stacks, as far as one of them would be drawn.
fn texts(before: &Profile, after: &Profile, picture: &Picture) -> io::Result<[String; 2]> {
    let mut tree = CallTree::default();
    let named = |profile: &Profile| {
        let entries = profile.entries(picture.by);
        let texts: Vec<String> = entries.iter().map(Entry::text).collect();
        (entries, texts)
    };
    let (entries, texts) = named(before);
    tree.add::<0>(before, &entries, &texts);
    let (entries, texts) = named(after);
    tree.add::<1>(after, &entries, &texts);
    let [least_before, least_after] = [before, after].map(|profile| least(profile.total()));
    let is_seen =
        |[before, after]: CountPair| before as f64 >= least_before || after as f64 >= least_after;
    // Two profiles of one room each.
    let room = &after.room;
    let mut budget = MemoryBudget::new(room.held.saturating_add(before.room.held));
    let [mut of_before, mut of_after] = [String::new(), String::new()];
    tree.each_line(room, &is_seen, &mut |line, [before, after]| {
        // The texts, what both become together, and inferno's own.
        budget
            .take(6 * line.len() as u64)
            .map_err(io::Error::other)?;
        for (text, count) in [(&mut of_before, before), (&mut of_after, after)] {
            if count > 0 {
                let _ = writeln!(text, "{line} {count}");
            }
        }
        Ok(())
    })?;
    Ok([of_before, of_after])
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
