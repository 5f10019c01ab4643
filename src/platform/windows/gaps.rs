//! Gaps: the machine slept. Nobody stops a program of Windows as a terminal does elsewhere.

use crate::platform::Gap;
use std::time::Duration;
use windows_sys::Win32::System::WindowsProgramming::{
    QueryInterruptTime, QueryUnbiasedInterruptTime,
};

/// The clocks differ by less without a reason.
const SLEEP: Duration = Duration::from_millis(20);

/// Notices gaps.
#[derive(Debug)]
pub struct Gaps {
    slept: Duration,
}

impl Gaps {
    /// From now on.
    pub fn watch() -> Self {
        Gaps { slept: asleep() }
    }

    /// The gap since the last call, if there was one.
    pub fn since_last(&mut self) -> Option<Gap> {
        let now = asleep();
        let slept = now.saturating_sub(self.slept);
        (slept >= SLEEP).then(|| {
            self.slept = now;
            Gap {
                stopped: Duration::ZERO,
                slept,
            }
        })
    }
}

/// How long the machine has slept since it was started.
fn asleep() -> Duration {
    let (mut all, mut awake) = (0, 0);
    // SAFETY: valid places for the results. In this order the difference is never too large.
    unsafe {
        QueryInterruptTime(&mut all);
        QueryUnbiasedInterruptTime(&mut awake);
    }
    super::system::span(all.saturating_sub(awake))
}
