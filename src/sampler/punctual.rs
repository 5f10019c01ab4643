//! Without a real-time priority we may be let in late, when whoever has the CPU gives it away: in a
//! system call, or when it begins to wait. Samples that were late gather there.

use std::time::Duration;

/// So many are remembered.
const KNOWN: usize = 64;
/// The limit is found anew after so many.
const EVERY: usize = 16;
/// More than this is late on any machine, and less on none.
const LIMITS: (Duration, Duration) = (Duration::from_micros(15), Duration::from_micros(200));

/// Knows how late we are where nobody makes us wait.
#[derive(Debug)]
pub(super) struct Punctual {
    known: Vec<Duration>,
    next: usize,
    limit: Duration,
}

impl Default for Punctual {
    fn default() -> Self {
        Punctual {
            known: Vec::with_capacity(KNOWN),
            next: 0,
            limit: LIMITS.1,
        }
    }
}

impl Punctual {
    /// True if we waited for the CPU no longer than usual.
    pub(super) fn is_on_time(&mut self, waited: Duration) -> bool {
        self.learn(waited);
        self.is_usual(waited)
    }

    /// A third of the times are usual, however the machine and its load are.
    pub(super) fn is_usual(&self, waited: Duration) -> bool {
        waited <= self.limit
    }

    /// What it was once.
    pub(super) fn learn(&mut self, waited: Duration) {
        match self.known.get_mut(self.next) {
            Some(old) => *old = waited,
            None => self.known.push(waited),
        }
        self.next = (self.next + 1) % KNOWN;
        if self.next.is_multiple_of(EVERY) {
            let mut sorted = self.known.clone();
            sorted.sort_unstable();
            let good = sorted.get(sorted.len() / 3).copied().unwrap_or_default();
            self.limit = (good + good / 4).clamp(LIMITS.0, LIMITS.1);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_usual_is_on_time() {
        let micros = Duration::from_micros;
        let mut punctual = Punctual::default();
        let mut on_time = |waited| punctual.is_on_time(micros(waited));
        // A quick machine, on which every second sample waits for somebody.
        for _ in 0..100 {
            on_time(20);
            on_time(130);
        }
        assert!(on_time(22) && !on_time(100));
        // A slow one.
        for turn in 0..200 {
            on_time(60 + turn % 10);
        }
        assert!(on_time(70) && !on_time(150));
    }
}
