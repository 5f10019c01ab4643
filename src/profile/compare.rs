//! Two profiles of the same program, before and after a change.

use super::{By, Profile};
use std::collections::BTreeMap;

/// Samples of one entry in both profiles.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct EntryCounts {
    own: [u64; 2],
    total: [u64; 2],
}

/// A change of a share.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Change {
    /// The shares before and after, 0 to 1.
    pub shares: [f64; 2],
    /// With a probability of 95 % the true change is at most so far from the one that was seen, if
    /// each sample is independent of the others.
    pub margin: f64,
}

impl Change {
    fn new(counts: [u64; 2], totals: [u64; 2]) -> Self {
        let share = |count: u64, total: u64| count as f64 / total.max(1) as f64;
        // Agresti and Caffo: right for small counts too.
        let variance = |count: u64, total: u64| {
            let p = (count as f64 + 1.0) / (total as f64 + 2.0);
            p * (1.0 - p) / (total as f64 + 2.0)
        };
        let [before, after] = counts;
        let [all_before, all_after] = totals;
        Change {
            shares: [share(before, all_before), share(after, all_after)],
            margin: 1.96 * (variance(before, all_before) + variance(after, all_after)).sqrt(),
        }
    }

    /// How much the share grew; negative when it shrank.
    pub fn by(&self) -> f64 {
        let [before, after] = self.shares;
        after - before
    }

    /// It is more than chance alone would often give.
    pub fn is_certain(&self) -> bool {
        self.by().abs() > self.margin
    }
}

/// What became of one function, line or package.
#[derive(Debug, Clone, PartialEq)]
pub struct Difference {
    /// Its name and place.
    pub name: String,
    /// Of the samples in which it was innermost.
    pub own: Change,
    /// Of the samples in which it was on the stack.
    pub total: Change,
}

/// All entries of two profiles, those whose own share grew most first.
pub fn compare(before: &Profile, after: &Profile, by: By) -> Vec<Difference> {
    let mut all: BTreeMap<String, EntryCounts> = BTreeMap::new();
    for (index, profile) in [before, after].into_iter().enumerate() {
        for (name, (own, total)) in counts(profile, by) {
            let entry = all.entry(name).or_default();
            for (side, count) in [(&mut entry.own, own), (&mut entry.total, total)] {
                if let Some(slot) = side.get_mut(index) {
                    *slot = count;
                }
            }
        }
    }
    let totals = [before.total(), after.total()];
    let mut differences: Vec<Difference> = all
        .into_iter()
        .map(|(name, counts)| Difference {
            name,
            own: Change::new(counts.own, totals),
            total: Change::new(counts.total, totals),
        })
        .collect();
    differences.sort_by(|a, b| b.own.by().total_cmp(&a.own.by()));
    differences
}

/// Own and total samples by name and place.
fn counts(profile: &Profile, by: By) -> BTreeMap<String, (u64, u64)> {
    let entries = profile.entries(by);
    let mut counts = BTreeMap::new();
    for stack in profile.stacks() {
        let mut on_stack = entries.stack(stack.frames.into_iter());
        let innermost = on_stack.last().copied();
        on_stack.sort_unstable();
        on_stack.dedup();
        for entry in on_stack {
            let Some(name) = entries.get(entry).map(super::Entry::text) else {
                continue;
            };
            let (own, total): &mut (u64, u64) = counts.entry(name).or_default();
            *total += stack.count;
            if Some(entry) == innermost {
                *own += stack.count;
            }
        }
    }
    counts
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::frames::{Frame, FrameKind};
    use crate::profile::{Sample, Seen, Sink, StackCounts};

    fn profile(counts: &[(&[&str], u64)]) -> Profile {
        let mut seen = Seen::default();
        let mut sink = StackCounts::default();
        for (names, count) in counts {
            let mut stack = None;
            for name in *names {
                let frame = Frame::new(FrameKind::Sub, (*name).into(), "a.pl".into(), 1);
                let frame = seen.frames.intern(frame);
                stack = Some(seen.stacks.intern(stack, frame));
            }
            for _ in 0..*count {
                let sample = Sample {
                    stack: stack.unwrap(),
                    thread: 0,
                    running: true,
                    at: std::time::Duration::ZERO,
                    count: 1,
                };
                sink.add(&seen, sample);
            }
        }
        Profile::new(seen, &sink)
    }

    #[test]
    fn shares_are_compared_and_not_counts() {
        let before = profile(&[(&["a", "b"], 500), (&["a", "c"], 480), (&["a"], 20)]);
        let after = profile(&[(&["a", "b"], 700), (&["a", "c", "a"], 1_260), (&["a"], 40)]);
        let found = compare(&before, &after, By::Function);
        let of = |name: &str| found.iter().find(|d| d.name.starts_with(name)).unwrap();
        let [b, c, a] = [of("b"), of("c"), of("a")];
        assert!((b.own.by() + 0.15).abs() < 1e-9 && b.own.is_certain());
        assert!((c.own.by() + 0.48).abs() < 1e-9);
        assert!((c.total.by() - 0.15).abs() < 1e-9 && c.total.is_certain());
        assert!((a.own.shares[1] - 0.65).abs() < 1e-9);
        assert_eq!(a.total.by(), 0.0, "recursion counts once per sample");
        assert!(!a.total.is_certain());
        assert_eq!(found.first(), Some(a), "what grew most comes first");
    }
}
