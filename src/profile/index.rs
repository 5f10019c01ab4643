//! What the stacks of a recording are made of: for each its function, line, package and place in
//! the call tree. It copies what is new of a recording, so that nobody has to wait while it is
//! worked on.

use super::{Seen, ThreadAbout};
use crate::frames::paths::Shortener;
use crate::frames::{Frame, FrameKind, Function, Place};
use indexmap::IndexSet;
use std::sync::Arc;

/// By what samples are added up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Group {
    /// By function.
    Function,
    /// By line of a function.
    Line,
    /// By package.
    Package,
}

/// A line that was executing.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct LineOf {
    /// The line.
    pub place: Place,
    /// The function of Perl that it is in, as an id of [`Group::Function`].
    pub function: u32,
}

/// One function of one group, and whether a stack has it for the first time there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct GroupMember {
    /// Its id within the group.
    pub id: u32,
    /// It is not on the stack a second time, further out: a recursive sub counts once per sample.
    pub outermost: bool,
}

/// What is known of the innermost frame of one stack.
#[derive(Debug, Clone, Copy)]
pub struct StackNode {
    /// The stack without it.
    pub caller: Option<u32>,
    /// Its index in [`Index::frames`].
    pub frame: u32,
    /// Its node in the call tree, an index of [`Index::paths`].
    pub path: u32,
    depth: u32,
    members: [GroupMember; 3],
}

impl StackNode {
    /// What it is of a group.
    pub fn member(&self, group: Group) -> GroupMember {
        let [function, line, package] = self.members;
        match group {
            Group::Function => function,
            Group::Line => line,
            Group::Package => package,
        }
    }
}

/// The package of code that belongs to no other.
const MAIN: &str = "main";

/// Everything that samples refer to, by numbers that never change.
#[derive(Debug, Default)]
pub struct Index {
    /// The frames, by [`crate::frames::FrameId::index`].
    pub frames: Vec<Frame>,
    /// The threads, as in [`Seen::threads`].
    pub threads: Vec<ThreadAbout>,
    folders: Option<Vec<String>>,
    shortener: Shortener,
    /// By index of `functions`: with short names of files.
    shown: Vec<Function>,
    copied: Vec<(Option<u32>, u32)>,
    nodes: Vec<StackNode>,
    functions: IndexSet<Function>,
    of_frame: Vec<u32>,
    lines: IndexSet<LineOf>,
    packages: IndexSet<Arc<str>>,
    paths: IndexSet<(Option<u32>, u32)>,
    last_path: LastPath,
}

impl Index {
    /// An empty one. `folders` are the working folders to which names of files are shown relative;
    /// `None` for whole names.
    pub fn relative_to(folders: Option<Vec<String>>) -> Self {
        Index {
            folders,
            ..Index::default()
        }
    }

    /// Copies what is new; [`Index::settle`] works on it.
    pub fn copy(&mut self, seen: &Seen) {
        self.frames
            .extend(seen.frames.iter().skip(self.frames.len()).cloned());
        let number = |index: usize| u32::try_from(index).unwrap_or(u32::MAX);
        let new = seen.stacks.iter().skip(self.copied.len());
        self.copied.extend(
            new.map(|(caller, frame)| (caller.map(|c| number(c.index())), number(frame.index()))),
        );
        self.threads
            .extend(seen.threads.iter().skip(self.threads.len()).cloned());
    }

    /// Finds out what the copied stacks are made of.
    pub fn settle(&mut self) {
        let grew = self.frames.len() > self.of_frame.len();
        for frame in self.frames.iter().skip(self.of_frame.len()) {
            let id = self.functions.insert_full(frame.function()).0;
            self.of_frame.push(u32::try_from(id).unwrap_or(u32::MAX));
        }
        if grew {
            self.shorten();
        }
        for index in self.nodes.len()..self.copied.len() {
            let Some((caller, frame)) = self.copied.get(index).copied() else {
                return;
            };
            let node = self.node(caller, frame);
            self.nodes.push(node);
        }
    }

    /// A new file can make a short name ambiguous: all are found anew.
    fn shorten(&mut self) {
        if let Some(folders) = &self.folders {
            self.shortener = Shortener::of(&self.frames, folders.iter().map(String::as_str));
        }
        self.shown = self.functions.iter().cloned().collect();
        for (frame, function) in self.frames.iter().zip(&self.of_frame) {
            if let Some(shown) = self.shown.get_mut(*function as usize) {
                *shown = self.shortener.frame(frame).function();
            }
        }
    }

    /// A function as people are shown it, by its id.
    pub fn shown(&self, id: u32) -> Option<&Function> {
        self.shown.get(id as usize)
    }

    /// What makes names of files short.
    pub fn shortener(&self) -> &Shortener {
        &self.shortener
    }

    /// A place as people are shown it.
    pub fn shown_place(&self, place: &Place) -> String {
        self.shortener.place(place).to_string()
    }

    /// The label of a frame as people are shown it.
    pub fn shown_label(&self, frame: &Frame) -> String {
        self.shortener.frame(frame).label.to_string()
    }

    fn node(&mut self, caller: Option<u32>, frame: u32) -> StackNode {
        let below = caller.and_then(|c| self.nodes.get(c as usize)).copied();
        let function = self.of_frame.get(frame as usize).copied().unwrap_or(0);
        let mut line = 0;
        let mut package = 0;
        if let Some(known) = self.frames.get(frame as usize) {
            let one = line_of(known, function, below, &self.lines);
            line = id_of(&mut self.lines, one);
            package = package_of(known, below, &mut self.packages);
        }
        let ids = [function, line, package];
        self.last_path.go(caller, &self.nodes);
        let [a, b, c] = self.last_path.first(ids);
        self.last_path.push(index_of(self.nodes.len()), ids);
        let member = |id, outermost| GroupMember { id, outermost };
        StackNode {
            caller,
            frame,
            path: id_of(&mut self.paths, (below.map(|b| b.path), function)),
            depth: below.map_or(0, |b| b.depth + 1),
            members: [member(function, a), member(line, b), member(package, c)],
        }
    }

    /// The stacks, by [`crate::frames::StackId::index`].
    pub fn nodes(&self) -> &[StackNode] {
        &self.nodes
    }

    /// The stack of an index and those without its inner frames, innermost first.
    pub fn outwards(&self, stack: u32) -> impl Iterator<Item = &StackNode> {
        let mut at = self.nodes.get(stack as usize);
        std::iter::from_fn(move || {
            let node = at?;
            at = node.caller.and_then(|c| self.nodes.get(c as usize));
            Some(node)
        })
    }

    /// The innermost frame of a stack.
    pub fn frame(&self, node: &StackNode) -> Option<&Frame> {
        self.frames.get(node.frame as usize)
    }

    /// How many ids a group has.
    pub fn len(&self, group: Group) -> usize {
        match group {
            Group::Function => self.functions.len(),
            Group::Line => self.lines.len(),
            Group::Package => self.packages.len(),
        }
    }

    /// The function with this id; `None` where there is none.
    pub fn function(&self, id: u32) -> Option<&Function> {
        self.functions.get_index(id as usize)
    }

    /// All functions, by their ids.
    pub fn functions(&self) -> impl Iterator<Item = &Function> {
        self.functions.iter()
    }

    /// The line with this id; `None` where there is none.
    pub fn line(&self, id: u32) -> Option<&LineOf> {
        self.lines.get_index(id as usize)
    }

    /// The name of the package with this id; `None` where there is none.
    pub fn package(&self, id: u32) -> Option<&str> {
        self.packages.get_index(id as usize).map(|name| &**name)
    }

    /// The call tree: each node's caller, which has a lower index, and its function.
    pub fn paths(&self) -> impl DoubleEndedIterator<Item = (Option<u32>, u32)> + ExactSizeIterator {
        self.paths.iter().copied()
    }

    /// The function of a node of the call tree.
    pub fn path(&self, id: u32) -> Option<(Option<u32>, u32)> {
        self.paths.get_index(id as usize).copied()
    }
}

fn index_of(index: usize) -> u32 {
    u32::try_from(index).unwrap_or(u32::MAX)
}

fn id_of<T: std::hash::Hash + Eq>(all: &mut IndexSet<T>, one: T) -> u32 {
    index_of(all.insert_full(one).0)
}

/// Such a frame has no statements: it is where the frame below it is.
fn is_guest(kind: FrameKind) -> bool {
    matches!(
        kind,
        FrameKind::Xsub
            | FrameKind::Op
            | FrameKind::Syscall
            | FrameKind::Synthetic
            | FrameKind::Native
    )
}

fn line_of(
    frame: &Frame,
    function: u32,
    below: Option<StackNode>,
    lines: &IndexSet<LineOf>,
) -> LineOf {
    let host = below
        .filter(|_| is_guest(frame.kind))
        .and_then(|b| lines.get_index(b.member(Group::Line).id as usize));
    LineOf {
        place: frame.place.clone(),
        function: host.map_or(function, |host| host.function),
    }
}

/// The package of a frame; what has none in its name (an eval, an op) is in that of its caller.
fn package_of(frame: &Frame, below: Option<StackNode>, packages: &mut IndexSet<Arc<str>>) -> u32 {
    let has_name = matches!(
        frame.kind,
        FrameKind::Sub | FrameKind::Format | FrameKind::Xsub
    );
    match (frame.name.rsplit_once("::").filter(|_| has_name), below) {
        (Some((package, _)), _) => match packages.get_index_of(package) {
            Some(known) => index_of(known),
            None => id_of(packages, package.into()),
        },
        (None, Some(below)) => below.member(Group::Package).id,
        (None, None) => match packages.get_index_of(MAIN) {
            Some(known) => index_of(known),
            None => id_of(packages, MAIN.into()),
        },
    }
}

/// The way from the outermost frame to the stack that was looked at last, with how often each
/// function, line and package is on it. A new stack mostly goes on where the last one was.
#[derive(Debug, Default)]
struct LastPath {
    steps: Vec<(u32, [u32; 3])>,
    times: [Vec<u32>; 3],
}

impl LastPath {
    /// Makes it end at a stack.
    fn go(&mut self, to: Option<u32>, nodes: &[StackNode]) {
        let mut missing = Vec::new();
        let mut at = to.and_then(|t| Some((t, nodes.get(t as usize)?)));
        while let Some((stack, node)) = at {
            let here = self.steps.get(node.depth as usize);
            if here.is_some_and(|(known, _)| *known == stack) {
                break;
            }
            missing.push((stack, node.members.map(|m| m.id)));
            at = node.caller.and_then(|c| Some((c, nodes.get(c as usize)?)));
        }
        let kept = at.map_or(0, |(_, node)| node.depth as usize + 1);
        while self.steps.len() > kept {
            if let Some((_, ids)) = self.steps.pop() {
                self.count(ids, |times| times.saturating_sub(1));
            }
        }
        for (stack, ids) in missing.into_iter().rev() {
            self.push(stack, ids);
        }
    }

    fn push(&mut self, stack: u32, ids: [u32; 3]) {
        self.steps.push((stack, ids));
        self.count(ids, |times| times.saturating_add(1));
    }

    fn count(&mut self, ids: [u32; 3], change: impl Fn(u32) -> u32) {
        for (times, id) in self.times.iter_mut().zip(ids) {
            let index = id as usize;
            if times.len() <= index {
                times.resize(index + 1, 0);
            }
            if let Some(times) = times.get_mut(index) {
                *times = change(*times);
            }
        }
    }

    /// Which of them are not on it.
    fn first(&self, ids: [u32; 3]) -> [bool; 3] {
        let [functions, lines, packages] = &self.times;
        let [function, line, package] = ids;
        let is_new = |times: &Vec<u32>, id: u32| times.get(id as usize).copied().unwrap_or(0) == 0;
        [
            is_new(functions, function),
            is_new(lines, line),
            is_new(packages, package),
        ]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_shown_relative_until_that_is_ambiguous() {
        let mut seen = Seen::default();
        let add = |seen: &mut Seen, name: &str, file: &str| {
            let frame = Frame::new(FrameKind::Sub, name.into(), file.into(), 3);
            let frame = seen.frames.intern(frame);
            seen.stacks.intern(None, frame);
        };
        let mut index = Index::relative_to(Some(vec!["/srv/app".into()]));
        add(&mut seen, "main::a", "/srv/app/bin/a.pl");
        index.copy(&seen);
        index.settle();
        let home = |index: &Index, id| index.shown(id).unwrap().home();
        assert_eq!(home(&index, 0), "bin/a.pl");
        assert_eq!(index.function(0).unwrap().home(), "/srv/app/bin/a.pl");
        add(&mut seen, "main::b", "bin/a.pl");
        index.copy(&seen);
        index.settle();
        assert_ne!(home(&index, 0), home(&index, 1));
        let mut whole = Index::relative_to(None);
        whole.copy(&seen);
        whole.settle();
        assert_eq!(home(&whole, 0), "/srv/app/bin/a.pl");
    }
}
