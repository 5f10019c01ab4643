//! Whether a thread that wants to run had a CPU when its sample was due: we go to the CPU that it is on,
//! and ask the kernel whether it left that for us.

use super::watched::WatchedThread;
use crate::platform::{Arrival, CoSchedule};

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

/// True if a thread that wants to run had a CPU when it was looked at. `None` where nobody can tell.
pub(super) fn held(
    thread: &mut WatchedThread,
    schedule: &mut CoSchedule,
    arrival: &mut Option<Arrival>,
    looked: Looked,
) -> Option<bool> {
    let known = arrival.as_mut()?;
    if looked.is_here && thread.held(known, looked.due)? {
        return Some(true);
    }
    if !looked.is_here && thread.held(known, looked.at)? && thread.came_nowhere() {
        return Some(true);
    }
    // It may run on another CPU by now.
    let cpu = thread.locate()?;
    if known.cpu == cpu {
        return Some(false);
    }
    if !come(schedule, arrival, cpu) {
        return None;
    }
    Some(thread.held(arrival.as_mut()?, looked.at)? && thread.came_nowhere())
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
}
