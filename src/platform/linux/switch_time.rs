//! How long the kernel takes to bring a thread to a CPU. That is part of the thread's CPU time, as its clocks and `times`
//! tell it: the scheduler's clock for it starts when it is chosen, and the record of its coming is written when it is
//! there. In a virtual machine it may be most of what a short nap costs: 20 us and more where the CPU was idle, 3 us
//! where it was not long. So it is learned, by how long the thread was away: what the kernel has charged it for beyond
//! the time for which it was there.

/// By the powers of two of the microseconds that it was away.
const CLASSES: usize = 16;
/// How far one interval changes what is known.
const PACE: f64 = 0.1;
/// More nanoseconds than this it never is.
const MOST: f64 = 200_000.0;
/// Every interval teaches until there were so many, then one of [`SELDOM`].
const EARLY: u32 = 200;
const SELDOM: u32 = 8;

/// What is known of one thread.
#[derive(Debug)]
pub(super) struct SwitchTime {
    /// Nanoseconds.
    classes: [f64; CLASSES],
    intervals: u32,
    /// Where the next interval begins: the thread's CPU time, and when it left its CPU, in nanoseconds.
    begun: Option<(u64, u64)>,
}

impl Default for SwitchTime {
    fn default() -> Self {
        SwitchTime {
            classes: [0.0; CLASSES],
            intervals: 0,
            begun: None,
        }
    }
}

impl SwitchTime {
    /// How long the kernel takes for one that was away for so many nanoseconds.
    pub(super) fn after(&self, away: u64) -> u64 {
        let known = self.classes.get(class(away)).copied().unwrap_or(0.0);
        // It cannot be chosen before it was away.
        (known as u64).min(away)
    }

    /// True if what it has run is worth asking for.
    pub(super) fn wants_more(&mut self) -> bool {
        self.intervals = self.intervals.wrapping_add(1);
        self.intervals < EARLY || self.intervals.is_multiple_of(SELDOM) || self.begun.is_some()
    }

    /// The thread left its CPU at that time, having run so long. `turns` tells what was since another such moment: how
    /// long it was on CPUs, and before each time how long it was away.
    pub(super) fn learn(
        &mut self,
        left: u64,
        ran: u64,
        turns: impl FnOnce(u64) -> Option<(u64, Vec<u64>)>,
    ) {
        let begun = self.begun.replace((ran, left));
        let Some((ran_then, left_then)) = begun else {
            return;
        };
        if self.intervals >= EARLY {
            self.begun = None;
        }
        let Some((there, away)) = turns(left_then) else {
            return;
        };
        let charged = ran.saturating_sub(ran_then);
        if away.is_empty() || charged < there {
            return;
        }
        let mut counts = [0.0; CLASSES];
        for away in away {
            if let Some(count) = counts.get_mut(class(away)) {
                *count += 1.0;
            }
        }
        let pairs = || self.classes.iter().zip(&counts);
        let expected: f64 = pairs().map(|(time, count)| time * count).sum();
        let norm: f64 = counts.iter().map(|count| count * count).sum();
        let step = PACE * ((charged - there) as f64 - expected) / norm;
        for (time, count) in self.classes.iter_mut().zip(counts) {
            *time = (*time + step * count).clamp(0.0, MOST);
        }
    }
}

fn class(away: u64) -> usize {
    let micros = away / 1000;
    let class = micros.checked_ilog2().map_or(0, |power| power as usize + 1);
    class.min(CLASSES - 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_learned_by_how_long_the_thread_was_away() {
        let mut random = fastrand::Rng::with_seed(3);
        let (mut time, mut ran, mut left) = (SwitchTime::default(), 0, 0);
        for _ in 0..1000 {
            // Naps of 300 us cost 12 us more than they take, answers that come after 10 us cost 2.
            let away: Vec<u64> = (0..random.usize(1..12))
                .map(|_| if random.bool() { 300_000 } else { 10_000 })
                .collect();
            let there = random.u64(10_000..900_000);
            let more = |away: &u64| if *away > 100_000 { 12_000 } else { 2_000 };
            ran += there + away.iter().map(more).sum::<u64>();
            left += 1_000_000;
            if time.wants_more() {
                time.learn(left, ran, |_| Some((there, away)));
            }
        }
        assert!((11_000..13_000).contains(&time.after(300_000)), "{time:?}");
        assert!((1_500..2_500).contains(&time.after(10_000)), "{time:?}");
        // Of others nothing is known, and nobody is chosen before he was away.
        assert_eq!(time.after(10_000_000), 0);
        assert!(time.after(9_000) <= 9_000);
    }

    #[test]
    fn what_makes_no_sense_teaches_nothing() {
        let mut time = SwitchTime::default();
        time.learn(1, 1_000, |_| None);
        time.learn(2, 2_000, |_| None);
        time.learn(3, 3_000, |_| Some((900_000, vec![300_000])));
        time.learn(4, 4_000, |_| Some((0, Vec::new())));
        time.learn(5, u64::MAX, |_| Some((0, vec![300_000])));
        assert!(time.after(300_000) <= MOST as u64);
    }
}
