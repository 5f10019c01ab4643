//! Sampling must not cost the machine more than it may. Where a round is so expensive that it would,
//! rounds become fewer, and each counts for several: the shares stay right.

use std::time::Duration;

/// Keeps the CPU time of the sampling thread below a share of a CPU.
///
/// What a round costs depends on what the target does, such as how deep its stacks are. How much a
/// sample counts is therefore said before it is taken (when its moment is drawn), from rounds that
/// are over: then what is expensive to look at counts neither more nor less than what is not.
#[derive(Debug)]
pub(super) struct Governor {
    /// Of a CPU.
    share: f64,
    /// Between two rounds at the rate that is wanted.
    period: f64,
    /// What a round costs, the last ones most.
    cost: Option<f64>,
    /// CPU time that may be spent beyond the share for now.
    credit: f64,
    /// So many rounds become one.
    weight: u32,
}

/// So many seconds' worth of CPU time may be spent at once: the first rounds learn names.
const CREDIT: f64 = 2.0;
/// How much a round has to say about what rounds cost.
const NEW: f64 = 0.1;
/// A round as rare as that will do for a stack as deep as memory.
const MOST: f64 = 100_000.0;

impl Governor {
    /// At most `share` of a CPU, where `rate` rounds a second are wanted.
    pub(super) fn new(share: f64, rate: f64) -> Self {
        Governor {
            share,
            period: 1.0 / rate,
            cost: None,
            credit: share * CREDIT,
            weight: 1,
        }
    }

    /// Takes note of what a round cost, and of the time since the one before. Returns how many rounds
    /// the next one is to count for.
    pub(super) fn after(&mut self, spent: Duration, elapsed: Duration) -> u32 {
        let (spent, elapsed) = (spent.as_secs_f64(), elapsed.as_secs_f64());
        let most = self.share * CREDIT;
        self.credit = (self.credit + self.share * elapsed).min(most) - spent;
        self.credit = self.credit.max(-most);
        let known = self.cost.unwrap_or(spent);
        let cost = known + (spent - known) * NEW;
        self.cost = Some(cost);
        let needed = (cost / (self.share * self.period)).min(MOST);
        let is_slow = self.weight > 1;
        let current = f64::from(self.weight);
        if (!is_slow && self.credit < 0.0) || (is_slow && needed > current) {
            self.weight = (needed.ceil() as u32).max(2);
        } else if is_slow && needed < 0.7 * current {
            self.weight = (needed.ceil() as u32).max(1);
            self.credit = self.credit.max(most / 2.0);
        }
        self.weight
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Rounds of which some are expensive. Returns the share of a CPU that they took, and what part
    /// of the time they say was expensive, where half of it was.
    fn sampled(cheap: f64, expensive: f64) -> (f64, f64) {
        let mut governor = Governor::new(0.1, 100.0);
        let mut random = fastrand::Rng::with_seed(3);
        let (mut now, mut spent, mut weight) = (0.0, 0.0, 1);
        let mut counts = [0.0, 0.0];
        while now < 4000.0 {
            let elapsed = -(1.0 - random.f64()).ln() * 0.01 * f64::from(weight);
            now += elapsed;
            // Seconds of the one, seconds of the other.
            let is_expensive = now % 14.0 < 7.0;
            let cost = if is_expensive { expensive } else { cheap };
            counts[usize::from(is_expensive)] += f64::from(weight);
            spent += cost;
            let duration = Duration::from_secs_f64;
            weight = governor.after(duration(cost), duration(elapsed));
        }
        (spent / now, counts[1] / (counts[0] + counts[1]))
    }

    #[test]
    fn the_cost_stays_below_the_share_and_the_shares_stay_right() {
        for (cheap, expensive) in [(0.005, 0.005), (0.0001, 0.02), (0.00003, 0.3)] {
            let (cost, part) = sampled(cheap, expensive);
            assert!(cost < 0.11, "{cost} {cheap} {expensive}");
            assert!((part - 0.5).abs() < 0.05, "{part} {cheap} {expensive}");
        }
    }

    #[test]
    fn what_is_cheap_is_never_slowed_down() {
        let mut governor = Governor::new(0.1, 1000.0);
        let (spent, elapsed) = (Duration::from_micros(60), Duration::from_millis(1));
        // Names are learned first.
        assert_eq!(governor.after(Duration::from_millis(80), elapsed), 1);
        assert!((0..10_000).all(|_| governor.after(spent, elapsed) == 1));
    }
}
