//! Why the system forbids reading a process.

#[cfg(target_os = "freebsd")]
use crate::ids::Pid;
use crate::platform::{Hiding, Obstacle};

/// What this process and the target look like to the kernel's check (p_candebug, kern_prot.c).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Situation {
    our_uid: u32,
    /// `None` where the kernel does not tell.
    their_uid: Option<u32>,
    has_procfs: bool,
    /// `security.bsd.unprivileged_proc_debug` is 0.
    no_debugging: bool,
    had_rights: bool,
    hiding: Option<Hiding>,
}

/// What stands in the way of reading process `pid`, given that something does.
#[cfg(target_os = "freebsd")]
pub fn obstacle(pid: Pid) -> Obstacle {
    use super::sysctl::number;
    let about = crate::platform::Process::by_id(pid).about().ok();
    let situation = Situation {
        our_uid: crate::platform::effective_user(),
        their_uid: about.as_ref().map(|about| about.users[0]),
        has_procfs: super::memory::is_mounted(),
        no_debugging: number(c"security.bsd.unprivileged_proc_debug") == Some(0),
        had_rights: about.as_ref().is_some_and(|about| about.had_rights),
        hiding: Hiding::of_proc().filter(|_| about.is_none()),
    };
    situation.obstacle()
}

impl Situation {
    fn obstacle(self) -> Obstacle {
        if !self.has_procfs {
            return Obstacle::NoProcfs;
        }
        if self.our_uid == 0 {
            return Obstacle::Untraceable;
        }
        if let Some(hiding) = self.hiding {
            return Obstacle::Hidden(hiding);
        }
        match self.their_uid {
            Some(uid) if uid != self.our_uid => Obstacle::OtherUser(uid),
            _ if self.no_debugging => Obstacle::NoDebugging,
            _ if self.had_rights => Obstacle::Privileged,
            _ => Obstacle::Untraceable,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_situation_has_its_own_obstacle() {
        let user = Situation {
            our_uid: 1001,
            their_uid: Some(1001),
            has_procfs: true,
            ..Situation::default()
        };
        let root = Situation { our_uid: 0, ..user };
        let without = |s: Situation| Situation {
            has_procfs: false,
            ..s
        };
        let theirs = Situation {
            their_uid: Some(80),
            ..user
        };
        let strict = Situation {
            no_debugging: true,
            ..user
        };
        let privileged = Situation {
            had_rights: true,
            ..user
        };
        let hidden = Situation {
            their_uid: None,
            hiding: Some(Hiding::OtherUsers),
            ..user
        };
        for (situation, obstacle) in [
            (without(user), Obstacle::NoProcfs),
            (without(root), Obstacle::NoProcfs),
            (root, Obstacle::Untraceable),
            (theirs, Obstacle::OtherUser(80)),
            (strict, Obstacle::NoDebugging),
            (privileged, Obstacle::Privileged),
            (hidden, Obstacle::Hidden(Hiding::OtherUsers)),
            (user, Obstacle::Untraceable),
        ] {
            assert_eq!(situation.obstacle(), obstacle, "{situation:?}");
        }
    }
}
