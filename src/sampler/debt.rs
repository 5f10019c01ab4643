//! What a thread was seen to have a CPU for, against what the kernel has counted. What is seen is less, for three reasons,
//! and how much less the kernel knows. Who has no real-time priority is let in late, or not at all, above all while
//! others want the CPUs too: for what was missed others count (`strata.rs`). A thread that is woken up is charged for being
//! brought to its CPU, and is brought there after us where one interrupt wakes up both. And what runs after a short nap is
//! met half as often as it is there within 300 us *before* a timer of ours on that CPU, too, by the kernel's own records
//! (measured on a virtual machine: a timer that is pending changes what the CPU does). At real-time priority a thread is
//! seen to wait for its CPU then, and such samples are counted as what they were. At an ordinary one among other programs
//! those are mostly of who waits for long: where all that is owed was counted there, a part that writes to a pipe had 6
//! points of the CPU time too many, and where nothing was, 4 too few; so half is, where the kernel's account says that
//! at least half of what seemed to wait did.

use crate::platform::{Priority, Runs};

/// So many standard deviations are chance: at random moments one time in six is more.
const CHANCE: f64 = 1.0;
/// Where nothing was counted yet, this much is chance too.
const FIRST: f64 = 4.0;

/// The account of one thread.
#[derive(Debug, Default)]
pub(super) struct Debt {
    /// Nanoseconds of CPU time when the account was opened.
    from: Option<u64>,
    /// Samples that were counted since then.
    counted: f64,
    /// Samples that seemed to wait for a CPU and are left for others to make up for.
    left: f64,
    /// The next of these is left.
    leaves: bool,
    waits: Waits,
}

/// Samples of a thread that seemed to wait for a CPU, against the time for which it did.
#[derive(Debug, Default)]
struct Waits {
    /// Nanoseconds of waiting when the first of them was seen.
    from: Option<u64>,
    samples: f64,
}

impl Waits {
    /// What was long ago counts for less and less.
    const MANY: f64 = 2048.0;

    /// One more that counts for `weight`.
    fn see(&mut self, waited: u64, weight: f64) {
        let from = self.from.get_or_insert(waited);
        self.samples += weight;
        if self.samples > Self::MANY {
            *from += waited.saturating_sub(*from) / 2;
            self.samples /= 2.0;
        }
    }

    /// True if half of them did wait.
    fn are_real(&self, waited: u64, rate: f64) -> bool {
        let from = self.from.unwrap_or(waited);
        let samples = waited.saturating_sub(from) as f64 / 1e9 * rate;
        2.0 * samples >= self.samples
    }
}

impl Debt {
    /// Opens the account, or closes what was open: from now on both sides are counted.
    pub(super) fn begin(&mut self, runs: Option<Runs>) {
        *self = Debt {
            from: runs.map(Runs::nanoseconds),
            ..Debt::default()
        };
    }

    /// True if less was counted than there was, by this sample that was seen to wait for a CPU and by the `waiting` that
    /// others will make up for: it is counted now. At an ordinary `priority` every second one is left for whatever is
    /// taken, where most of them wait.
    pub(super) fn owes(
        &mut self,
        runs: Option<Runs>,
        rate: f64,
        weight: u32,
        waiting: u32,
        priority: Priority,
    ) -> bool {
        let weight = f64::from(weight);
        self.waits.see(runs.map_or(0, Runs::waited), weight);
        if self.owed(runs, rate) - self.left < weight + f64::from(waiting) {
            return false;
        }
        self.leaves = self.leaves_some(runs, rate, priority) && !self.leaves;
        match self.leaves {
            true => self.left += weight,
            false => self.counted += weight,
        }
        !self.leaves
    }

    /// True if what seems to wait for a CPU is not to have all that is owed.
    pub(super) fn leaves_some(&self, runs: Option<Runs>, rate: f64, priority: Priority) -> bool {
        let waited = runs.map_or(0, Runs::waited);
        priority != Priority::RealTime && self.waits.are_real(waited, rate)
    }

    /// Samples that were due and not counted, and are more than chance.
    fn owed(&mut self, runs: Option<Runs>, rate: f64) -> f64 {
        let Some(now) = runs.map(Runs::nanoseconds) else {
            return 0.0;
        };
        let from = *self.from.get_or_insert(now);
        let due = now.saturating_sub(from) as f64 / 1e9 * rate;
        let chance = CHANCE * (self.counted + FIRST).sqrt();
        due - self.counted - chance
    }

    /// For how many more samples than `weight` one counts that was just taken, but no more than `most`. `waiting` others will
    /// be made up for by others. `rate` is that of samples a second.
    pub(super) fn more(
        &mut self,
        runs: Option<Runs>,
        rate: f64,
        weight: u32,
        most: u64,
        waiting: u32,
    ) -> u32 {
        if runs.is_none() {
            return 0;
        }
        self.counted += f64::from(weight);
        let owed = self.owed(runs, rate) - f64::from(waiting);
        let more = owed.floor().clamp(0.0, most as f64);
        let more = (more as u64).min(u64::from(u32::MAX / 2)) as u32;
        self.counted += f64::from(more);
        self.left = (self.left - f64::from(more)).max(0.0);
        more
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RATE: f64 = 400.0;

    /// So many seconds of CPU time, of which a share is seen. Returns what is counted.
    fn counted(seconds: f64, share: f64) -> f64 {
        let mut random = fastrand::Rng::with_seed(7);
        let mut debt = Debt::default();
        debt.begin(Some(Runs::of(5_000_000_000)));
        let (mut at, mut all) = (0.0, 0.0);
        while at < seconds {
            at += -(1.0 - random.f64()).ln() / RATE;
            if random.f64() < share {
                let now = Some(Runs::of(5_000_000_000 + (at * 1e9) as u64));
                all += 1.0 + f64::from(debt.more(now, RATE, 1, u64::MAX, 0));
            }
        }
        all / RATE
    }

    #[test]
    fn what_is_counted_is_what_the_kernel_has_counted() {
        for share in [1.0, 0.7, 0.1, 0.02] {
            let seen = counted(20.0, share);
            assert!((19.0..20.6).contains(&seen), "{share}: {seen}");
        }
    }

    #[test]
    fn chance_is_no_debt() {
        let mut debt = Debt::default();
        debt.begin(Some(Runs::of(0)));
        // On time, each of them.
        for number in 1..10_000_u64 {
            let now = Some(Runs::of(number * 2_500_000));
            assert_eq!(debt.more(now, RATE, 1, u64::MAX, 0), 0);
        }
        // No more than there is to be made up for, and nothing where nobody counts.
        let later = Some(Runs::of(100_000_000_000));
        assert_eq!(debt.more(later, RATE, 1, 3, 0), 3);
        assert_eq!(debt.more(later, RATE, 1, 3, 30_000), 0);
        assert_eq!(Debt::default().more(None, RATE, 1, 3, 0), 0);
    }

    #[test]
    fn what_was_never_seen_on_a_cpu_is_owed_to_what_waits_for_one() {
        let mut debt = Debt::default();
        debt.begin(Some(Runs::of(0)));
        let at = |samples: u64| Some(Runs::of(samples * 2_500_000));
        assert!(!debt.owes(at(2), RATE, 1, 0, Priority::RealTime), "chance");
        // A hundred samples were due: so many, but for chance.
        let owed = (0..200)
            .filter(|_| debt.owes(at(100), RATE, 1, 0, Priority::RealTime))
            .count();
        assert!((85..95).contains(&owed), "{owed}");
        // Others will make up for it.
        assert!(
            !debt.owes(at(150), RATE, 1, 60, Priority::RealTime)
                && debt.owes(at(150), RATE, 1, 20, Priority::RealTime)
        );
        assert!(!Debt::default().owes(None, RATE, 1, 0, Priority::RealTime));
    }

    /// A hundred samples are due, and 200 seem to wait, of which the kernel says that so many did: how many are counted,
    /// and for how many more the next counts that is taken.
    fn of_those_that_wait(waited: u64, priority: Priority) -> (usize, u32) {
        let mut debt = Debt::default();
        debt.begin(Some(Runs::of(0)));
        let at = |sample: u64| {
            let waited = waited * sample / 200 * 2_500_000;
            Some(Runs::of(100 * 2_500_000).after_waiting(waited))
        };
        let owed = (0..200)
            .filter(|sample| debt.owes(at(*sample), RATE, 1, 0, priority))
            .count();
        let more = debt.more(at(200), RATE, 1, u64::MAX, 0);
        assert!((0.0..3.0).contains(&debt.left), "{}", debt.left);
        (owed, more)
    }

    #[test]
    fn half_of_what_is_owed_is_left_for_others_where_what_seems_to_wait_does() {
        let (owed, more) = of_those_that_wait(160, Priority::Ordinary);
        assert!((42..48).contains(&owed), "{owed}");
        assert!((40..50).contains(&more), "{more}");
        for (waited, priority) in [(30, Priority::Ordinary), (160, Priority::RealTime)] {
            let (owed, more) = of_those_that_wait(waited, priority);
            assert!((85..95).contains(&owed) && more < 3, "{owed} {more}");
        }
    }

    #[test]
    fn load_that_is_over_is_forgotten() {
        let mut waits = Waits::default();
        let mut waited = 0;
        for _ in 0..10_000 {
            waited += 2_500_000;
            waits.see(waited, 1.0);
        }
        assert!(waits.are_real(waited, RATE));
        for _ in 0..5_000 {
            waits.see(waited, 1.0);
        }
        assert!(!waits.are_real(waited, RATE));
    }
}
