//! Whether a thread that wants to run had a CPU when its sample was due: we go to the CPU that it is on,
//! and ask the kernel whether it left that for us.

use super::punctual::Punctual;
use super::watched::WatchedThread;
use crate::platform::{Arrival, CoSchedule, HeldCpu, Priority, Testimony, monotonic};
use std::time::Duration;

/// What a thread was doing when its sample was due.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Presence {
    /// It had a CPU.
    OnCpu,
    /// It had none.
    Off,
    /// It had one, but we came too late to see what it did then.
    Late,
    /// Nobody can tell.
    Unknown,
}

/// Nanoseconds that it takes at most from a thread's leave to our first step on its CPU.
const LET_IN: u64 = 10_000;

/// Nanoseconds. At real-time priority we are let in within half of it, from an idle CPU too.
const PROMPT: u64 = 100_000;

impl Presence {
    /// By what the kernel says. Who is set aside may be seen late: whether that happened was not its choice. Who began
    /// to wait chose the moment, and samples that were late would gather there. Where we are let in at once, who waited
    /// and came back meanwhile has gone no further than anybody else would have: each is seen as much later, and what one
    /// state loses to the next it gains from the one before.
    pub(super) fn of(held: Option<HeldCpu>, admission: Admission, punctual: &mut Punctual) -> Self {
        match held {
            None => Presence::Unknown,
            Some(HeldCpu::Not) => Presence::Off,
            Some(HeldCpu::RanOn(_)) => match admission {
                Admission::Prompt | Admission::AtOnce => Presence::OnCpu,
                // Something else than the program made us wait.
                Admission::Late => Presence::Unknown,
                Admission::Queued => Presence::Late,
            },
            // In the kernel nobody is set aside: it takes a little longer.
            Some(HeldCpu::Until(leave)) if leave.waits => {
                match admission == Admission::AtOnce || punctual.is_usual(leave.after / 2) {
                    true => Presence::OnCpu,
                    false => Presence::Late,
                }
            }
            Some(HeldCpu::Until(leave)) => {
                punctual.learn(leave.after);
                Presence::OnCpu
            }
        }
    }
}

/// How we were let in for a round of samples.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Admission {
    /// At real-time priority no program makes us wait; nothing else did, either.
    Prompt,
    /// At real-time priority, but something made us late.
    Late,
    /// At an ordinary one: nobody had the CPU before us.
    AtOnce,
    /// Others had it first.
    Queued,
}

impl Admission {
    /// That of a round that was due then, before which we waited so long in the run queue (`None` where that is not known).
    pub(super) fn of(priority: Priority, due: u64, waited: Option<Duration>) -> Self {
        /// What the change from one thread to the other takes.
        const CHANGE: Duration = Duration::from_micros(10);
        match priority {
            Priority::RealTime if monotonic().saturating_sub(due) < PROMPT => Admission::Prompt,
            Priority::RealTime => Admission::Late,
            Priority::Ordinary if waited.is_some_and(|waited| waited <= CHANGE) => {
                Admission::AtOnce
            }
            Priority::Ordinary => Admission::Queued,
        }
    }
}

/// Goes to a CPU, and takes note of when. False where that cannot be had.
pub(super) fn come(schedule: &mut CoSchedule, arrival: &mut Option<Arrival>, cpu: usize) -> bool {
    if !schedule.follow(cpu) {
        return false;
    }
    if arrival.is_none_or(|known| known.cpu != cpu) {
        *arrival = Some(Arrival::new(cpu));
    }
    true
}

/// Whether a thread that wants to run had a CPU when its sample was due, or when it was looked at if no more is known.
/// Where we were let in at once and follow it to another CPU, from an idle one perhaps, that takes some 100 us, and only
/// what it has at the end of them goes together with its stack: were it asked for earlier, what follows each nap would
/// have too little (measured: 6 points of 54 at 100 Hz). A real-time thread makes those that wake up go to other CPUs,
/// so there what follows each nap would have too much (8 points). `None` where nobody can tell.
pub(super) fn held(
    thread: &mut WatchedThread,
    schedule: &mut CoSchedule,
    arrival: &mut Option<Arrival>,
    looked: Looked,
) -> Option<HeldCpu> {
    let known = arrival.as_mut()?;
    let knows_all = thread.testimony() == Testimony::History;
    let then = |is_here: bool| match (is_here, knows_all) {
        (true, _) => looked.due,
        (false, false) => looked.at,
        (false, true) if looked.admission == Admission::AtOnce => {
            monotonic().saturating_sub(LET_IN)
        }
        (false, true) => looked.due,
    };
    let first = thread.held(known, then(looked.is_here))?;
    let is_there = matches!(first, HeldCpu::Until(_));
    let is_certain = knows_all && first == HeldCpu::Not;
    if is_certain || is_there && (looked.is_here || knows_all || thread.came_nowhere()) {
        return Some(first);
    }
    // It may run on another CPU by now.
    let cpu = thread.locate()?;
    if known.cpu == cpu {
        return Some(if is_there { HeldCpu::Not } else { first });
    }
    if !come(schedule, arrival, cpu) {
        return None;
    }
    let second = thread.held(arrival.as_mut()?, then(false))?;
    let has_moved = matches!(second, HeldCpu::Until(_)) && !knows_all && !thread.came_nowhere();
    Some(if has_moved { HeldCpu::Not } else { second })
}

/// Our look at a thread.
#[derive(Debug, Clone, Copy)]
pub(super) struct Looked {
    /// It was on the CPU that we were on.
    pub(super) is_here: bool,
    /// When the sample was due: nanoseconds of CLOCK_MONOTONIC.
    pub(super) due: u64,
    /// When it was looked at.
    pub(super) at: u64,
    pub(super) admission: Admission,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::platform::{Leave, Stint};

    #[test]
    fn who_waited_for_nobody_was_let_in_at_once() {
        let micros = |micros| Some(Duration::from_micros(micros));
        let of = |waited| Admission::of(Priority::Ordinary, 0, waited);
        assert_eq!(of(micros(1)), Admission::AtOnce);
        assert_eq!(of(micros(100)), Admission::Queued);
        assert_eq!(of(None), Admission::Queued);
        let of = |due| Admission::of(Priority::RealTime, due, None);
        assert_eq!(of(monotonic() + PROMPT), Admission::Prompt);
        assert_eq!(of(0), Admission::Late);
    }

    #[test]
    fn what_began_to_wait_late_counts_only_where_it_did_not_let_us_in() {
        let mut punctual = Punctual::default();
        let leave = Leave {
            after: Duration::from_millis(3),
            waits: true,
            stint: Stint::default(),
        };
        let mut of = |held, admission| Presence::of(Some(held), admission, &mut punctual);
        for held in [HeldCpu::Until(leave), HeldCpu::RanOn(Stint::default())] {
            assert_eq!(of(held, Admission::AtOnce), Presence::OnCpu);
            assert_eq!(of(held, Admission::Queued), Presence::Late);
        }
        let ran_on = HeldCpu::RanOn(Stint::default());
        assert_eq!(of(ran_on, Admission::Prompt), Presence::OnCpu);
        assert_eq!(of(ran_on, Admission::Late), Presence::Unknown);
    }
}
