//! Whose process it is: ours, or another user's.

use crate::platform::{Process, effective_user};

impl Process {
    /// True when it runs as the user that we are, with no other identity, and sees what we see.
    pub fn is_ours(self) -> bool {
        let us = effective_user();
        let is_us = |about: super::ProcessInfo| about.users.iter().all(|user| *user == us);
        self.about().is_ok_and(is_us) && self.shares_our_view()
    }
}
