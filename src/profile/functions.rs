//! Own and total counts per function, since the start and for the last refresh: what the live
//! view shows.

use super::{Sample, Seen, Sink};
use crate::perl::names::{Frame, FrameId, FrameKind, FrameTable, Function, UNKNOWN};
use indexmap::IndexSet;

/// Samples of one function.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct FunctionCount {
    /// It was the innermost frame.
    pub own: u64,
    /// It was on the stack.
    pub total: u64,
}

/// One row of a snapshot.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FunctionRow {
    /// The function.
    pub key: Function,
    /// Since the last snapshot.
    pub recent: FunctionCount,
    /// Since the start.
    pub all: FunctionCount,
}

/// Samples of one stack.
#[derive(Debug, Clone, Copy, Default)]
struct Node {
    all: u64,
    recent: u64,
}

/// What is known of one stack's innermost function.
#[derive(Debug, Clone, Copy)]
struct Place {
    function: usize,
    /// It is not on the stack a second time, further out: a recursive sub counts once per sample.
    outermost: bool,
}

/// Counts of all functions. A sample only counts its stack; functions are added up when somebody
/// looks.
#[derive(Debug, Default)]
pub struct FunctionCounts {
    nodes: Vec<Node>,
    places: Vec<Place>,
    functions: IndexSet<Function>,
    of_frame: Vec<Option<usize>>,
    recent_samples: u64,
}

impl FunctionCounts {
    /// The rows that count, and how many samples came since the last call; starts the next period.
    pub fn snapshot(&mut self, seen: &Seen) -> (Vec<FunctionRow>, u64) {
        self.place_new(seen);
        let mut counts =
            vec![(FunctionCount::default(), FunctionCount::default()); self.functions.len()];
        let mut totals = self.nodes.clone();
        totals.resize(seen.stacks.len(), Node::default());
        for (index, (caller, _)) in seen.stacks.iter().enumerate().rev() {
            let total = totals.get(index).copied().unwrap_or_default();
            if let Some(below) = caller.and_then(|c| totals.get_mut(c.index())) {
                below.all += total.all;
                below.recent += total.recent;
            }
            let own = self.nodes.get(index).copied().unwrap_or_default();
            let Some(place) = self.places.get(index) else {
                continue;
            };
            let Some((recent, all)) = counts.get_mut(place.function) else {
                continue;
            };
            recent.own += own.recent;
            all.own += own.all;
            if place.outermost {
                recent.total += total.recent;
                all.total += total.all;
            }
        }
        for node in &mut self.nodes {
            node.recent = 0;
        }
        let rows = self.functions.iter().zip(counts);
        let rows = rows.map(|(key, (recent, all))| FunctionRow {
            key: key.clone(),
            recent,
            all,
        });
        (rows.collect(), std::mem::take(&mut self.recent_samples))
    }

    /// Finds the functions of the stacks that came since the last time.
    fn place_new(&mut self, seen: &Seen) {
        for (caller, frame) in seen.stacks.iter().skip(self.places.len()) {
            let function = self.function(&seen.frames, frame);
            let mut at = caller;
            let mut outermost = true;
            while let Some(stack) = at {
                outermost &= self
                    .places
                    .get(stack.index())
                    .is_none_or(|place| place.function != function);
                at = seen.stacks.get(stack).and_then(|(caller, _)| caller);
            }
            self.places.push(Place {
                function,
                outermost,
            });
        }
    }

    fn function(&mut self, table: &FrameTable, id: FrameId) -> usize {
        if self.of_frame.len() <= id.index() {
            self.of_frame.resize(id.index() + 1, None);
        }
        if let Some(Some(known)) = self.of_frame.get(id.index()) {
            return *known;
        }
        let key = match table.get(id) {
            Some(frame) => frame.function(),
            None => Frame::new(FrameKind::Main, UNKNOWN.into(), UNKNOWN.into(), 0).function(),
        };
        let index = self.functions.insert_full(key).0;
        if let Some(slot) = self.of_frame.get_mut(id.index()) {
            *slot = Some(index);
        }
        index
    }
}

impl Sink for FunctionCounts {
    fn add(&mut self, _seen: &Seen, sample: Sample) {
        self.recent_samples += 1;
        let index = sample.stack.index();
        if self.nodes.len() <= index {
            self.nodes.resize(index + 1, Node::default());
        }
        if let Some(node) = self.nodes.get_mut(index) {
            node.all += 1;
            node.recent += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::perl::names::Place as Start;

    #[test]
    fn recursion_counts_once_per_sample() {
        let mut seen = Seen::default();
        let mut frame = |name: &str, line| {
            seen.frames
                .intern(Frame::new(FrameKind::Sub, name.into(), "a.pl".into(), line))
        };
        let (a1, a2, b) = (
            frame("main::a", 1),
            frame("main::a", 2),
            frame("main::b", 9),
        );
        let mut stack = |frames: &[FrameId]| {
            let mut at = None;
            for frame in frames {
                at = Some(seen.stacks.intern(at, *frame));
            }
            at.unwrap()
        };
        let (deep, flat) = (stack(&[b, a1, a2, a1]), stack(&[b]));
        let sample = |stack| Sample {
            stack,
            thread: 0,
            running: true,
            at: std::time::Duration::ZERO,
        };
        let mut counts = FunctionCounts::default();
        counts.add(&seen, sample(deep));
        counts.add(&seen, sample(flat));
        let (rows, samples) = counts.snapshot(&seen);
        assert_eq!(samples, 2);
        let row = |rows: &[FunctionRow], name: &str| {
            rows.iter()
                .find(|r| &*r.key.label == name)
                .cloned()
                .unwrap()
        };
        assert_eq!(
            row(&rows, "main::a").recent,
            FunctionCount { own: 1, total: 1 }
        );
        assert_eq!(
            row(&rows, "main::b").all,
            FunctionCount { own: 1, total: 2 }
        );
        let (rows, samples) = counts.snapshot(&seen);
        let b = row(&rows, "main::b");
        assert_eq!((samples, b.recent.total, b.all.total), (0, 0, 2));
    }

    #[test]
    fn a_function_is_known_by_where_it_begins() {
        let mut seen = Seen::default();
        let mut counts = FunctionCounts::default();
        // The same sub, where a #line directive is at work, and one of the same name.
        for (file, line) in [("a.pl", 3), ("b.y", 3), ("a.pl", 20)] {
            let mut frame = Frame::new(FrameKind::Sub, "main::f".into(), file.into(), 7);
            frame.start = Start {
                file: "a.pl".into(),
                line,
            };
            let frame = seen.frames.intern(frame);
            let sample = Sample {
                stack: seen.stacks.intern(None, frame),
                thread: 0,
                running: true,
                at: std::time::Duration::ZERO,
            };
            counts.add(&seen, sample);
        }
        let (rows, _) = counts.snapshot(&seen);
        let own: Vec<u64> = rows.iter().map(|row| row.recent.own).collect();
        assert_eq!(own, [2, 1]);
    }
}
