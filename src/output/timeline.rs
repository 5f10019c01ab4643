//! The samples of a profile thread by thread, each thread's in order of time.

use crate::profile::{Profile, Run};

/// In periods: two samples in a row are seldom further apart (`sampler/clock.rs`), unless there was
/// nothing to see in between.
pub const APART: u32 = 3;

/// Which samples are a thread's.
#[derive(Debug)]
pub struct Timeline<'a> {
    runs: &'a [Run],
    /// Indices of `runs`, by thread and then by time.
    order: Vec<u32>,
}

impl<'a> Timeline<'a> {
    /// Sorts the samples of a profile that has their times.
    pub fn new(profile: &'a Profile) -> Self {
        let runs = &*profile.runs;
        let mut order: Vec<u32> = (0..u32::try_from(runs.len()).unwrap_or(u32::MAX)).collect();
        order.sort_by_key(|index| runs.get(*index as usize).map(|run| run.thread));
        Timeline { runs, order }
    }

    /// The samples of a thread, by its index.
    pub fn of(&self, thread: u32) -> impl Iterator<Item = &'a Run> + Clone + use<'a, '_> {
        let runs = self.runs;
        let run = move |index: &u32| runs.get(*index as usize);
        let before = |other: u32, or_same: bool| other < thread || or_same && other == thread;
        let bound = |or_same: bool| {
            self.order
                .partition_point(|index| run(index).is_some_and(|r| before(r.thread, or_same)))
        };
        let own = self.order.get(bound(false)..bound(true));
        own.unwrap_or_default().iter().filter_map(run)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::output::synthetic;

    #[test]
    fn each_thread_has_its_own_samples_in_order() {
        let profile = synthetic::profile();
        let timeline = Timeline::new(&profile);
        let mut all = 0;
        for thread in 0..3 {
            let own: Vec<&Run> = timeline.of(thread).collect();
            assert!(own.iter().all(|run| run.thread == thread));
            assert!(own.is_sorted_by_key(|run| run.at));
            all += own.len();
        }
        assert_eq!(all, profile.runs.len());
        assert_eq!(timeline.of(3).count(), 0);
    }
}
