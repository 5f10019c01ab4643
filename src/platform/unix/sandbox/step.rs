//! What can keep a process from giving up its rights.

use std::{fmt, io};

/// What a confined process may use.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Bytes of address space beyond what it has when it starts.
    pub memory: u64,
    /// Seconds of CPU time.
    pub cpu: u64,
}

/// What kept a process from being confined.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ConfineError {
    step: ConfineStep,
    errno: i32,
}

/// What is done on the way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum ConfineStep {
    Root,
    Groups,
    Group,
    User,
    Capabilities,
    NoNewPrivileges,
    Limits,
    Filter,
    Program,
}

const STEPS: [ConfineStep; 9] = [
    ConfineStep::Root,
    ConfineStep::Groups,
    ConfineStep::Group,
    ConfineStep::User,
    ConfineStep::Capabilities,
    ConfineStep::NoNewPrivileges,
    ConfineStep::Limits,
    ConfineStep::Filter,
    ConfineStep::Program,
];

impl ConfineStep {
    /// The error of the last system call.
    pub(crate) fn failed<T>(self) -> Result<T, ConfineError> {
        let errno = io::Error::last_os_error().raw_os_error().unwrap_or(0);
        Err(ConfineError { step: self, errno })
    }
}

impl ConfineError {
    /// For a pipe between two processes.
    pub fn to_bytes(self) -> [u8; 5] {
        let [a, b, c, d] = self.errno.to_le_bytes();
        [self.step as u8, a, b, c, d]
    }

    /// What was written; `None` for anything else.
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let (step, errno) = bytes.split_first()?;
        Some(ConfineError {
            step: *STEPS.get(usize::from(*step))?,
            errno: i32::from_le_bytes(errno.try_into().ok()?),
        })
    }
}

impl fmt::Display for ConfineError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (what, capability) = match self.step {
            ConfineStep::Root => ("change its root", Some("SYS_CHROOT")),
            ConfineStep::Groups | ConfineStep::Group => ("take that user's groups", Some("SETGID")),
            ConfineStep::User => ("become that user", Some("SETUID")),
            ConfineStep::Capabilities => ("give up its capabilities", None),
            ConfineStep::NoNewPrivileges => ("give up new privileges", None),
            ConfineStep::Limits => ("limit itself", None),
            ConfineStep::Filter => ("filter its system calls", None),
            ConfineStep::Program => ("run the program", None),
        };
        write!(f, "the process that would do it cannot {what}: ")?;
        write!(f, "{}", io::Error::from_raw_os_error(self.errno))?;
        match capability.filter(|_| self.errno == libc::EPERM) {
            Some(name) => write!(f, " (root lacks the capability {name} here)"),
            None => Ok(()),
        }
    }
}

impl std::error::Error for ConfineError {}

impl From<ConfineError> for io::Error {
    fn from(error: ConfineError) -> Self {
        // Between fork and exec a number is all that gets across.
        io::Error::from_raw_os_error(error.errno)
    }
}

#[cfg(all(target_os = "linux", not(target_env = "musl")))]
pub(crate) type Resource = libc::__rlimit_resource_t;
#[cfg(not(all(target_os = "linux", not(target_env = "musl"))))]
pub(crate) type Resource = libc::c_int;

/// From now on the calling process has so much of it, or less.
pub(crate) fn limit(resource: Resource, value: u64) -> Result<(), ConfineError> {
    let mut now = libc::rlimit {
        rlim_cur: 0,
        rlim_max: 0,
    };
    // SAFETY: the structure lives during the calls.
    unsafe {
        if libc::getrlimit(resource, &raw mut now) != 0 {
            return ConfineStep::Limits.failed();
        }
        let value = (value as libc::rlim_t).min(now.rlim_max);
        now.rlim_cur = value;
        now.rlim_max = value;
        if libc::setrlimit(resource, &raw const now) != 0 {
            return ConfineStep::Limits.failed();
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_cross_a_pipe() {
        for step in STEPS {
            let error = ConfineError { step, errno: 1 };
            assert_eq!(ConfineError::from_bytes(&error.to_bytes()), Some(error));
            assert!(error.to_string().len() > 20);
        }
        assert_eq!(ConfineError::from_bytes(&[99, 0, 0, 0, 0]), None);
        assert_eq!(ConfineError::from_bytes(&[]), None);
    }
}
