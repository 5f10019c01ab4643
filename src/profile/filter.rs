//! Which samples of a recording are looked at.

use super::{Run, ThreadAbout};
use crate::frames::Frame;
use crate::ids::Pid;
use regex::Regex;
use std::time::Duration;

/// What a sample must be. Where nothing is said, everything will do, but for waiting threads.
#[derive(Debug, Clone, Default)]
pub struct Filter {
    /// Of one of these threads: the kernel's ids, or perl's.
    pub threads: Vec<u64>,
    /// Of one of these processes.
    pub pids: Vec<Pid>,
    /// With a function on the stack whose name has this in it.
    pub sub: Option<Regex>,
    /// Taken at this time or later, since the start.
    pub from: Option<Duration>,
    /// Taken before this time.
    pub to: Option<Duration>,
    /// Threads that waited count too.
    pub idle: bool,
    /// Ops and system calls stay on their stacks.
    pub ops: bool,
    /// What ran in C does not.
    pub without_native: bool,
}

impl Filter {
    /// Everything that a recording has.
    pub fn everything() -> Self {
        Filter {
            idle: true,
            ops: true,
            ..Filter::default()
        }
    }

    /// Whether it picks some of what is recorded.
    pub fn picks(&self) -> bool {
        !self.threads.is_empty()
            || !self.pids.is_empty()
            || self.sub.is_some()
            || self.from.is_some()
            || self.to.is_some()
    }

    /// Whether samples of a thread count.
    pub fn takes_thread(&self, thread: &ThreadAbout) -> bool {
        let named = |wanted: &u64| {
            u64::try_from(thread.os_tid.number()) == Ok(*wanted) || thread.perl_tid == Some(*wanted)
        };
        (self.pids.is_empty() || self.pids.contains(&thread.pid))
            && (self.threads.is_empty() || self.threads.iter().any(named))
    }

    /// Whether stacks with this frame count.
    pub fn takes_frame(&self, frame: &Frame) -> bool {
        self.sub
            .as_ref()
            .is_none_or(|sub| sub.is_match(&frame.label))
    }

    /// The samples of a run that count, as far as time and state go; `period` is the time from one
    /// sample to the next.
    pub fn part(&self, run: Run, period: Duration) -> Option<Run> {
        if !run.running && !self.idle {
            return None;
        }
        let index = |time: Duration| {
            let since = time.saturating_sub(run.at);
            let whole = since.as_nanos().div_ceil(period.as_nanos().max(1));
            u32::try_from(whole).unwrap_or(u32::MAX).min(run.count)
        };
        let first = self.from.map_or(0, index);
        let end = self.to.map_or(run.count, index);
        let count = end.checked_sub(first).filter(|count| *count > 0)?;
        Some(Run {
            count,
            at: run.at.saturating_add(period.saturating_mul(first)),
            ..run
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::frames::StackId;

    #[test]
    fn a_span_cuts_runs_of_waiting() {
        let second = Duration::from_secs(1);
        let run = Run {
            stack: StackId::at(0),
            thread: 0,
            count: 5,
            running: false,
            at: second * 10,
        };
        let part = |from, to| {
            let filter = Filter {
                from: Some(Duration::from_millis(from)),
                to: Some(Duration::from_millis(to)),
                idle: true,
                ..Filter::default()
            };
            filter
                .part(run, second)
                .map(|run| (run.at.as_secs(), run.count))
        };
        assert_eq!(part(0, 99_000), Some((10, 5)));
        assert_eq!(part(11_500, 99_000), Some((12, 3)));
        assert_eq!(part(11_000, 13_000), Some((11, 2)));
        assert_eq!(part(0, 10_000), None);
        assert_eq!(part(15_000, 99_000), None);
        assert_eq!(part(12_000, 11_000), None);
        assert_eq!(Filter::default().part(run, second), None);
    }
}
