//! What can stand in the way of reading a process, on any system.

use std::fmt;

/// What stands in the way of reading a process.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Obstacle {
    /// kernel.yama.ptrace_scope is 3.
    Forbidden,
    /// We are root without CAP_SYS_PTRACE.
    NoCapability,
    /// One of both is in a user namespace that the other is not in.
    UserNamespace,
    /// A filter of system calls, as containers have them.
    Seccomp,
    /// The kernel's own rules allow it.
    SecurityModule,
    /// It is another user's.
    OtherUser(u32),
    /// kernel.yama.ptrace_scope is 1 or 2.
    PtraceScope(u32),
    /// It has, or had, rights that its user has not.
    Privileged,
    /// The system hides it.
    Hidden(Hiding),
    /// FreeBSD: its memory is read by /proc, which is not mounted.
    NoProcfs,
    /// FreeBSD: security.bsd.unprivileged_proc_debug is 0.
    NoDebugging,
    /// It has forbidden it, as far as anybody can tell.
    Untraceable,
    /// macOS: it is a program of the system's, which System Integrity Protection shuts off.
    SystemProgram,
    /// macOS: it has the hardened runtime and does not allow it.
    Hardened,
    /// macOS: p5-spy is no debugger to the system.
    NoDebugger,
    /// Windows lets nobody read it: antivirus, digital rights.
    Protected,
    /// Windows allows it, and something else does not.
    SecuritySoftware,
    /// On Windows it is another user's, and we have no debug privilege.
    OtherAccount(u32),
    /// On Windows it has more rights than we have, and we have no debug privilege.
    NoDebugPrivilege,
}

impl Obstacle {
    /// A few words, for a column of a list.
    pub fn in_short(&self) -> String {
        match self {
            Obstacle::Forbidden => "ptrace_scope 3".into(),
            Obstacle::NoCapability => "no CAP_SYS_PTRACE".into(),
            Obstacle::UserNamespace => "other user namespace".into(),
            Obstacle::Seccomp => "seccomp filter".into(),
            Obstacle::SecurityModule => "security module".into(),
            Obstacle::OtherUser(_) => "other user".into(),
            Obstacle::PtraceScope(scope) => format!("ptrace_scope {scope}"),
            Obstacle::Privileged => "other privileges".into(),
            Obstacle::Hidden(hiding) => hiding.to_string(),
            Obstacle::NoProcfs => "no /proc".into(),
            Obstacle::NoDebugging => "unprivileged_proc_debug=0".into(),
            Obstacle::Untraceable => "not to be traced".into(),
            Obstacle::SystemProgram => "protected by SIP".into(),
            Obstacle::Hardened => "hardened runtime".into(),
            Obstacle::NoDebugger => "p5-spy is not signed".into(),
            Obstacle::Protected => "protected".into(),
            Obstacle::SecuritySoftware => "security software".into(),
            Obstacle::OtherAccount(_) => "other user".into(),
            Obstacle::NoDebugPrivilege => "no debug privilege".into(),
        }
    }
}

/// How much is hidden: on Linux by the mount option `hidepid` (proc(5)).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Hiding {
    /// `hidepid=1`: others' processes are listed, but tell nothing.
    NoAccess,
    /// `hidepid=2`: they are not even listed.
    Invisible,
    /// `hidepid=4`: there is only what may be traced.
    Ptraceable,
    /// FreeBSD's `security.bsd.see_other_uids=0`: others' processes are not listed.
    OtherUsers,
}

/// Who may do on a system what others may not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Almighty {
    /// One user.
    Root,
    /// Who has opened a console as an administrator.
    Administrator,
}

impl fmt::Display for Hiding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Hiding::NoAccess => "hidepid=noaccess",
            Hiding::Invisible => "hidepid=invisible",
            Hiding::Ptraceable => "hidepid=ptraceable",
            Hiding::OtherUsers => "security.bsd.see_other_uids=0",
        })
    }
}
