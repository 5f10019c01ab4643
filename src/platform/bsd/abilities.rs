//! What these systems let this user do.

use crate::platform::absent::no_shared_cpu;
use crate::platform::{Ability, readable};

/// Everything that depends on the machine, the most needed first.
pub fn abilities() -> Vec<Ability> {
    let mut all = readable();
    all.push(no_shared_cpu());
    all
}
