//! When to sample: at random distances, so that nothing periodic in the target can hide or stand
//! out, and nothing that a sample itself sets off. Who is set aside for us does not get the CPU back at
//! once, and somebody else has it for a while: were the next sample never so soon, or always about
//! then, it would not see each state as long as it lasts. Moments of which each may come at any time
//! after the last, the next one too, see what there is on the average ("Poisson arrivals see time
//! averages"): whoever is woken up while we have the CPU runs just after we leave it, and a clock that
//! left out those moments saw a program of short naps for a fifth less than it ran (measured).

use crate::platform::monotonic;
use std::time::{Duration, Instant};

/// Moments at exponentially distributed distances, whose mean is the period.
/// Being late once does not delay the moments after it.
#[derive(Debug)]
pub struct Clock {
    period: Duration,
    random: fastrand::Rng,
    due: Instant,
    /// How many samples the moments that are drawn from now on count for.
    weight: u32,
    /// The same of the due one.
    due_weight: u32,
    /// When the due sample is tried again.
    again: Option<Instant>,
    /// The moments that passed when the due one was taken, and how many samples they count for.
    passed: Vec<(Instant, u32)>,
}

const MOST_PASSED: usize = 32;

impl Clock {
    /// A clock of `rate` samples per second that starts at `now`.
    pub fn new(rate: f64, now: Instant) -> Self {
        let mut clock = Clock {
            period: Duration::from_secs_f64(1.0 / rate),
            random: fastrand::Rng::new(),
            due: now,
            weight: 1,
            due_weight: 1,
            again: None,
            passed: Vec::new(),
        };
        clock.draw();
        clock
    }

    /// When the next sample is due.
    pub fn due(&self) -> Instant {
        self.again.unwrap_or(self.due)
    }

    /// From the next moment that is drawn on, there are fewer, and each counts for so many samples.
    pub fn slow_down(&mut self, weight: u32) {
        self.weight = weight.max(1);
    }

    /// How many samples the due one stands for.
    pub fn counts_for(&self) -> u32 {
        self.due_weight
    }

    /// Takes note that the due sample is being taken at `now`, and draws the next moment. Returns
    /// how many further samples were due long before now: they are missed.
    pub fn advance(&mut self, now: Instant) -> u64 {
        /// After a long stop (a suspended machine) counting one by one would take too long.
        const MANY: u32 = 1_000_000;
        /// It takes about so long until we have the CPU: what was due meanwhile is seen as it was.
        const TOGETHER: Duration = Duration::from_micros(100);
        self.again = None;
        self.passed.clear();
        let behind = now.saturating_duration_since(self.due);
        let mut missed = 0;
        if behind > self.period * MANY {
            missed = u64::try_from(behind.as_nanos() / self.period.as_nanos().max(1)).unwrap_or(0);
            self.due = now;
        }
        self.draw();
        while self.due + TOGETHER <= now {
            missed += u64::from(self.due_weight);
            if self.passed.len() < MOST_PASSED {
                self.passed.push((self.due, self.due_weight));
            }
            self.draw();
        }
        missed
    }

    /// Moments that were missed when the due one was taken, as many as are worth looking at.
    pub(super) fn passed(&self) -> &[(Instant, u32)] {
        &self.passed
    }

    /// Tries the due sample again at a moment soon after `now`. Those after it stay where they are.
    pub fn put_off(&mut self, now: Instant) {
        /// At low rates, too, there must be time for several tries.
        const LONGEST: Duration = Duration::from_millis(4);
        let most = self.period.min(LONGEST);
        self.again = Some(now + most.mul_f64(0.1 + 0.4 * self.random.f64()));
    }

    fn draw(&mut self) {
        /// In periods: it happens once in four hundred times.
        const LONGEST: f64 = 6.0;
        let far = -(1.0 - self.random.f64()).ln();
        let periods = far.min(LONGEST);
        self.due_weight = self.weight;
        self.due += self.period.mul_f64(periods * f64::from(self.weight));
    }
}

/// One moment by both clocks. To ask one and then the other is late by some microseconds, most of all where one comes
/// from an idle CPU, and that is as long as a program that naps has a CPU.
pub(super) struct BothClocks {
    instant: Instant,
    /// Nanoseconds.
    monotonic: u64,
}

impl BothClocks {
    /// Now.
    pub(super) fn now() -> Self {
        const TRIES: usize = 16;
        let both = std::iter::repeat_with(|| {
            let (before, instant, after) = (monotonic(), Instant::now(), monotonic());
            let width = after.saturating_sub(before);
            let monotonic = before + width / 2;
            (width, BothClocks { instant, monotonic })
        });
        let best = both.take(TRIES).min_by_key(|(width, _)| *width);
        best.map_or_else(
            || BothClocks {
                instant: Instant::now(),
                monotonic: monotonic(),
            },
            |(_, both)| both,
        )
    }

    /// Nanoseconds of CLOCK_MONOTONIC of another moment.
    pub(super) fn monotonic(&self, at: Instant) -> u64 {
        let since = at.saturating_duration_since(self.instant).as_nanos();
        let since = u64::try_from(since).unwrap_or(u64::MAX);
        self.monotonic.saturating_add(since)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RATE: f64 = 1000.0;
    const PERIOD: Duration = Duration::from_millis(1);

    #[test]
    fn the_rate_is_kept_and_no_two_distances_are_alike() {
        let start = Instant::now();
        let mut clock = Clock::new(RATE, start);
        let mut last = start;
        let mut distances = std::collections::HashSet::new();
        for _ in 0..100_000 {
            let distance = clock.due() - last;
            assert!(distance <= PERIOD * 6, "{distance:?}");
            distances.insert(distance);
            last = clock.due();
            assert_eq!(clock.advance(last), 0);
        }
        let mean = (last - start) / 100_000;
        assert!(
            mean > PERIOD * 98 / 100 && mean < PERIOD * 102 / 100,
            "{mean:?}"
        );
        assert!(distances.len() > 80_000);
    }

    #[test]
    fn moments_fall_evenly_on_a_period_of_the_same_length() {
        let start = Instant::now();
        let mut clock = Clock::new(RATE, start);
        let mut places = [0u32; 4];
        for _ in 0..40_000 {
            let within = (clock.due() - start).as_nanos() % 1_000_000;
            places[(within / 250_001) as usize] += 1;
            clock.advance(clock.due());
        }
        assert!(
            places.iter().all(|p| (9_000..11_000).contains(p)),
            "{places:?}"
        );
    }

    #[test]
    fn both_clocks_tell_of_one_moment() {
        let both = BothClocks::now();
        let (before, at, after) = (monotonic(), Instant::now(), monotonic());
        let told = both.monotonic(at);
        assert!(
            before <= told + 1_000 && told <= after + 1_000,
            "{before} {told} {after}"
        );
    }

    #[test]
    fn what_is_put_off_delays_nothing_after_it() {
        let start = Instant::now();
        let mut clock = Clock::new(RATE, start);
        let mut samples = 0;
        let mut missed = 0;
        let mut now = start;
        while now < start + PERIOD * 1000 {
            now = clock.due();
            for _ in 0..samples % 3 {
                clock.put_off(now);
                assert!(clock.due() > now && clock.due() <= now + PERIOD / 2);
                now = clock.due();
            }
            samples += 1;
            missed += clock.advance(now);
        }
        assert!(
            (850..1150).contains(&(samples + missed)),
            "{samples} {missed}"
        );
    }

    #[test]
    fn a_little_late_is_not_missed_and_long_is() {
        let start = Instant::now();
        let mut clock = Clock::new(RATE, start);
        for _ in 0..100 {
            let late = clock.due() + PERIOD / 12;
            assert_eq!(clock.advance(late), 0);
        }
        let missed = clock.advance(clock.due() + PERIOD * 100);
        assert!((50..150).contains(&missed), "{missed}");
        let missed = clock.advance(clock.due() + PERIOD * 5_000_000);
        assert!((4_900_000..5_100_000).contains(&missed), "{missed}");
    }
}
