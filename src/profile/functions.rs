//! Own and total counts per function, since the start and for the last refresh: what the live
//! view shows.

use crate::perl::names::{FrameId, FrameTable, Function};
use crate::sampler::Sink;
use indexmap::IndexMap;

/// Samples of one function.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct FunctionCount {
    /// It was the innermost frame.
    pub own: u64,
    /// It was on the stack.
    pub total: u64,
}

#[derive(Debug, Clone, Copy, Default)]
struct Entry {
    all: FunctionCount,
    recent: FunctionCount,
    /// The sample that counted it last: a recursive sub counts once per sample.
    stamp: u64,
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

/// Counts of all functions.
#[derive(Debug, Default)]
pub struct FunctionCounts {
    functions: IndexMap<Function, Entry>,
    of_frame: Vec<Option<usize>>,
    samples: u64,
    recent_samples: u64,
}

impl FunctionCounts {
    /// The rows that count, and how many samples came since the last call; starts the next period.
    pub fn snapshot(&mut self) -> (Vec<FunctionRow>, u64) {
        let rows = self
            .functions
            .iter_mut()
            .map(|(key, entry)| FunctionRow {
                key: key.clone(),
                recent: std::mem::take(&mut entry.recent),
                all: entry.all,
            })
            .collect();
        (rows, std::mem::take(&mut self.recent_samples))
    }

    fn function(&mut self, table: &FrameTable, id: FrameId) -> Option<usize> {
        if self.of_frame.len() <= id.index() {
            self.of_frame.resize(id.index() + 1, None);
        }
        let slot = self.of_frame.get_mut(id.index())?;
        if slot.is_none() {
            let function = table.get(id)?.function();
            *slot = Some(self.functions.entry(function).or_default_index());
        }
        *slot
    }
}

/// The index of an entry that is made where it is missing.
trait DefaultIndex {
    fn or_default_index(self) -> usize;
}

impl DefaultIndex for indexmap::map::Entry<'_, Function, Entry> {
    fn or_default_index(self) -> usize {
        let index = self.index();
        self.or_default();
        index
    }
}

impl Sink for FunctionCounts {
    fn add(&mut self, table: &FrameTable, stack: &[FrameId], _running: bool) {
        self.samples += 1;
        self.recent_samples += 1;
        let stamp = self.samples;
        for (depth, id) in stack.iter().enumerate() {
            let Some(index) = self.function(table, *id) else {
                continue;
            };
            let Some((_, entry)) = self.functions.get_index_mut(index) else {
                continue;
            };
            if depth == 0 {
                entry.all.own += 1;
                entry.recent.own += 1;
            }
            if entry.stamp != stamp {
                entry.stamp = stamp;
                entry.all.total += 1;
                entry.recent.total += 1;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::perl::names::{Frame, FrameKind, Place};

    #[test]
    fn recursion_counts_once_per_sample() {
        let mut table = FrameTable::default();
        let mut frame = |name: &str, line| {
            table.intern(Frame::new(FrameKind::Sub, name.into(), "a.pl".into(), line))
        };
        let (a1, a2, b) = (
            frame("main::a", 1),
            frame("main::a", 2),
            frame("main::b", 9),
        );
        let mut counts = FunctionCounts::default();
        counts.add(&table, &[a1, a2, a1, b], true);
        counts.add(&table, &[b], true);
        let (rows, samples) = counts.snapshot();
        assert_eq!(samples, 2);
        assert_eq!(rows[0].recent, FunctionCount { own: 1, total: 1 });
        assert_eq!(rows[1].all, FunctionCount { own: 1, total: 2 });
        let (rows, samples) = counts.snapshot();
        assert_eq!(
            (samples, rows[1].recent.total, rows[1].all.total),
            (0, 0, 2)
        );
    }

    #[test]
    fn a_function_is_known_by_where_it_begins() {
        let mut table = FrameTable::default();
        let mut frame = |file: &str, start| {
            let mut frame = Frame::new(FrameKind::Sub, "main::f".into(), file.into(), 7);
            frame.start = Place {
                file: "a.pl".into(),
                line: start,
            };
            table.intern(frame)
        };
        let (own_file, line_directive, redefined) =
            (frame("a.pl", 3), frame("b.y", 3), frame("a.pl", 20));
        let mut counts = FunctionCounts::default();
        for id in [own_file, line_directive, redefined] {
            counts.add(&table, &[id], true);
        }
        let own: Vec<u64> = counts.snapshot().0.iter().map(|r| r.recent.own).collect();
        assert_eq!(own, [2, 1]);
    }
}
