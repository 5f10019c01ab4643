//! The samples of a recording in the order in which they were taken.

use super::{Sample, Seen, Sink};
use crate::frames::StackId;
use std::collections::HashMap;
use std::time::Duration;

/// One sample, or several in a row of a thread that waits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Run {
    /// The stack of all of them.
    pub stack: StackId,
    /// Index of the thread in [`Seen::threads`].
    pub thread: u32,
    /// How many samples.
    pub count: u32,
    /// The thread was on a CPU.
    pub running: bool,
    /// When the first was taken, since the start of the recording.
    pub at: Duration,
}

/// Samples that nobody has fetched yet. Those of a waiting thread, which all are the same, are kept
/// as one.
#[derive(Debug, Default)]
pub struct SampleLog {
    runs: Vec<Run>,
    /// The last of `runs` of each thread that waits.
    waiting: HashMap<u32, usize>,
}

impl SampleLog {
    /// What came since the last call, in order of `at`.
    pub fn drain(&mut self) -> Vec<Run> {
        self.waiting.clear();
        std::mem::take(&mut self.runs)
    }
}

impl Sink for SampleLog {
    fn add(&mut self, _seen: &Seen, sample: Sample) {
        let Sample {
            stack,
            thread,
            running,
            at,
            count,
        } = sample;
        if running {
            self.waiting.remove(&thread);
        } else {
            let last = self.waiting.get(&thread).copied();
            if let Some(run) = last.and_then(|last| self.runs.get_mut(last))
                && run.stack == stack
            {
                run.count = run.count.saturating_add(count);
                return;
            }
            self.waiting.insert(thread, self.runs.len());
        }
        self.runs.push(Run {
            stack,
            thread,
            count,
            running,
            at,
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::frames::{Frame, FrameKind};

    #[test]
    fn waiting_in_one_place_is_one_entry() {
        let mut seen = Seen::default();
        let mut stack = |name: &str| {
            let frame = Frame::new(FrameKind::Sub, name.into(), "a.pl".into(), 1);
            let frame = seen.frames.intern(frame);
            seen.stacks.intern(None, frame)
        };
        let (a, b) = (stack("a"), stack("b"));
        let mut log = SampleLog::default();
        let mut tick = 0;
        let mut add = |log: &mut SampleLog, stack, thread, running| {
            tick += 1;
            let at = Duration::from_millis(tick);
            log.add(
                &Seen::default(),
                Sample {
                    stack,
                    thread,
                    running,
                    at,
                    count: 1,
                },
            );
        };
        for (stack, thread, running) in [
            (a, 0, false),
            (b, 1, true),
            (a, 0, false),
            (b, 1, true),
            (b, 0, false),
            (b, 0, true),
            (b, 0, false),
            (b, 0, false),
        ] {
            add(&mut log, stack, thread, running);
        }
        let drained = log.drain();
        let short: Vec<_> = drained
            .iter()
            .map(|r| (r.at.as_millis(), r.count))
            .collect();
        assert_eq!(short, [(1, 2), (2, 1), (4, 1), (5, 1), (6, 1), (7, 2)]);
        add(&mut log, b, 0, false);
        assert_eq!(log.drain().len(), 1, "a new chunk stands for itself");
    }
}
