//! What was missed, by where it was in the thread's time on a CPU. Who is let in late sees little of a thread that comes
//! for some microseconds and goes again, and much of one that runs on: were all that was missed made up for by whatever is
//! seen next, the one would have too little and the other too much. So a sample that was missed so long after the thread
//! had come, woken up or not, is made up for by the next that is seen as long after it: survey statisticians call that
//! post-stratification, and what belongs together a stratum.

use crate::platform::Stint;

/// By the powers of two of the microseconds since it came.
const AGES: usize = 12;
const STRATA: usize = 2 * AGES;
/// So many samples are waited for before others make up for one of a stratum in which none is seen.
const PATIENCE: u32 = 64;
/// One makes up for so great a part of them: were it for all at once, chance would have more to say.
const PART: u32 = 4;

/// What was missed of one thread, and is not made up for.
#[derive(Debug, Default)]
pub(super) struct Strata {
    missed: [Missed; STRATA],
    seen: u32,
}

#[derive(Debug, Default, Clone, Copy)]
struct Missed {
    samples: u32,
    /// How many were seen when the first of them was missed, or the last was made up for.
    since: u32,
}

impl Strata {
    /// One was missed there, which counts for `weight`.
    pub(super) fn miss(&mut self, stint: Stint, weight: u32) {
        let seen = self.seen;
        if let Some(missed) = self.missed.get_mut(stratum(stint)) {
            if missed.samples == 0 {
                missed.since = seen;
            }
            missed.samples = missed.samples.saturating_add(weight);
        }
    }

    /// One is seen there: for so many it counts beside itself.
    pub(super) fn see(&mut self, stint: Stint) -> u32 {
        self.seen = self.seen.wrapping_add(1);
        let seen = self.seen;
        for missed in &mut self.missed {
            if seen.wrapping_sub(missed.since) > PATIENCE {
                missed.samples = 0;
            }
        }
        let missed = self.missed.get_mut(stratum(stint));
        missed.map_or(0, |missed| {
            let more = missed.samples.div_ceil(PART);
            missed.samples -= more;
            missed.since = seen;
            more
        })
    }

    /// All that wait for another of their stratum.
    pub(super) fn waiting(&self) -> u32 {
        let samples = self.missed.iter().map(|missed| missed.samples);
        samples.fold(0, u32::saturating_add)
    }
}

fn stratum(stint: Stint) -> usize {
    let micros = stint.age.as_micros().checked_ilog2();
    let age = micros.map_or(0, |power| power as usize + 1);
    age.min(AGES - 1) + AGES * usize::from(stint.was_woken)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    fn at(micros: u64, was_woken: bool) -> Stint {
        Stint {
            age: Duration::from_micros(micros),
            was_woken,
        }
    }

    #[test]
    fn what_was_missed_is_made_up_for_by_its_like() {
        let mut strata = Strata::default();
        strata.miss(at(5, true), 1);
        strata.miss(at(7, true), 2);
        strata.miss(at(900, false), 8);
        assert_eq!(strata.waiting(), 11);
        // As old, but it was not woken up; woken up, but older.
        assert_eq!(strata.see(at(5, false)), 0);
        assert_eq!(strata.see(at(20, true)), 0);
        for more in [1, 1, 1, 0] {
            assert_eq!(strata.see(at(4, true)), more);
        }
        for more in [2, 2, 1, 1, 1, 1, 0] {
            assert_eq!(strata.see(at(1000, false)), more);
        }
        assert_eq!(strata.waiting(), 0);
    }

    #[test]
    fn nobody_waits_for_ever() {
        let mut strata = Strata::default();
        for _ in 0..1000 {
            strata.see(at(5, true));
        }
        strata.miss(at(1, false), 3);
        for _ in 0..PATIENCE {
            assert_eq!((strata.see(at(5, true)), strata.waiting()), (0, 3));
        }
        assert_eq!((strata.see(at(5, true)), strata.waiting()), (0, 0));
        strata.miss(at(u64::MAX, true), u32::MAX);
        strata.miss(at(u64::MAX, true), 1);
        assert_eq!(strata.see(at(1 << 40, true)), 1 << 30);
    }

    /// A program that answers, for 10 us after each wake-up, as long as it computes, for a millisecond: of the samples of
    /// the one half is missed, of the other nothing.
    #[test]
    fn shares_are_right_though_one_part_is_missed_more_often() {
        let mut random = fastrand::Rng::with_seed(11);
        let mut strata = Strata::default();
        let (mut answers, mut computes) = (0, 0);
        for _ in 0..20_000 {
            if random.bool() {
                let stint = at(random.u64(0..10), true);
                match random.bool() {
                    true => strata.miss(stint, 1),
                    false => answers += 1 + strata.see(stint),
                }
            } else {
                computes += 1 + strata.see(at(random.u64(0..1000), false));
            }
        }
        let share = f64::from(answers) / f64::from(answers + computes);
        assert!((0.485..0.515).contains(&share), "{share}");
    }
}
