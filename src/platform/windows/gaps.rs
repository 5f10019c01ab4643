//! Gaps: the machine slept. Nobody stops a program of Windows as a terminal does elsewhere.

use crate::platform::Gap;
use std::time::Duration;
use windows_sys::Win32::System::SystemInformation::GetTickCount64;
use windows_sys::Win32::System::WindowsProgramming::QueryUnbiasedInterruptTime;

/// The clocks have steps of up to 16 ms, and differ by less than this without a reason.
const SLEEP: Duration = Duration::from_millis(100);

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
    let mut awake = 0;
    // SAFETY: a valid place for the result; the other takes nothing.
    let all = unsafe {
        QueryUnbiasedInterruptTime(&mut awake);
        Duration::from_millis(GetTickCount64())
    };
    all.saturating_sub(super::system::span(awake))
}
