//! Frames as they are shown, each kept once.

use crate::hash::OrderedSet;
use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

/// What a frame is, for people and for `--json`.
/// Raw recordings have the order of these: a new one comes last.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum FrameKind {
    /// The main program: the outermost frame of every stack.
    Main,
    /// A sub, method, closure or BEGIN block.
    Sub,
    /// A format that `write` runs.
    Format,
    /// eval BLOCK or eval STRING.
    Eval,
    /// `require`, `use` or `do FILE`.
    Require,
    /// A sub written in C; `caller` does not give it, nor any of the following.
    Xsub,
    /// The op that is running.
    Op,
    /// The system call that a thread waits in.
    Syscall,
    /// What made C code call Perl: a sort, a tie, an overloaded operator, a signal.
    Synthetic,
    /// A thread, below the frames that it runs.
    Thread,
    /// A process, below its threads.
    Process,
    /// A function of C that an op or a sub in C calls.
    Native,
}

/// A line of a file.
#[derive(Debug, Clone, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
pub struct Place {
    /// The file's name, as perl has it or made shorter for people.
    pub file: Arc<str>,
    /// The line; 0 where it is not known.
    pub line: u32,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            0 => f.write_str(&self.file),
            line => write!(f, "{}:{line}", self.file),
        }
    }
}

/// One frame: what `caller` gives, and what people are shown.
#[derive(Debug, Clone, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
pub struct Frame {
    /// What it is.
    pub kind: FrameKind,
    /// Its name as `caller` gives it: `Package::sub`, `(eval)`, `(main)`.
    pub name: Arc<str>,
    /// Its name for people: `Package::__ANON__[lib/Package.pm:12]`, `require Package.pm`.
    pub label: Arc<str>,
    /// What the name does not say: `block` or `string` of an eval, the file of a `require`.
    pub detail: Option<Arc<str>>,
    /// The file in which it is executing.
    pub file: Arc<str>,
    /// The line on which it is executing; 0 where perl has none.
    pub line: u32,
    /// The same for people: the file of a string eval with the place of the eval, and the right
    /// line where `caller` of old perls gives a wrong one.
    pub place: Place,
    /// Where it begins: the first statement of a sub, the statement of an eval.
    pub start: Place,
}

impl Frame {
    /// A frame of which nothing is known but what `caller` would give.
    pub fn new(kind: FrameKind, name: Arc<str>, file: Arc<str>, line: u32) -> Self {
        Frame {
            kind,
            label: name.clone(),
            name,
            detail: None,
            place: Place {
                file: file.clone(),
                line,
            },
            start: Place {
                file: file.clone(),
                line: 0,
            },
            file,
            line,
        }
    }

    /// The function that it is a call of.
    pub fn function(&self) -> Function {
        Function {
            label: self.label.clone(),
            start: self.start.clone(),
            is_numerous: self.kind == FrameKind::Eval || self.name.ends_with("::BEGIN"),
        }
    }
}

/// A function, as profiles tell them apart: two subs of one name are two functions, and a sub is
/// the same wherever a `#line` directive says that it is executing.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Function {
    /// Its name for people.
    pub label: Arc<str>,
    /// Where it begins.
    pub start: Place,
    /// Many in one file have this name, so that only their lines tell them apart.
    is_numerous: bool,
}

impl Function {
    /// Where it is, as it stands beside the label: the file, and where the label is not enough the
    /// line. Empty for what begins in no file.
    pub fn home(&self) -> String {
        if &*self.start.file == UNKNOWN {
            String::new()
        } else if self.is_numerous && self.start.line != 0 {
            self.start.to_string()
        } else {
            self.start.file.to_string()
        }
    }
}

/// The texts of functions, each its own: where two subs of one file have one name, as after a
/// redefinition, the lines are added.
pub fn homes<'a>(functions: impl Iterator<Item = &'a Function>) -> Vec<String> {
    let functions: Vec<(&Function, String)> = functions.map(|f| (f, f.home())).collect();
    let mut starts: HashMap<(&str, &str), Option<u32>> = HashMap::new();
    for (function, home) in &functions {
        let line = function.start.line;
        let same = starts.entry((&function.label, home)).or_insert(Some(line));
        if *same != Some(line) {
            *same = None;
        }
    }
    let is_shared = |f: &Function, home: &String| starts.get(&(&*f.label, &**home)) == Some(&None);
    functions
        .iter()
        .map(|(function, home)| match function.start.line {
            line if line != 0 && is_shared(function, home) => function.start.to_string(),
            _ => home.clone(),
        })
        .collect()
}

/// Names one frame of a [`FrameTable`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct FrameId(u32);

impl FrameId {
    /// The frame at a place of a table, whether it is there or not.
    pub fn at(index: u32) -> Self {
        FrameId(index)
    }

    /// Its place in the table.
    pub fn index(self) -> usize {
        self.0 as usize
    }
}

/// Every frame seen, once.
#[derive(Debug, Default)]
pub struct FrameTable {
    frames: OrderedSet<Frame>,
}

impl FrameTable {
    /// The id of a frame, new or known.
    pub fn intern(&mut self, frame: Frame) -> FrameId {
        FrameId(u32::try_from(self.frames.insert_full(frame).0).unwrap_or(u32::MAX))
    }

    /// Every frame, by its index.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = &Frame> {
        self.frames.iter()
    }

    /// The frame of an id of this table.
    pub fn get(&self, id: FrameId) -> Option<&Frame> {
        self.frames.get_index(id.0 as usize)
    }
}

/// What is shown where perl itself has no name any more, as `caller` does.
pub const UNKNOWN: &str = "(unknown)";

#[cfg(test)]
mod tests {
    use super::*;

    fn sub(label: &str, file: &str, line: u32) -> Function {
        let mut frame = Frame::new(FrameKind::Sub, label.into(), "elsewhere.pl".into(), 99);
        frame.start = Place {
            file: file.into(),
            line,
        };
        frame.function()
    }

    #[test]
    fn lines_are_added_only_where_they_are_needed() {
        let functions = [
            sub("main::f", "a.pl", 3),
            sub("main::f", "b.pl", 9),
            sub("main::g", "a.pl", 5),
            sub("main::g", "a.pl", 7),
            sub("main::g", "a.pl", 0),
            sub("main::BEGIN", "a.pl", 1),
        ];
        assert_eq!(
            homes(functions.iter()),
            ["a.pl", "b.pl", "a.pl:5", "a.pl:7", "a.pl", "a.pl:1"]
        );
    }
}
