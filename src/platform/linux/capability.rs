//! The kernel's capabilities of a process.

/// CAP_SYS_PTRACE (linux/capability.h).
const CAP_SYS_PTRACE: u64 = 1 << 19;

/// A set of capabilities.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Capabilities(u64);

impl Capabilities {
    /// Those in force, by the text of `/proc/PID/status`; none where it does not tell.
    pub(crate) fn effective(status: &str) -> Self {
        let mut lines = status.lines();
        let set = lines.find_map(|line| line.strip_prefix("CapEff:"));
        let bits = set.and_then(|set| u64::from_str_radix(set.trim(), 16).ok());
        Capabilities(bits.unwrap_or(0))
    }

    /// May read whatever its own user namespace has.
    pub(crate) fn may_trace(self) -> bool {
        self.0 & CAP_SYS_PTRACE != 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_status_says() {
        let may = |line: &str| Capabilities::effective(line).may_trace();
        assert!(may("Name:\tx\nCapEff:\t000001fffeffffff\n"));
        assert!(!may("CapEff:\t00000000a80425fb\n"));
        assert!(!may("CapPrm:\t000001fffeffffff\n"));
        assert!(!may(""));
    }
}
