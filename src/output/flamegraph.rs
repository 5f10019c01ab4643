//! A flame graph in SVG, drawn by inferno.

use super::call_tree::{CallTree, CountPair};
use super::spots::titles;
use super::{Picture, stats};
use crate::frames::FrameKind;
use crate::profile::{Entries, MemoryBudget, Profile};
use inferno::flamegraph::color::{Color, PaletteMap};
use inferno::flamegraph::{Options, from_lines};
use std::io::{self, Write};

/// Draws the whole profile.
///
/// # Errors
/// When `to` does not take it, or the lines take more memory than [`Profile::room`] has.
pub fn write(profile: &Profile, picture: &Picture, to: &mut dyn Write) -> io::Result<()> {
    let title = &*picture.title;
    let entries = profile.entries(picture.by);
    // There is little room: a file stands where the name alone is not enough.
    let mut tree = CallTree::default();
    let titles = titles(&entries, profile);
    tree.add::<0>(profile, &entries, &titles);
    let least = least(profile.total());
    let mut budget = MemoryBudget::new(profile.room.held);
    let mut lines = Vec::new();
    let is_seen = |[count, _]: CountPair| count as f64 >= least;
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
    let mut palette = palette(&entries, &titles);
    let mut options = options(picture);
    let is_needed = palette.iter().next().is_some();
    if is_needed {
        options.palette_map = Some(&mut palette);
    }
    from_lines(&mut options, lines.iter().map(String::as_str), to)
}

/// What runs in C is blue, everything else as warm as inferno has it.
fn palette(entries: &Entries, titles: &[String]) -> PaletteMap {
    let mut palette = PaletteMap::default();
    for (entry, title) in entries.iter().zip(titles) {
        if entry.kind == FrameKind::Native {
            let shade = title
                .bytes()
                .fold(0_u8, |sum, byte| sum.wrapping_mul(31).wrapping_add(byte))
                % 40;
            let (r, g, b) = (120 + shade, 145 + shade, 185 + shade);
            palette.insert(title, Color { r, g, b });
        }
    }
    palette
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
    (options.title, options.subtitle) = title_lines(&picture.title);
    options.count_name = "samples".to_owned();
    options.hash = true;
    options.min_width = MIN_WIDTH;
    options
}

/// A title in one line or in two, as there is room above the picture; of what is too long even for
/// that, the middle is left out.
pub(super) fn title_lines(title: &str) -> (String, Option<String>) {
    /// Letters of the usual width in a picture of the usual one: those of the title are large.
    const FIRST: usize = 108;
    const SECOND: usize = 150;
    let letters: Vec<char> = title.chars().collect();
    let Some(first) = letters.get(..FIRST).filter(|_| letters.len() > FIRST) else {
        return (title.to_owned(), None);
    };
    let space = first
        .iter()
        .rposition(|c| *c == ' ')
        .filter(|at| *at > FIRST / 2);
    let (end, next) = space.map_or((FIRST, FIRST), |at| (at, at + 1));
    let text = |from: usize, to: usize| -> String {
        letters.get(from..to).unwrap_or_default().iter().collect()
    };
    let second = match letters.len() - next > SECOND {
        true => {
            let tail = text(letters.len() - SECOND / 2, letters.len());
            format!("{}…{tail}", text(next, next + SECOND / 2 - 1))
        }
        false => text(next, letters.len()),
    };
    (text(0, end), Some(second))
}

/// The picture of no samples.
pub(super) fn empty(title: &str, profile: &Profile) -> String {
    let escape = |text: &str| {
        text.replace('&', "&amp;")
            .replace('<', "&lt;")
            .replace('>', "&gt;")
    };
    let why = escape(&stats::nothing(profile).unwrap_or_default());
    let (first, second) = title_lines(title);
    let line = |y: u32, text: &str| {
        format!(
            "<text x=\"600\" y=\"{y}\" text-anchor=\"middle\" font-family=\"monospace\">{}</text>\n",
            escape(text)
        )
    };
    let second = second.map_or_else(String::new, |text| line(46, &text));
    format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n\
         <svg xmlns=\"http://www.w3.org/2000/svg\" width=\"1200\" height=\"80\">\n{}{second}{}</svg>\n",
        line(28, &first),
        line(66, &format!("No samples: {why}"))
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_title_has_two_lines() {
        let short = "perl profile of perl x.pl";
        assert_eq!(title_lines(short), (short.into(), None));
        let long = format!("perl profile of perl {} --end", "word ".repeat(30).trim());
        let (first, second) = title_lines(&long);
        assert_eq!(format!("{first} {}", second.unwrap()), long);
        assert!(first.len() <= 108, "{first}");
        let longest = format!("perl profile of {} --end", "é".repeat(500));
        let (first, second) = title_lines(&longest);
        let second = second.unwrap();
        assert_eq!((first.chars().count(), second.chars().count()), (108, 150));
        assert!(first.starts_with("perl profile of é") && second.ends_with("é --end"));
        assert!(second.contains("é…é"));
    }
}
