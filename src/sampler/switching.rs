//! What the change to a thread costs it. The kernel's clock charges a thread from the moment at which
//! the scheduler has chosen it; the record of its coming is written when it is there. In between lie two
//! to five microseconds on a virtual machine: half of what a short sleep is charged. The difference of
//! clock and records tells how much it is here and now.

use crate::platform::Stay;

/// So many comparisons are remembered.
const KNOWN: usize = 256;
/// Nanoseconds. What differs more is something else, as time that the host gave to others.
const MOST: f64 = 1_000_000.0;

/// Knows the cost of a change.
#[derive(Debug)]
pub(super) struct Switching {
    /// Nanoseconds that were charged and not recorded, and how many changes there were.
    known: Vec<(f64, f64)>,
    next: usize,
    cost: u64,
}

impl Default for Switching {
    fn default() -> Self {
        Switching {
            known: Vec::with_capacity(KNOWN),
            next: 0,
            cost: 0,
        }
    }
}

impl Switching {
    /// Nanoseconds for which a thread is charged before the record of its coming.
    pub(super) fn cost(&self) -> u64 {
        self.cost
    }

    /// A thread had a CPU as its records say, and was charged so many nanoseconds for it.
    pub(super) fn learn(&mut self, stay: Stay, charged: u64) {
        let times = f64::from(stay.times);
        let more = charged as f64 - stay.length as f64;
        if stay.times == 0 || more.abs() > MOST * times {
            return;
        }
        match self.known.get_mut(self.next) {
            Some(old) => *old = (more, times),
            None => self.known.push((more, times)),
        }
        self.next = (self.next + 1) % KNOWN;
        let (more, times) = self
            .known
            .iter()
            .fold((0.0, 0.0), |sum, known| (sum.0 + known.0, sum.1 + known.1));
        self.cost = (more / times).max(0.0) as u64;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_mean_cost_is_known_whatever_else_happens() {
        let mut switching = Switching::default();
        let stay = Stay {
            length: 50_000,
            times: 4,
        };
        assert_eq!(switching.cost(), 0);
        for turn in 0..100_u64 {
            // Now and then the host gives the time to others, or an interrupt is charged to nobody.
            let charged = match turn % 5 {
                0 => 10_000_000,
                1 => 58_000,
                _ => 62_000,
            };
            switching.learn(stay, charged);
        }
        assert_eq!(switching.cost(), 2_750);
        switching.learn(Stay { times: 0, ..stay }, 1);
        assert_eq!(switching.cost(), 2_750);
        for _ in 0..KNOWN {
            switching.learn(stay, 49_000);
        }
        assert_eq!(switching.cost(), 0);
    }
}
