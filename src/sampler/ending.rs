//! When a recording is over because nothing is left to sample.

use super::scout::Left;
use super::{End, Follow, Sampler};
use crate::platform::Process;
use crate::profile::Sink;
use std::time::{Duration, Instant};

/// How long children of processes that all ended are waited for.
const ORPHAN_PATIENCE: Duration = Duration::from_millis(200);
/// Between two questions who is left.
const COUNT_EVERY: Duration = Duration::from_millis(30);
/// How long it is waited while something is left that is no perl but may become or start one.
const OTHERS_PATIENCE: Duration = Duration::from_secs(1);

impl<S: Sink> Sampler<S> {
    /// Nothing is left to sample, nor expected.
    pub(super) fn ended(&mut self) -> Option<End> {
        if !self.watched.is_empty() || !self.awaited.is_empty() {
            self.nobody_since = None;
            self.left = None;
            return None;
        }
        if self.settings.follow != Follow::Nobody && self.may_go_on() {
            return None;
        }
        Some(match self.lost.take() {
            Some(error) => End::Lost(error),
            None => End::TargetEnded,
        })
    }

    /// There is nobody to sample, but a process that just ended may have left others that are being
    /// looked at, and a shell may start what it will.
    fn may_go_on(&mut self) -> bool {
        let since = self.nobody_since.get_or_insert_with(Instant::now).elapsed();
        if self.roots.iter().any(|pid| Process::glance(*pid).is_ok()) {
            self.left = None;
            return true;
        }
        let is_old = |(_, when): (Left, Instant)| when.elapsed() >= COUNT_EVERY;
        if !self.counting && self.left.is_none_or(is_old) {
            self.counting = true;
            // What was so before says nothing of now.
            self.left = None;
            self.scout.count();
        }
        self.left.is_none_or(|(left, _)| {
            left.starting > 0
                || since < ORPHAN_PATIENCE
                || (left.others > 0 && since < OTHERS_PATIENCE)
        })
    }
}
