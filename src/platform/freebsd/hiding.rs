//! Whether the system keeps other users' processes from us.

use super::sysctl::number;
use crate::platform::{Hiding, effective_user};

impl Hiding {
    /// What is hidden from this very process; `None` when nothing.
    pub fn of_proc() -> Option<Self> {
        let hides = number(c"security.bsd.see_other_uids") == Some(0) && effective_user() != 0;
        hides.then_some(Hiding::OtherUsers)
    }
}
