//! When to sample: at random moments, so that nothing periodic in the target can hide or stand out.

use std::time::{Duration, Instant};

/// One moment per period, each drawn uniformly from its own period: the count is exact and the
/// distances are random.
#[derive(Debug)]
pub struct Clock {
    start: Instant,
    period: Duration,
    /// Number of the period that is due next.
    next: u64,
    random: fastrand::Rng,
    due: Instant,
}

impl Clock {
    /// A clock of `rate` samples per second that starts now.
    pub fn new(rate: f64) -> Self {
        let start = Instant::now();
        let mut clock = Clock {
            start,
            period: Duration::from_secs_f64(1.0 / rate),
            next: 0,
            random: fastrand::Rng::new(),
            due: start,
        };
        clock.draw();
        clock
    }

    /// When the next sample is due.
    pub fn due(&self) -> Instant {
        self.due
    }

    /// Takes note that the due sample is being taken at `now`, and draws the next moment. Returns
    /// how many whole periods were slept through.
    pub fn advance(&mut self, now: Instant) -> u64 {
        let elapsed = now.saturating_duration_since(self.start).as_nanos();
        let current = u64::try_from(elapsed / self.period.as_nanos().max(1)).unwrap_or(u64::MAX);
        let missed = current.saturating_sub(self.next);
        self.next = self.next.max(current) + 1;
        self.draw();
        missed
    }

    fn draw(&mut self) {
        let periods = self.next as f64 + self.random.f64();
        self.due = self.start + self.period.mul_f64(periods);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_sample_in_every_period() {
        let mut clock = Clock::new(1000.0);
        for period in 0..1000u32 {
            let low = clock.start + Duration::from_millis(1) * period;
            assert!(
                clock.due() >= low && clock.due() <= low + Duration::from_millis(1),
                "{period}"
            );
            assert_eq!(clock.advance(clock.due()), 0);
        }
    }

    #[test]
    fn the_moments_are_spread_evenly() {
        let mut clock = Clock::new(1000.0);
        let mut places = [0u32; 4];
        for _ in 0..4000 {
            let within = (clock.due() - clock.start).as_nanos() % 1_000_000;
            places[(within / 250_001) as usize] += 1;
            clock.advance(clock.due());
        }
        assert!(places.iter().all(|p| (850..1150).contains(p)), "{places:?}");
    }

    #[test]
    fn what_was_slept_through_is_counted() {
        let mut clock = Clock::new(100.0);
        let late = clock.start + Duration::from_millis(57);
        assert_eq!(clock.advance(late), 5);
        assert!(clock.due() >= clock.start + Duration::from_millis(60));
    }
}
