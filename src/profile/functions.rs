//! Own and total counts per function, since the start and for the last refresh: what the live
//! view shows.

use crate::perl::names::{Frame, FrameId, FrameTable};
use crate::sampler::Sink;
use indexmap::IndexMap;
use std::sync::Arc;

/// A function, as the live view tells them apart.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct FunctionKey {
    /// `Package::sub`.
    pub name: Arc<str>,
    /// The file in which it is executing.
    pub file: Arc<str>,
}

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
    pub key: FunctionKey,
    /// Since the last snapshot.
    pub recent: FunctionCount,
    /// Since the start.
    pub all: FunctionCount,
}

/// Counts of all functions.
#[derive(Debug, Default)]
pub struct FunctionCounts {
    functions: IndexMap<FunctionKey, Entry>,
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
            let Frame { name, file, .. } = table.get(id)?;
            let key = FunctionKey {
                name: name.clone(),
                file: file.clone(),
            };
            *slot = Some(self.functions.entry(key).or_default_index());
        }
        *slot
    }
}

/// The index of an entry that is made where it is missing.
trait DefaultIndex {
    fn or_default_index(self) -> usize;
}

impl DefaultIndex for indexmap::map::Entry<'_, FunctionKey, Entry> {
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
    use crate::perl::names::FrameKind;

    #[test]
    fn recursion_counts_once_per_sample() {
        let mut table = FrameTable::default();
        let mut frame = |name: &str, line| {
            table.intern(Frame {
                kind: FrameKind::Sub,
                name: name.into(),
                detail: None,
                file: "a.pl".into(),
                line,
            })
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
}
