//! Frames as they are shown, each kept once.

use indexmap::IndexSet;
use std::sync::Arc;

/// What a frame is, for people and for `--json`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum FrameKind {
    /// The main program: the outermost frame of every stack.
    Main,
    /// A sub.
    Sub,
    /// A format.
    Format,
    /// eval BLOCK or eval STRING.
    Eval,
    /// `require`, `use` or `do FILE`.
    Require,
    /// A thread, below the frames that it runs.
    Thread,
    /// A process, below its threads.
    Process,
}

/// One frame as it is shown.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Frame {
    /// What it is.
    pub kind: FrameKind,
    /// Its name as `caller` gives it: `Package::sub`, `(eval)`, `(main)`.
    pub name: Arc<str>,
    /// What the name does not say: `block` or `string` of an eval, the file of a `require`.
    pub detail: Option<Arc<str>>,
    /// The file in which it is executing.
    pub file: Arc<str>,
    /// The line on which it is executing; 0 where perl has none.
    pub line: u32,
}

/// Names one frame of a [`FrameTable`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct FrameId(u32);

impl FrameId {
    /// Its place in the table.
    pub fn index(self) -> usize {
        self.0 as usize
    }
}

/// Every frame seen, once.
#[derive(Debug, Default)]
pub struct FrameTable {
    frames: IndexSet<Frame>,
}

impl FrameTable {
    /// The id of a frame, new or known.
    pub fn intern(&mut self, frame: Frame) -> FrameId {
        FrameId(u32::try_from(self.frames.insert_full(frame).0).unwrap_or(u32::MAX))
    }

    /// Every frame, by its index.
    pub fn iter(&self) -> impl Iterator<Item = &Frame> {
        self.frames.iter()
    }

    /// The frame of an id of this table.
    pub fn get(&self, id: FrameId) -> Option<&Frame> {
        self.frames.get_index(id.0 as usize)
    }
}

/// What is shown where perl itself has no name any more, as `caller` does.
pub const UNKNOWN: &str = "(unknown)";
