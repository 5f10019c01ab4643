//! Every stack that was seen, as a tree: stacks that begin alike share their frames, so that a
//! sample costs what has changed since the one before, and memory what is new.

use crate::frames::FrameId;
use crate::hash::OrderedSet;

/// Names one stack of a [`StackTree`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct StackId(u32);

impl StackId {
    /// The stack at a place of a tree, whether it is there or not.
    pub fn at(index: u32) -> Self {
        StackId(index)
    }

    /// Its place in the tree; that of the stack without the innermost frame is lower.
    pub fn index(self) -> usize {
        self.0 as usize
    }
}

/// All stacks, each as its innermost frame on top of another stack.
#[derive(Debug, Default)]
pub struct StackTree {
    nodes: OrderedSet<(Option<StackId>, FrameId)>,
}

impl StackTree {
    /// The stack that is `frame` called from `caller`; `None` for an outermost frame.
    pub fn intern(&mut self, caller: Option<StackId>, frame: FrameId) -> StackId {
        let index = self.nodes.insert_full((caller, frame)).0;
        StackId(u32::try_from(index).unwrap_or(u32::MAX))
    }

    /// The innermost frame of a stack, and the stack that it was called from.
    pub fn get(&self, stack: StackId) -> Option<(Option<StackId>, FrameId)> {
        self.nodes.get_index(stack.index()).copied()
    }

    /// The frames of a stack, innermost first.
    pub fn frames(&self, stack: StackId) -> impl Iterator<Item = FrameId> {
        let mut at = Some(stack);
        std::iter::from_fn(move || {
            let (caller, frame) = self.get(at?)?;
            at = caller;
            Some(frame)
        })
    }

    /// Callers and innermost frames, by [`StackId::index`].
    pub fn iter(
        &self,
    ) -> impl DoubleEndedIterator<Item = (Option<StackId>, FrameId)> + ExactSizeIterator {
        self.nodes.iter().copied()
    }

    /// How many stacks and beginnings of stacks there are.
    pub fn len(&self) -> usize {
        self.nodes.len()
    }

    /// True before the first.
    pub fn is_empty(&self) -> bool {
        self.nodes.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::frames::{Frame, FrameKind, FrameTable};

    #[test]
    fn stacks_share_their_beginnings() {
        let mut table = FrameTable::default();
        let mut frame =
            |name: &str| table.intern(Frame::new(FrameKind::Sub, name.into(), "a.pl".into(), 1));
        let (a, b, c) = (frame("a"), frame("b"), frame("c"));
        let mut tree = StackTree::default();
        let under = tree.intern(None, a);
        let ab = tree.intern(Some(under), b);
        let ac = tree.intern(Some(under), c);
        assert_eq!(tree.intern(Some(under), b), ab);
        assert_eq!(tree.len(), 3);
        assert_eq!(tree.frames(ac).collect::<Vec<_>>(), [c, a]);
        assert!(ab.index() > under.index());
    }
}
