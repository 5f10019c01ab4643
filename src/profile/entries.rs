//! What the frames of a picture stand for: functions, lines, or packages.

use crate::frames::paths::Shortener;
use crate::frames::{Frame, FrameId, FrameKind, Function, UNKNOWN, homes};
use indexmap::IndexSet;
use std::sync::Arc;

/// What a frame stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum By {
    /// A function, whatever line of it is executing.
    #[default]
    Function,
    /// A line of a function.
    Line,
    /// A package. What has none of its own, such as an eval, is its caller's.
    Package,
}

/// One of the things that frames stand for.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Entry {
    /// What it is.
    pub kind: FrameKind,
    /// What it is called, for people.
    pub name: Arc<str>,
    /// The file and, where the name is not enough, the line; empty for what is in no file. Name and
    /// place together are no other entry's.
    pub place: Arc<str>,
    /// The file in which it is; empty for none.
    pub file: Arc<str>,
    /// The first line of a function, or the line; 0 where it is not known.
    pub line: u32,
}

impl Entry {
    /// Name and place in one text.
    pub fn text(&self) -> String {
        if self.place.is_empty() {
            self.name.to_string()
        } else {
            format!("{} ({})", self.name, self.place)
        }
    }
}

/// The entries of a list of frames.
#[derive(Debug, Default)]
pub struct Entries {
    list: IndexSet<Entry>,
    /// By [`FrameId::index`].
    of_frame: Vec<Option<u32>>,
    merges: bool,
}

impl Entries {
    /// Finds what each frame stands for; names and places are made short, files are whole.
    pub fn new(frames: &[Frame], by: By, shortener: &Shortener) -> Self {
        let mut entries = Entries {
            merges: by == By::Package,
            ..Entries::default()
        };
        let shown: Vec<Frame> = frames.iter().map(|f| shortener.frame(f)).collect();
        let places = match by {
            By::Function => {
                let functions: Vec<Function> = shown.iter().map(Frame::function).collect();
                homes(functions.iter())
            }
            By::Line => shown.iter().map(|f| f.place.to_string()).collect(),
            By::Package => vec![String::new(); frames.len()],
        };
        for ((frame, shown), place) in frames.iter().zip(&shown).zip(places) {
            let entry = match by {
                By::Package => package(frame),
                _ => Some(entry(frame, &shown.label, place, by)),
            };
            let index = entry.map(|entry| entries.list.insert_full(entry).0);
            let index = index.map(|index| u32::try_from(index).unwrap_or(u32::MAX));
            entries.of_frame.push(index);
        }
        entries
    }

    /// What a frame stands for: an index of [`Entries::iter`]; `None` for what is its caller's.
    pub fn of(&self, frame: FrameId) -> Option<u32> {
        self.of_frame.get(frame.index()).copied().flatten()
    }

    /// A frame on top of another of the same entry is that one's.
    pub fn merges(&self) -> bool {
        self.merges
    }

    /// A stack in entries, in the order in which the frames are given.
    pub fn stack(&self, frames: impl Iterator<Item = FrameId>) -> Vec<u32> {
        let mut stack: Vec<u32> = frames.filter_map(|frame| self.of(frame)).collect();
        if self.merges {
            stack.dedup();
        }
        stack
    }

    /// An entry by its index.
    pub fn get(&self, index: u32) -> Option<&Entry> {
        self.list.get_index(index as usize)
    }

    /// All entries.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = &Entry> {
        self.list.iter()
    }
}

fn known(file: &Arc<str>) -> Arc<str> {
    if &**file == UNKNOWN {
        "".into()
    } else {
        file.clone()
    }
}

fn entry(frame: &Frame, label: &Arc<str>, place: String, by: By) -> Entry {
    // A sub written in C is in no file.
    let nowhere = &*frame.file == UNKNOWN || place == UNKNOWN;
    let at = match by {
        By::Line => &frame.place,
        _ => &frame.start,
    };
    Entry {
        kind: frame.kind,
        name: label.clone(),
        place: if nowhere { "".into() } else { place.into() },
        file: if nowhere { "".into() } else { known(&at.file) },
        line: if nowhere { 0 } else { at.line },
    }
}

fn package(frame: &Frame) -> Option<Entry> {
    let name = match frame.kind {
        FrameKind::Main => "main",
        FrameKind::Sub | FrameKind::Format | FrameKind::Xsub => {
            frame.name.rsplit_once("::").map_or("main", |(p, _)| p)
        }
        FrameKind::Thread | FrameKind::Process => &frame.label,
        _ => return None,
    };
    let kind = match frame.kind {
        FrameKind::Xsub | FrameKind::Format => FrameKind::Sub,
        other => other,
    };
    Some(Entry {
        // The main program is package main.
        kind: if name == "main" {
            FrameKind::Main
        } else {
            kind
        },
        name: name.into(),
        place: "".into(),
        file: "".into(),
        line: 0,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::frames::FrameTable;

    #[test]
    fn packages_swallow_what_has_none() {
        let mut table = FrameTable::default();
        let mut add =
            |kind, name: &str| table.intern(Frame::new(kind, name.into(), "a.pl".into(), 1));
        let stack = [
            add(FrameKind::Main, "(main)"),
            add(FrameKind::Sub, "main::go"),
            add(FrameKind::Sub, "Foo::Bar::x"),
            add(FrameKind::Eval, "(eval)"),
            add(FrameKind::Sub, "Foo::Bar::y"),
            add(FrameKind::Xsub, "List::Util::sum"),
        ];
        let frames: Vec<Frame> = table.iter().cloned().collect();
        let entries = Entries::new(&frames, By::Package, &Shortener::default());
        let names: Vec<&str> = entries
            .stack(stack.into_iter())
            .into_iter()
            .map(|index| &*entries.get(index).unwrap().name)
            .collect();
        assert_eq!(names, ["main", "Foo::Bar", "List::Util"]);
    }
}
