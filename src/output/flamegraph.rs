//! A flame graph in SVG, drawn by inferno.

use super::Picture;
use super::call_tree::{CallTree, Counts};
use super::spots::titles;
use super::stats;
use crate::profile::{Budget, Profile};
use inferno::flamegraph::{Options, from_lines};
use std::io::{self, Write};

/// Draws the whole profile.
///
/// # Errors
/// Those of `to`.
pub fn write(profile: &Profile, picture: &Picture, to: &mut dyn Write) -> io::Result<()> {
    let title = &*picture.title;
    let entries = profile.entries(picture.by);
    // There is little room: a file stands where the name alone is not enough.
    let mut tree = CallTree::default();
    tree.add::<0>(profile, &entries, &titles(&entries, profile));
    let least = least(profile.total());
    let mut budget = Budget::new(profile.room.held);
    let mut lines = Vec::new();
    let is_seen = |[count, _]: Counts| count as f64 >= least;
    tree.each_line(&profile.room, &is_seen, &mut |line, [count, _]| {
        // inferno keeps the line, and something for each of its frames.
        budget
            .take(2 * line.len() as u64)
            .map_err(io::Error::other)?;
        lines.push(format!("{line} {count}"));
        Ok(())
    })?;
    if lines.is_empty() {
        // inferno refuses to draw nothing; a picture that says so is better than no file.
        return to.write_all(empty(title, profile).as_bytes());
    }
    let mut options = options(picture);
    from_lines(&mut options, lines.iter().map(String::as_str), to)
}

/// In percent of the whole: what is smaller is less than a tenth of a pixel wide.
const MIN_WIDTH: f64 = 0.01;

/// How many samples of so many a box must have to be drawn.
pub(super) fn least(total: u64) -> f64 {
    total as f64 * MIN_WIDTH / 100.0
}

/// How flame graphs look.
pub(super) fn options(picture: &Picture) -> Options<'static> {
    let mut options = Options::default();
    options.title = fitted(&picture.title);
    options.count_name = "samples".to_owned();
    options.hash = true;
    options.min_width = MIN_WIDTH;
    options
}

/// A title as long as there is room above the picture: the middle of a longer one is left out.
fn fitted(title: &str) -> String {
    /// Letters of the usual width in a picture of the usual one.
    const LONGEST: usize = 108;
    let letters: Vec<char> = title.chars().collect();
    let (Some(begin), Some(end)) = (
        letters.get(..LONGEST / 2),
        letters.get(letters.len().saturating_sub(LONGEST / 2 - 1)..),
    ) else {
        return title.to_owned();
    };
    match letters.len() > LONGEST {
        true => begin.iter().chain(&['…']).chain(end).collect(),
        false => title.to_owned(),
    }
}

/// The picture of no samples.
pub(super) fn empty(title: &str, profile: &Profile) -> String {
    let escape = |text: &str| {
        text.replace('&', "&amp;")
            .replace('<', "&lt;")
            .replace('>', "&gt;")
    };
    let escaped = escape(&fitted(title));
    let why = escape(&stats::nothing(profile).unwrap_or_default());
    format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n\
         <svg xmlns=\"http://www.w3.org/2000/svg\" width=\"1200\" height=\"80\">\n\
         <text x=\"600\" y=\"30\" text-anchor=\"middle\" font-family=\"monospace\">{escaped}</text>\n\
         <text x=\"600\" y=\"55\" text-anchor=\"middle\" font-family=\"monospace\">No samples: {why}</text>\n\
         </svg>\n"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_title_is_cut_in_its_middle() {
        let short = "perl profile of perl x.pl";
        assert_eq!(fitted(short), short);
        let long = format!("perl profile of {} --end", "é".repeat(500));
        let cut = fitted(&long);
        assert_eq!(cut.chars().count(), 108);
        assert!(cut.starts_with("perl profile of é") && cut.ends_with("é --end"));
        assert!(cut.contains('…'));
    }
}
