//! Why the system forbids reading a process.

use super::capability::Capabilities;
use crate::ids::Pid;
use crate::platform::{Hiding, Obstacle};
use std::fs;

/// What this process and the target look like to the kernel's ptrace check.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Situation {
    our_uid: u32,
    /// `None` where /proc does not tell.
    their_uid: Option<u32>,
    may_trace: bool,
    ptrace_scope: Option<u32>,
    other_namespace: bool,
    filtered: bool,
    hiding: Option<Hiding>,
}

/// What stands in the way of reading process `pid`, given that something does.
pub fn obstacle(pid: Pid) -> Obstacle {
    look(pid).obstacle()
}

fn look(pid: Pid) -> Situation {
    let ours = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let theirs = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let map = |pid: &str| fs::read_to_string(format!("/proc/{pid}/uid_map")).ok();
    let (our_map, their_map) = (map("self"), map(&pid.to_string()));
    Situation {
        our_uid: super::effective_user(),
        their_uid: word(&theirs, "Uid", 1).and_then(|u| u.parse().ok()),
        may_trace: Capabilities::effective(&ours).may_trace(),
        ptrace_scope: fs::read_to_string("/proc/sys/kernel/yama/ptrace_scope")
            .ok()
            .and_then(|s| s.trim().parse().ok()),
        other_namespace: (their_map.is_some() && their_map != our_map)
            || our_map.is_some_and(|map| !is_initial(&map)),
        filtered: word(&ours, "Seccomp", 0).is_some_and(|mode| mode == "2"),
        hiding: Hiding::of_proc().filter(|_| theirs.is_empty()),
    }
}

/// True of the map of the first user namespace: every id is itself.
pub(crate) fn is_initial(uid_map: &str) -> bool {
    let numbers: Vec<&str> = uid_map.split_whitespace().collect();
    numbers == ["0", "0", "4294967295"]
}

pub(crate) fn word(status: &str, name: &str, index: usize) -> Option<String> {
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))?;
    line.split_whitespace().nth(index).map(str::to_owned)
}

impl Situation {
    fn obstacle(self) -> Obstacle {
        if self.ptrace_scope == Some(3) {
            return Obstacle::Forbidden;
        }
        if self.may_trace {
            return match (self.other_namespace, self.filtered) {
                (true, _) => Obstacle::UserNamespace,
                (_, true) => Obstacle::Seccomp,
                _ => Obstacle::SecurityModule,
            };
        }
        if let Some(hiding) = self.hiding {
            return Obstacle::Hidden(hiding);
        }
        if self.our_uid == 0 {
            return Obstacle::NoCapability;
        }
        match (self.their_uid, self.ptrace_scope) {
            (Some(uid), _) if uid != self.our_uid => Obstacle::OtherUser(uid),
            (_, Some(scope @ (1 | 2))) => Obstacle::PtraceScope(scope),
            _ if self.other_namespace => Obstacle::UserNamespace,
            _ if self.filtered => Obstacle::Seccomp,
            _ => Obstacle::Privileged,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_situation_has_its_own_obstacle() {
        let user = Situation {
            our_uid: 1000,
            their_uid: Some(1000),
            ..Situation::default()
        };
        let root = Situation {
            our_uid: 0,
            their_uid: Some(33),
            ..Situation::default()
        };
        let capable = Situation {
            may_trace: true,
            ..root
        };
        let scope = |s: Situation, scope| Situation {
            ptrace_scope: Some(scope),
            ..s
        };
        let hidden = Situation {
            their_uid: None,
            hiding: Some(Hiding::NoAccess),
            ..user
        };
        let filtered = |s: Situation| Situation {
            filtered: true,
            ..s
        };
        let elsewhere = |s: Situation| Situation {
            other_namespace: true,
            ..s
        };
        let theirs = Situation {
            their_uid: Some(33),
            ..user
        };
        for (situation, obstacle) in [
            (scope(capable, 3), Obstacle::Forbidden),
            (scope(user, 3), Obstacle::Forbidden),
            (root, Obstacle::NoCapability),
            (elsewhere(capable), Obstacle::UserNamespace),
            (elsewhere(user), Obstacle::UserNamespace),
            (filtered(capable), Obstacle::Seccomp),
            (filtered(user), Obstacle::Seccomp),
            (capable, Obstacle::SecurityModule),
            (theirs, Obstacle::OtherUser(33)),
            (elsewhere(theirs), Obstacle::OtherUser(33)),
            (scope(user, 1), Obstacle::PtraceScope(1)),
            (scope(user, 2), Obstacle::PtraceScope(2)),
            (scope(user, 0), Obstacle::Privileged),
            (hidden, Obstacle::Hidden(Hiding::NoAccess)),
        ] {
            assert_eq!(situation.obstacle(), obstacle, "{situation:?}");
        }
    }

    #[test]
    fn maps_of_user_namespaces() {
        assert!(is_initial("         0          0 4294967295\n"));
        assert!(!is_initial("         0       1000          1\n"));
        assert!(!is_initial(""));
    }
}
