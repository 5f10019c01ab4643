//! What these systems let this user do.

use crate::platform::{Ability, readable};

/// Everything that depends on the machine, the most needed first.
pub fn abilities() -> Vec<Ability> {
    let mut all = readable();
    all.push(Ability::missing(
        "a CPU of the program's",
        "cannot be shared on this system: stacks are approximate",
        None,
    ));
    all
}
