//! What this Windows is, and what it lets this user do.

use super::privilege;
use crate::platform::absent::no_shared_cpu;
use crate::platform::{Ability, readable};

/// What the system is, for a bug report.
pub fn system() -> String {
    let cpus = std::thread::available_parallelism().map_or(1, usize::from);
    format!("Windows {}, {cpus} CPUs", std::env::consts::ARCH)
}

/// Everything that depends on the machine, the most needed first.
pub fn abilities() -> Vec<Ability> {
    let mut all = readable();
    all.push(match privilege::debug() {
        true => Ability::there("the debug privilege", "is held (SeDebugPrivilege)"),
        false => Ability::missing(
            "the debug privilege",
            "is not held: processes with more rights cannot be read",
            Some("run p5-spy as administrator"),
        ),
    });
    all.push(no_shared_cpu());
    all
}
