//! Frames for formats that have fields of their own for a name, a file and a line.

use crate::frames::{Frame, FrameId, UNKNOWN};
use crate::profile::{By, Entries, Entry, Profile};
use indexmap::IndexSet;
use std::collections::HashMap;
use std::sync::Arc;

/// One frame as it is shown, and where it is executing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Spot {
    /// What it is: an index of [`Spots::entry`].
    pub entry: u32,
    /// The file in which it is executing: an index of [`Spots::file`].
    pub file: u32,
    /// The line there; 0 where there is none.
    pub line: u32,
}

/// The spots of a profile's frames.
#[derive(Debug)]
pub struct Spots {
    entries: Entries,
    titles: Vec<String>,
    files: IndexSet<Arc<str>>,
    of_frame: Vec<Option<Spot>>,
    merges: bool,
}

impl Spots {
    /// Finds what each frame of a profile is shown as.
    pub fn new(profile: &Profile, by: By) -> Self {
        let entries = profile.entries(by);
        let titles = titles(&entries, profile);
        let mut files = IndexSet::new();
        let of_frame = profile.frames.iter().zip(0..).map(|(frame, index)| {
            let entry = entries.of(FrameId::at(index))?;
            let (file, line) = executing(frame, entries.get(entry)?);
            let file = files.insert_full(file).0;
            Some(Spot {
                entry,
                file: u32::try_from(file).unwrap_or(u32::MAX),
                line,
            })
        });
        Spots {
            of_frame: of_frame.collect(),
            titles,
            files,
            merges: by == By::Package,
            entries,
        }
    }

    /// A stack, in the order in which its frames are given.
    pub fn stack(&self, frames: impl Iterator<Item = FrameId>) -> Vec<Spot> {
        let of = |frame: FrameId| self.of_frame.get(frame.index()).copied().flatten();
        let mut stack: Vec<Spot> = frames.filter_map(of).collect();
        if self.merges {
            stack.dedup();
        }
        stack
    }

    /// An entry's name, with its place where the name alone would be another's too.
    pub fn title(&self, entry: u32) -> &str {
        self.titles.get(entry as usize).map_or("", String::as_str)
    }

    /// An entry by its index.
    pub fn entry(&self, entry: u32) -> Option<&Entry> {
        self.entries.get(entry)
    }

    /// A file's name by its index; empty for none.
    pub fn file(&self, file: u32) -> &str {
        self.files.get_index(file as usize).map_or("", |f| f)
    }

    /// All entries with their titles.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (&Entry, &str)> {
        self.entries
            .iter()
            .zip(self.titles.iter().map(String::as_str))
    }
}

/// The file and the line; what is in no file, such as a sub written in C, executes in none.
fn executing(frame: &Frame, entry: &Entry) -> (Arc<str>, u32) {
    if entry.file.is_empty() {
        return ("".into(), 0);
    }
    if &*frame.place.file == UNKNOWN {
        return (entry.file.clone(), 0);
    }
    (frame.place.file.clone(), frame.place.line)
}

/// The names of entries, each with its place where the name alone would be another's too.
pub(super) fn titles(entries: &Entries, profile: &Profile) -> Vec<String> {
    let mut names: HashMap<&str, u32> = HashMap::new();
    for entry in entries.iter() {
        *names.entry(&entry.name).or_default() += 1;
    }
    let title = |entry: &Entry| {
        let is_alone = names.get(&*entry.name) == Some(&1);
        let says_where = *entry.place == *profile.shortener.path(&entry.file)
            || entry.name.contains(&format!("[{}]", entry.place));
        match is_alone && says_where {
            true => entry.name.to_string(),
            false => entry.text(),
        }
    };
    entries.iter().map(title).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::output::synthetic;

    #[test]
    fn a_name_that_two_have_says_where_it_is() {
        let profile = synthetic::profile();
        let spots = Spots::new(&profile, By::Function);
        let titles: Vec<&str> = spots.iter().map(|(_, title)| title).collect();
        assert!(titles.contains(&"Shop::order"), "{titles:?}");
        assert!(titles.contains(&"Shop::twin (lib/Shop.pm)"), "{titles:?}");
        assert!(titles.contains(&"Shop::twin (lib/Other.pm)"), "{titles:?}");
        let mut alone = titles.clone();
        alone.sort_unstable();
        alone.dedup();
        assert_eq!(alone.len(), titles.len());
    }

    #[test]
    fn what_is_written_in_c_executes_in_no_file() {
        let profile = synthetic::profile();
        let spots = Spots::new(&profile, By::Function);
        for (frame, index) in profile.frames.iter().zip(0..) {
            let spot = spots.stack([FrameId::at(index)].into_iter())[0];
            match &*frame.name {
                "List::Util::sum" => assert_eq!((spots.file(spot.file), spot.line), ("", 0)),
                _ if spots.entry(spot.entry).unwrap().file.is_empty() => {}
                _ => assert_eq!(spots.file(spot.file), &*frame.place.file),
            }
        }
    }
}
