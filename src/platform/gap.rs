//! Times at which nothing was late, because p5-spy was not there.

use std::time::Duration;

/// A time that p5-spy was not there.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Gap {
    /// It was stopped. This time is part of what `Instant` counts.
    pub stopped: Duration,
    /// The machine slept. This is not.
    pub slept: Duration,
}

impl Gap {
    /// All of it.
    pub fn length(self) -> Duration {
        self.stopped + self.slept
    }
}
