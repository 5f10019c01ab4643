//! Gaps: p5-spy was stopped (Ctrl-Z, SIGSTOP), or the machine slept. Nothing was late then, and
//! nothing was missed.

use super::clocks::read;
use crate::platform::Gap;
use std::sync::Once;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// How often this process was told to go on.
static CONTINUED: AtomicU64 = AtomicU64::new(0);
static LISTENING: Once = Once::new();

/// What is shorter is no gap: somebody else had the CPU.
const SHORTEST: Duration = Duration::from_millis(200);
/// How long a thread is waited for that may be about to count.
const LONGEST_WAIT: Duration = Duration::from_millis(100);
/// The clocks differ by less without a reason.
const SLEEP: Duration = Duration::from_millis(20);

/// Notices gaps, if it is asked more often than they are long.
#[derive(Debug)]
pub struct Gaps {
    last: Instant,
    continued: u64,
    slept: Duration,
}

impl Gaps {
    /// From now on.
    pub fn watch() -> Self {
        LISTENING.call_once(|| {
            let count = || {
                CONTINUED.fetch_add(1, Ordering::SeqCst);
            };
            // SAFETY: the handler only adds to a number. Without it, gaps are delays.
            let _ = unsafe { signal_hook::low_level::register(libc::SIGCONT, count) };
        });
        Gaps {
            last: Instant::now(),
            continued: CONTINUED.load(Ordering::SeqCst),
            slept: asleep(),
        }
    }

    /// The gap since the last call, if there was one.
    pub fn since_last(&mut self) -> Option<Gap> {
        let mut since = self.last.elapsed();
        if since >= SHORTEST {
            // Another thread may be about to count, and may have to wait for a CPU.
            let patience = (since / 4).min(LONGEST_WAIT);
            let until = Instant::now() + patience;
            while CONTINUED.load(Ordering::SeqCst) == self.continued && Instant::now() < until {
                std::thread::sleep(Duration::from_millis(2));
            }
            since = self.last.elapsed();
        }
        let continued = CONTINUED.load(Ordering::SeqCst);
        let was_told = std::mem::replace(&mut self.continued, continued) != continued;
        self.last = Instant::now();
        let asleep = asleep();
        let slept = asleep.saturating_sub(std::mem::replace(&mut self.slept, asleep));
        let gap = Gap {
            stopped: match was_told && since >= SHORTEST {
                true => since,
                false => Duration::ZERO,
            },
            slept: if slept >= SLEEP {
                slept
            } else {
                Duration::ZERO
            },
        };
        (gap != Gap::default()).then_some(gap)
    }
}

/// Two clocks, of which only the first goes on while the machine sleeps. FreeBSD has none that does, so
/// that its sleep is not told from a delay.
#[cfg(target_os = "linux")]
const CLOCKS: (libc::clockid_t, libc::clockid_t) = (libc::CLOCK_BOOTTIME, libc::CLOCK_MONOTONIC);
#[cfg(target_os = "macos")]
const CLOCKS: (libc::clockid_t, libc::clockid_t) =
    (libc::CLOCK_MONOTONIC_RAW, libc::CLOCK_UPTIME_RAW);
#[cfg(target_os = "freebsd")]
const CLOCKS: (libc::clockid_t, libc::clockid_t) = (libc::CLOCK_MONOTONIC, libc::CLOCK_MONOTONIC);

/// How long the machine has slept since it was started.
fn asleep() -> Duration {
    // In this order the difference is never too large.
    let with = read(CLOCKS.0).unwrap_or_default();
    with.saturating_sub(read(CLOCKS.1).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_delay_is_no_gap_and_a_stop_is_one() {
        let mut gaps = Gaps::watch();
        std::thread::sleep(SHORTEST * 2);
        assert_eq!(gaps.since_last(), None);
        // Told to go on, though it never stopped: that alone is nothing.
        CONTINUED.fetch_add(1, Ordering::SeqCst);
        std::thread::sleep(Duration::from_millis(1));
        gaps.last = Instant::now();
        assert_eq!(gaps.since_last(), None);
        std::thread::sleep(SHORTEST * 2);
        CONTINUED.fetch_add(1, Ordering::SeqCst);
        let gap = gaps.since_last().unwrap();
        assert!(gap.stopped >= SHORTEST * 2, "{gap:?}");
        assert_eq!(gaps.since_last(), None);
        // The other clock ran on.
        gaps.slept = gaps.slept.saturating_sub(Duration::from_secs(7));
        if asleep() >= Duration::from_secs(7) {
            assert_eq!(gaps.since_last().unwrap().slept.as_secs(), 7);
        }
    }
}
