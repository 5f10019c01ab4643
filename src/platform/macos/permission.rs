//! Why the system forbids reading a process.

#[cfg(target_os = "macos")]
use crate::ids::Pid;
use crate::platform::Obstacle;

/// Flags of a signed program (kern/cs_blobs.h).
const GET_TASK_ALLOW: u32 = 0x4;
const RESTRICT: u32 = 0x800;
const RUNTIME: u32 = 0x1_0000;
const PLATFORM_BINARY: u32 = 0x400_0000;

/// What this process and the target look like to the system.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Situation {
    our_uid: u32,
    /// `None` where the kernel does not tell.
    their_uid: Option<u32>,
    /// How the target is signed; `None` where the kernel does not tell.
    signed: Option<u32>,
    had_rights: bool,
}

/// What stands in the way of reading process `pid`, given that something does.
#[cfg(target_os = "macos")]
pub fn obstacle(pid: Pid) -> Obstacle {
    let about = crate::platform::Process::by_id(pid).about().ok();
    let situation = Situation {
        our_uid: crate::platform::effective_user(),
        their_uid: about.as_ref().map(|about| about.users[0]),
        signed: super::kernel::signature(pid),
        had_rights: about.is_some_and(|about| about.had_rights),
    };
    situation.obstacle()
}

impl Situation {
    fn obstacle(self) -> Obstacle {
        let signed = self.signed.unwrap_or(0);
        if signed & (PLATFORM_BINARY | RESTRICT) != 0 {
            return Obstacle::SystemProgram;
        }
        // Root reads what is not hardened.
        if signed & RUNTIME != 0 && signed & GET_TASK_ALLOW == 0 {
            return Obstacle::Hardened;
        }
        if self.our_uid == 0 {
            return Obstacle::Untraceable;
        }
        match self.their_uid {
            Some(uid) if uid != self.our_uid => Obstacle::OtherUser(uid),
            _ if self.had_rights => Obstacle::Privileged,
            _ => Obstacle::NoDebugger,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_situation_has_its_own_obstacle() {
        let user = Situation {
            our_uid: 501,
            their_uid: Some(501),
            signed: Some(0x2000_0001),
            had_rights: false,
        };
        let root = Situation { our_uid: 0, ..user };
        let signed = |s: Situation, flags: u32| Situation {
            signed: Some(flags),
            ..s
        };
        let theirs = Situation {
            their_uid: Some(70),
            ..user
        };
        let privileged = Situation {
            had_rights: true,
            ..user
        };
        for (situation, obstacle) in [
            // /usr/bin/perl.
            (signed(user, 0x2601_0801), Obstacle::SystemProgram),
            (signed(root, 0x2400_0001), Obstacle::SystemProgram),
            (signed(user, 0x0001_0001), Obstacle::Hardened),
            (signed(root, 0x0001_0001), Obstacle::Hardened),
            (signed(user, 0x0001_0005), Obstacle::NoDebugger),
            (user, Obstacle::NoDebugger),
            (theirs, Obstacle::OtherUser(70)),
            (privileged, Obstacle::Privileged),
            (root, Obstacle::Untraceable),
        ] {
            assert_eq!(situation.obstacle(), obstacle, "{situation:?}");
        }
    }
}
