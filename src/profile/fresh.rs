//! What has come since somebody looked: the sink of the live view. All adding-up is left to
//! whoever looks, so that a sample costs one look-up, and the lock is held for a moment only.

use super::{Sample, Seen, Sink};
use crate::frames::StackId;
use std::collections::HashMap;
use std::time::Duration;

/// How often something was seen.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Count {
    /// In a thread on a CPU.
    pub running: u64,
    /// In a thread that waited.
    pub waiting: u64,
}

impl Count {
    /// Both.
    pub fn samples(self) -> u64 {
        self.running + self.waiting
    }
}

/// Samples by thread (its index in [`Seen::threads`]) and stack.
pub type ThreadStackCounts = HashMap<(u32, StackId), Count>;

/// The last sample of a thread.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Last {
    /// The last that was read, which a thread that rests still has.
    pub stack: StackId,
    /// The thread was running.
    pub running: bool,
    /// Since the start of the recording.
    pub at: Duration,
}

/// Counts since the last look, and the last stack of each thread. It holds no more than there are
/// distinct stacks and threads, however long nobody looks.
#[derive(Debug, Default)]
pub struct Fresh {
    counts: ThreadStackCounts,
    last: Vec<Option<Last>>,
}

impl Fresh {
    /// The counts since the last call.
    pub fn take(&mut self) -> ThreadStackCounts {
        std::mem::take(&mut self.counts)
    }

    fn keep_last(&mut self, sample: Sample) {
        let index = sample.thread as usize;
        if self.last.len() <= index {
            self.last.resize(index + 1, None);
        }
        if let Some(last) = self.last.get_mut(index) {
            *last = Some(Last {
                stack: sample.stack,
                running: sample.running,
                at: sample.at,
            });
        }
    }

    /// The last sample of each thread, by its index in [`Seen::threads`].
    pub fn last(&self) -> &[Option<Last>] {
        &self.last
    }
}

impl Sink for Fresh {
    fn add(&mut self, _seen: &Seen, sample: Sample) {
        let count = self
            .counts
            .entry((sample.thread, sample.stack))
            .or_default();
        *(if sample.running {
            &mut count.running
        } else {
            &mut count.waiting
        }) += u64::from(sample.count);
        self.keep_last(sample);
    }

    fn glance(&mut self, sample: Sample) {
        self.keep_last(sample);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::frames::{Frame, FrameKind};

    #[test]
    fn every_sample_is_given_out_once() {
        let mut seen = Seen::default();
        let frame = Frame::new(FrameKind::Sub, "main::a".into(), "a.pl".into(), 1);
        let frame = seen.frames.intern(frame);
        let stack = seen.stacks.intern(None, frame);
        let mut fresh = Fresh::default();
        let add = |fresh: &mut Fresh, running, at| {
            let at = Duration::from_secs(at);
            fresh.add(
                &seen,
                Sample {
                    stack,
                    thread: 2,
                    running,
                    at,
                    count: 1,
                },
            );
        };
        add(&mut fresh, true, 1);
        add(&mut fresh, true, 2);
        add(&mut fresh, false, 3);
        let both = Count {
            running: 2,
            waiting: 1,
        };
        assert_eq!(fresh.take(), ThreadStackCounts::from([((2, stack), both)]));
        assert!(fresh.take().is_empty());
        let last = Last {
            stack,
            running: false,
            at: Duration::from_secs(3),
        };
        assert_eq!(fresh.last(), [None, None, Some(last)]);
        let glance = Last {
            at: Duration::from_secs(4),
            ..last
        };
        fresh.glance(Sample {
            stack,
            thread: 2,
            running: false,
            at: glance.at,
            count: 1,
        });
        assert_eq!(fresh.last(), [None, None, Some(glance)]);
        assert!(fresh.take().is_empty());
    }
}
