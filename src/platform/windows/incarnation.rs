//! Which program a process runs. On Windows none becomes another: a process is one program.

use super::system::System;
use super::{BRIEF, parent_in};
use crate::ids::Pid;
use crate::platform::{Glance, Incarnation, Process, ProcessError};

impl Process {
    /// Looks at a process that has not ended.
    ///
    /// # Errors
    /// [`ProcessError::NoSuchProcess`] when it has ended or may not be asked.
    pub fn glance(pid: Pid) -> Result<Glance, ProcessError> {
        let system = System::younger_than(BRIEF);
        let one = system.process(pid);
        let one = one.filter(|one| !one.threads.is_empty());
        let one = one.ok_or(ProcessError::NoSuchProcess(pid))?;
        Ok(Glance {
            incarnation: Incarnation {
                began: one.began,
                places: [0; 4],
            },
            size: one.size,
            parent: parent_in(&system, pid).unwrap_or_default(),
        })
    }
}
