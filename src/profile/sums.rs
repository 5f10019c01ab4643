//! Own and total counts by function, line, package, node of the call tree, caller and callee.

use super::fresh::ThreadStackCounts;
use super::index::{Group, Index};
use crate::frames::StackId;
use std::collections::{BTreeMap, HashMap};
use std::ops::AddAssign;

/// Samples of the last period, and since the start.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Windows {
    /// In the last period.
    pub now: u64,
    /// Since the start; those of the last period are among them.
    pub all: u64,
}

impl AddAssign for Windows {
    fn add_assign(&mut self, other: Windows) {
        self.now += other.now;
        self.all += other.all;
    }
}

/// Samples of one thing.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Share {
    /// It was the innermost frame.
    pub own: Windows,
    /// It was on the stack.
    pub total: Windows,
}

/// Samples of one thing, with its id.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SumsRow {
    /// What it is of its group.
    pub id: u32,
    /// Its samples.
    pub share: Share,
}

/// A function with those that call it and those that it calls.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Relatives {
    /// The function's own.
    pub share: Share,
    /// What of that is due to each caller; `None` where nobody called it. Of a recursion the
    /// outermost call counts.
    pub callers: Vec<(Option<u32>, Share)>,
    /// What of that was spent in each function that it called itself.
    pub callees: Vec<(u32, Share)>,
}

/// Samples by stack, own and total.
#[derive(Debug, Default)]
pub struct Sums {
    own: Vec<Windows>,
    total: Vec<Windows>,
    whole: Windows,
}

impl Sums {
    /// Adds up the samples of the threads and stacks that are kept. What is in `recent` is in `all`
    /// too.
    pub fn new(
        index: &Index,
        recent: &ThreadStackCounts,
        all: &ThreadStackCounts,
        keep: impl Fn(u32, StackId) -> bool,
    ) -> Self {
        let mut own = vec![Windows::default(); index.nodes().len()];
        let mut whole = Windows::default();
        let mut add = |counts: &ThreadStackCounts, windows: fn(u64) -> Windows| {
            for ((thread, stack), count) in counts {
                if let Some(own) = own.get_mut(stack.index()).filter(|_| keep(*thread, *stack)) {
                    *own += windows(count.samples());
                    whole += windows(count.samples());
                }
            }
        };
        add(recent, |now| Windows { now, all: 0 });
        add(all, |all| Windows { now: 0, all });
        let mut total = own.clone();
        for (at, node) in index.nodes().iter().enumerate().rev() {
            let inner = total.get(at).copied().unwrap_or_default();
            if let Some(outer) = node.caller.and_then(|c| total.get_mut(c as usize)) {
                *outer += inner;
            }
        }
        Sums { own, total, whole }
    }

    /// All samples.
    pub fn whole(&self) -> Windows {
        self.whole
    }

    fn at(&self, stack: usize) -> Share {
        Share {
            own: self.own.get(stack).copied().unwrap_or_default(),
            total: self.total.get(stack).copied().unwrap_or_default(),
        }
    }

    /// What has samples of a group, in no order.
    pub fn group(&self, index: &Index, group: Group) -> Vec<SumsRow> {
        let mut shares = vec![Share::default(); index.len(group)];
        for (stack, node) in index.nodes().iter().enumerate() {
            let here = self.at(stack);
            let member = node.member(group);
            if let Some(share) = shares.get_mut(member.id as usize) {
                share.own += here.own;
                if member.outermost {
                    share.total += here.total;
                }
            }
        }
        let rows = shares.into_iter().enumerate().map(|(id, share)| SumsRow {
            id: u32::try_from(id).unwrap_or(u32::MAX),
            share,
        });
        rows.filter(|row| row.share.total.all > 0).collect()
    }

    /// The samples of each node of the call tree, by [`super::index::StackNode::path`].
    pub fn tree(&self, index: &Index) -> Vec<Share> {
        let mut shares = vec![Share::default(); index.paths().len()];
        for (stack, node) in index.nodes().iter().enumerate() {
            let own = self.at(stack).own;
            if let Some(share) = shares.get_mut(node.path as usize) {
                share.own += own;
                share.total += own;
            }
        }
        for (path, (caller, _)) in index.paths().enumerate().rev() {
            let inner = shares.get(path).copied().unwrap_or_default();
            if let Some(outer) = caller.and_then(|c| shares.get_mut(c as usize)) {
                outer.total += inner.total;
            }
        }
        shares
    }

    /// A function with its callers and callees, those with the most samples first.
    pub fn relatives(&self, index: &Index, function: u32) -> Relatives {
        let mut share = Share::default();
        let mut callers: HashMap<Option<u32>, Share> = HashMap::new();
        let mut callees: HashMap<u32, Share> = HashMap::new();
        let of = |node: &super::index::StackNode| node.member(Group::Function).id;
        for (stack, node) in index.nodes().iter().enumerate() {
            let here = self.at(stack);
            if here.total.all == 0 {
                continue;
            }
            let number = u32::try_from(stack).unwrap_or(u32::MAX);
            let id = of(node);
            if id == function {
                let mut outwards = index.outwards(number).peekable();
                let mut caller = None;
                while let Some(node) = outwards.next() {
                    if of(node) == function {
                        caller = outwards.peek().map(|outer| of(outer));
                    }
                }
                let from = callers.entry(caller).or_default();
                for share in [&mut share, from] {
                    share.own += here.own;
                    if node.member(Group::Function).outermost {
                        share.total += here.total;
                    }
                }
            }
            let mut outwards = index.outwards(number);
            let is_call = |inner: u32, outer: Option<&super::index::StackNode>| {
                inner == id && outer.map(of) == Some(function)
            };
            let mut inner = outwards.next().map(of);
            let mut outer = outwards.next();
            if !inner.is_some_and(|inner| is_call(inner, outer)) {
                continue;
            }
            let callee = callees.entry(id).or_default();
            callee.own += here.own;
            // The same call may be on the stack further out.
            let mut again = false;
            while let Some(node) = outer {
                inner = Some(of(node));
                outer = outwards.next();
                again |= inner.is_some_and(|inner| is_call(inner, outer));
            }
            if !again {
                callee.total += here.total;
            }
        }
        let mut callers: Vec<_> = callers.into_iter().collect();
        let mut callees: Vec<_> = callees.into_iter().collect();
        callers.sort_by_key(|(id, share)| (std::cmp::Reverse(share.total.all), *id));
        callees.sort_by_key(|(id, share)| (std::cmp::Reverse(share.total.all), *id));
        Relatives {
            share,
            callers,
            callees,
        }
    }

    /// The lines of a file that have samples. Where several functions share a line, its total is at
    /// least that of each.
    pub fn lines_of(&self, index: &Index, file: &str) -> BTreeMap<u32, Share> {
        let mut lines: BTreeMap<u32, Share> = BTreeMap::new();
        for row in self.group(index, Group::Line) {
            let Some(line) = index.line(row.id).filter(|l| &*l.place.file == file) else {
                continue;
            };
            let known = lines.entry(line.place.line).or_default();
            known.own += row.share.own;
            let total = &mut known.total;
            total.now = total.now.max(row.share.total.now).max(known.own.now);
            total.all = total.all.max(row.share.total.all).max(known.own.all);
        }
        lines
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::frames::{Frame, FrameId, FrameKind, Place};
    use crate::profile::Seen;
    use crate::profile::fresh::Count;

    /// Frames and stacks of them.
    #[derive(Default)]
    struct Book {
        seen: Seen,
        counts: ThreadStackCounts,
    }

    impl Book {
        fn frame(&mut self, kind: FrameKind, name: &str, line: u32) -> FrameId {
            let frame = Frame::new(kind, name.into(), "a.pl".into(), line);
            self.seen.frames.intern(frame)
        }

        /// Samples of a stack of subs, outermost first, each with its line.
        fn sampled(&mut self, thread: u32, times: u64, subs: &[(&str, u32)]) {
            let mut at = None;
            for (name, line) in subs {
                let frame = self.frame(FrameKind::Sub, name, *line);
                at = Some(self.seen.stacks.intern(at, frame));
            }
            let count = self.counts.entry((thread, at.unwrap())).or_default();
            count.running += times;
        }

        fn index(&self) -> Index {
            let mut index = Index::default();
            index.copy(&self.seen);
            index.settle();
            index
        }

        fn sums(&self, index: &Index) -> Sums {
            Sums::new(index, &ThreadStackCounts::new(), &self.counts, |_, _| true)
        }
    }

    fn named(index: &Index, rows: &[SumsRow]) -> BTreeMap<String, (u64, u64)> {
        let named = rows.iter().map(|row| {
            let label = index.function(row.id).unwrap().label.to_string();
            (label, (row.share.own.all, row.share.total.all))
        });
        named.collect()
    }

    fn table<const N: usize>(rows: [(&str, (u64, u64)); N]) -> BTreeMap<String, (u64, u64)> {
        rows.map(|(name, counts)| (name.to_owned(), counts)).into()
    }

    #[test]
    fn recursion_counts_once_per_sample() {
        let mut book = Book::default();
        book.sampled(0, 1, &[("b", 9), ("a", 1), ("a", 2), ("a", 1)]);
        book.sampled(0, 1, &[("b", 9)]);
        let index = book.index();
        let sums = book.sums(&index);
        let functions = sums.group(&index, Group::Function);
        assert_eq!(
            named(&index, &functions),
            table([("a", (1, 1)), ("b", (1, 2))])
        );
        let lines = sums.lines_of(&index, "a.pl");
        let lines: Vec<_> = lines
            .iter()
            .map(|(line, s)| (*line, s.own.all, s.total.all))
            .collect();
        assert_eq!(lines, [(1, 1, 1), (2, 0, 1), (9, 1, 2)]);
        // The call tree keeps every level apart.
        let totals: Vec<u64> = sums.tree(&index).iter().map(|s| s.total.all).collect();
        assert_eq!(totals, [2, 1, 1, 1]);
    }

    /// The members of a stack that was learned after others are those that a whole look finds.
    #[test]
    fn the_order_in_which_stacks_come_does_not_matter() {
        let mut random = fastrand::Rng::with_seed(7);
        for _ in 0..50 {
            let mut book = Book::default();
            let mut index = Index::default();
            for _ in 0..20 {
                let subs: Vec<(&str, u32)> = (0..random.usize(1..12))
                    .map(|_| {
                        (
                            ["a", "b::c", "b::d", "e"][random.usize(0..4)],
                            random.u32(1..3),
                        )
                    })
                    .collect();
                book.sampled(0, 1, &subs);
                if random.bool() {
                    index.copy(&book.seen);
                    index.settle();
                }
            }
            index.copy(&book.seen);
            index.settle();
            for group in [Group::Function, Group::Line, Group::Package] {
                for (number, node) in index.nodes().iter().enumerate() {
                    let member = node.member(group);
                    let again = index
                        .outwards(number as u32)
                        .skip(1)
                        .any(|outer| outer.member(group).id == member.id);
                    assert_eq!(member.outermost, !again);
                }
            }
        }
    }

    #[test]
    fn callers_and_callees_add_up() {
        let mut book = Book::default();
        book.sampled(0, 4, &[("m", 1), ("x", 2), ("f", 3), ("g", 4)]);
        book.sampled(0, 3, &[("m", 1), ("y", 2), ("f", 3)]);
        book.sampled(
            0,
            2,
            &[
                ("m", 1),
                ("y", 2),
                ("f", 3),
                ("f", 3),
                ("g", 4),
                ("f", 3),
                ("g", 4),
            ],
        );
        book.sampled(0, 1, &[("f", 3), ("g", 4), ("h", 5)]);
        let index = book.index();
        let sums = book.sums(&index);
        let id = |name: &str| {
            let at = index.functions().position(|f| &*f.label == name);
            at.unwrap() as u32
        };
        let found = sums.relatives(&index, id("f"));
        assert_eq!((found.share.own.all, found.share.total.all), (3, 10));
        let counts = |s: &Share| (s.own.all, s.total.all);
        let callers: Vec<_> = found.callers.iter().map(|(c, s)| (*c, counts(s))).collect();
        let expected = [
            (Some(id("y")), (3, 5)),
            (Some(id("x")), (0, 4)),
            (None, (0, 1)),
        ];
        assert_eq!(callers, expected);
        let callees: Vec<_> = found.callees.iter().map(|(c, s)| (*c, counts(s))).collect();
        assert_eq!(callees, [(id("g"), (6, 7)), (id("f"), (0, 2))]);
    }

    #[test]
    fn guests_are_on_the_line_and_in_the_package_of_their_caller() {
        let mut book = Book::default();
        let sub = book.frame(FrameKind::Sub, "A::B::f", 7);
        let eval = book.frame(FrameKind::Eval, "(eval)", 8);
        let op = book.frame(FrameKind::Op, "match", 8);
        let xsub = book.frame(FrameKind::Xsub, "List::Util::sum", 8);
        let below = book.seen.stacks.intern(None, sub);
        let below = book.seen.stacks.intern(Some(below), eval);
        let tops = [op, xsub].map(|top| book.seen.stacks.intern(Some(below), top));
        for stack in tops {
            let once = Count {
                running: 1,
                waiting: 0,
            };
            book.counts.insert((0, stack), once);
        }
        let index = book.index();
        let sums = book.sums(&index);
        let package = |row: &SumsRow| index.package(row.id).unwrap().to_owned();
        let mut packages: Vec<_> = sums
            .group(&index, Group::Package)
            .iter()
            .map(|row| (package(row), row.share.own.all, row.share.total.all))
            .collect();
        packages.sort();
        assert_eq!(
            packages,
            [("A::B".into(), 1, 2), ("List::Util".into(), 1, 1)]
        );
        let lines = sums.group(&index, Group::Line);
        let innermost = lines.iter().find(|r| r.share.own.all > 0).unwrap();
        assert_eq!(innermost.share.own.all, 2);
        let line = index.line(innermost.id).unwrap();
        assert_eq!(&*index.function(line.function).unwrap().label, "(eval)");
        assert_eq!(
            line.place,
            Place {
                file: "a.pl".into(),
                line: 8
            }
        );
    }

    #[test]
    fn a_function_is_known_by_where_it_begins() {
        let mut book = Book::default();
        // The same sub, where a #line directive is at work, and one of the same name.
        for (file, line) in [("a.pl", 3), ("b.y", 3), ("a.pl", 20)] {
            let mut frame = Frame::new(FrameKind::Sub, "main::f".into(), file.into(), 7);
            frame.start = Place {
                file: "a.pl".into(),
                line,
            };
            let frame = book.seen.frames.intern(frame);
            let stack = book.seen.stacks.intern(None, frame);
            book.counts.entry((0, stack)).or_default().running += 1;
        }
        let index = book.index();
        let rows = book.sums(&index).group(&index, Group::Function);
        let own: Vec<u64> = rows.iter().map(|row| row.share.own.all).collect();
        assert_eq!(own, [2, 1]);
    }

    #[test]
    fn threads_and_windows_are_apart() {
        let mut book = Book::default();
        book.sampled(0, 5, &[("a", 1)]);
        book.sampled(1, 7, &[("a", 1)]);
        let index = book.index();
        let mut recent = book.counts.clone();
        recent.retain(|(thread, _), _| *thread == 1);
        let sums = Sums::new(&index, &recent, &book.counts, |_, _| true);
        assert_eq!(sums.whole(), Windows { now: 7, all: 12 });
        let sums = Sums::new(&index, &recent, &book.counts, |thread, _| thread == 0);
        assert_eq!(sums.whole(), Windows { now: 0, all: 5 });
    }
}
