//! The rights of a user.

use crate::platform::effective_user;

/// The ids by which the kernel decides what a process may open.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Rights {
    /// The user id for files.
    pub user: u32,
    /// The group id for files.
    pub group: u32,
    /// The supplementary groups.
    pub groups: Vec<u32>,
}

/// Whether we take on the ids of others to look at their files: root does; nobody else can.
pub(crate) fn takes_ids() -> bool {
    effective_user() == 0
}
