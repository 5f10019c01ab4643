//! Processes below others. On Windows nobody takes over what a process leaves behind.

use crate::ids::Pid;
use crate::platform::Process;

use super::parent_in;
use super::system::System;

/// Starts something that p5-spy needs for itself: a thread here, which nobody takes for a process of
/// the target's.
///
/// # Errors
/// Those of `start`, when it starts nothing.
pub fn start_helper<T, E>(
    start: impl FnOnce() -> Result<T, E>,
    _id: impl FnOnce(&T) -> Pid,
) -> Result<T, E> {
    start()
}

/// Nothing is kept of it.
pub fn forget_helper(_: Pid) {}

/// Nobody can become the parent of orphans.
pub fn adopt_orphans() {}

/// None.
pub fn adopted(_: Pid) -> impl Iterator<Item = Pid> {
    std::iter::empty()
}

/// The processes below these; the roots come first.
pub fn descendants(roots: &[Pid]) -> Vec<Pid> {
    let system = System::now();
    let pairs: Vec<(Pid, Pid)> = Process::all_ids()
        .filter_map(|pid| Some((pid, parent_in(&system, pid)?)))
        .collect();
    let mut found = roots.to_vec();
    let mut next = 0;
    while let Some(at) = found.get(next).copied() {
        let below = pairs.iter().filter(|(_, parent)| *parent == at);
        let new: Vec<Pid> = below
            .map(|(pid, _)| *pid)
            .filter(|pid| !found.contains(pid))
            .collect();
        found.extend(new);
        next += 1;
    }
    found
}
