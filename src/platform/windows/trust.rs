//! Whose process it is: ours, or another user's.

use super::users::{effective_user, user_of};
use crate::platform::Process;

impl Process {
    /// True: names of files mean the same to every process of a session, but for drives that a user
    /// has connected for himself.
    pub fn shares_our_view(self) -> bool {
        true
    }

    /// True when it runs as the user that we are.
    pub fn is_ours(self) -> bool {
        let us = effective_user();
        us != 0 && user_of(self.pid).is_ok_and(|user| user == us)
    }
}
