//! What a thread was seen to have a CPU for, against what the kernel has counted. What is seen is less, for three reasons,
//! and how much less the kernel knows. Who has no real-time priority is let in late, or not at all, above all while
//! others want the CPUs too: for what was missed others count (`strata.rs`). A thread that is woken up is charged for being
//! brought to its CPU, and is brought there after us where one interrupt wakes up both. And what runs after a short nap is
//! met half as often as it is there within 300 us *before* a timer of ours on that CPU, too, by the kernel's own records
//! (measured on a virtual machine: a timer that is pending changes what the CPU does). At real-time priority a thread is
//! seen to wait for its CPU then, and such samples are counted as what they were. At an ordinary one those are mostly of who
//! waits for long: where all that is owed was counted there, a part that writes to a pipe had 6 points of the CPU time too
//! many, and where nothing was, 4 too few; so half is.

use crate::platform::Runs;

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
    /// others will make up for: it is counted now. `halves` leaves every second one for whatever is taken.
    pub(super) fn owes(
        &mut self,
        runs: Option<Runs>,
        rate: f64,
        weight: u32,
        waiting: u32,
        halves: bool,
    ) -> bool {
        let weight = f64::from(weight);
        if self.owed(runs, rate) - self.left < weight + f64::from(waiting) {
            return false;
        }
        self.leaves = halves && !self.leaves;
        match self.leaves {
            true => self.left += weight,
            false => self.counted += weight,
        }
        !self.leaves
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
        assert!(!debt.owes(at(2), RATE, 1, 0, false), "chance");
        // A hundred samples were due: so many, but for chance.
        let owed = (0..200)
            .filter(|_| debt.owes(at(100), RATE, 1, 0, false))
            .count();
        assert!((85..95).contains(&owed), "{owed}");
        // Others will make up for it.
        assert!(!debt.owes(at(150), RATE, 1, 60, false) && debt.owes(at(150), RATE, 1, 20, false));
        assert!(!Debt::default().owes(None, RATE, 1, 0, false));
    }

    #[test]
    fn half_of_what_is_owed_can_be_left_for_others() {
        let mut debt = Debt::default();
        debt.begin(Some(Runs::of(0)));
        let later = Some(Runs::of(100 * 2_500_000));
        let owed = (0..200)
            .filter(|_| debt.owes(later, RATE, 1, 0, true))
            .count();
        assert!((42..48).contains(&owed), "{owed}");
        let more = debt.more(later, RATE, 1, u64::MAX, 0);
        assert!((40..50).contains(&more), "{more}");
        assert!((0.0..3.0).contains(&debt.left), "{}", debt.left);
    }
}
