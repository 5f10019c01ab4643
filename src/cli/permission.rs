//! What to do where the system forbids reading a process: the shortest remedy for this very situation.

use crate::ids::Pid;
use crate::platform::{
    Hiding, Obstacle, effective_user, is_someones, missing_proc, obstacle, quoted, user_name,
};
use std::ffi::OsString;
use std::fs;
use std::path::Path;

/// What the remedy depends on beside the obstacle.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct RemedyContext {
    our_uid: u32,
    in_container: bool,
    /// The same command, for who has other rights.
    command: String,
    /// Sudo is there.
    has_sudo: bool,
}

/// A sentence or two: what stands in the way of reading process `pid`, and what to type.
pub(super) fn get_rights(pid: Pid) -> String {
    advice(&obstacle(pid), &RemedyContext::look(Some(pid)))
}

/// What helps against an obstacle, whichever process it is of.
pub(super) fn get_rights_against(obstacle: &Obstacle) -> String {
    advice(obstacle, &RemedyContext::look(None))
}

/// Why a process cannot be seen that may be there; `None` where there simply is none.
pub(super) fn find_process(pid: Pid) -> Option<String> {
    if let Some(missing) = missing_proc() {
        return Some(missing);
    }
    let hiding = Hiding::of_proc().filter(|_| is_someones(pid))?;
    let why = advice(&Obstacle::Hidden(hiding), &RemedyContext::look(Some(pid)));
    Some(format!("it cannot be seen: {why}"))
}

impl RemedyContext {
    fn look(pid: Option<Pid>) -> Self {
        let marks = [
            "/.dockerenv",
            "/run/.containerenv",
            "/run/systemd/container",
        ];
        let names = ["KUBERNETES_SERVICE_HOST", "container"];
        RemedyContext {
            our_uid: effective_user(),
            in_container: marks.iter().any(|p| fs::exists(p).unwrap_or(false))
                || names.iter().any(|n| std::env::var_os(n).is_some()),
            command: again(
                std::env::args_os().collect(),
                pid,
                &std::env::current_exe().unwrap_or_default(),
            ),
            has_sudo: {
                let path = std::env::var_os("PATH").unwrap_or_default();
                std::env::split_paths(&path).any(|folder| folder.join("sudo").is_file())
            },
        }
    }
}

/// What to do about it, after what is wrong.
fn advice(obstacle: &Obstacle, around: &RemedyContext) -> String {
    let run_as_root = match around.has_sudo {
        true => format!("Run: sudo {}", around.command),
        false => format!("Run as root: {}", around.command),
    };
    let ours = around.our_uid;
    match obstacle {
        Obstacle::Forbidden => {
            "kernel.yama.ptrace_scope is 3, which forbids it to everybody until the next boot"
                .into()
        }
        Obstacle::NoCapability if around.in_container => {
            "this root lacks CAP_SYS_PTRACE, as in most containers. Start the container with \
             `--cap-add SYS_PTRACE` (Kubernetes: securityContext.capabilities.add \
             [\"SYS_PTRACE\"]), or run p5-spy on the host"
                .into()
        }
        Obstacle::NoCapability => {
            "this root lacks CAP_SYS_PTRACE. In a systemd service, look at \
             CapabilityBoundingSet=; or run p5-spy from another shell of root"
                .into()
        }
        Obstacle::UserNamespace => {
            "it and p5-spy are in different user namespaces, so that not even the root of one \
             may read the other. Run p5-spy as the real root, on the host"
                .into()
        }
        Obstacle::Seccomp if !around.in_container => {
            "a filter of system calls (seccomp) forbids it, which p5-spy was started under, as by a \
             systemd service or a sandbox. Run it from a shell outside of that"
                .into()
        }
        Obstacle::Seccomp => {
            "a filter of system calls (seccomp), as containers have it, forbids it. Start the \
             container with `--cap-add SYS_PTRACE`, or run p5-spy on the host"
                .into()
        }
        Obstacle::SecurityModule => {
            "the kernel's own rules allow it, so a security module (AppArmor, SELinux) forbids \
             it. Run p5-spy on the host or outside of what confines it; dmesg may tell more"
                .into()
        }
        Obstacle::OtherUser(uid) if around.in_container => format!(
            "it belongs to user id {uid}, you are {ours}. {run_as_root}. Or be that user, from outside of this container: docker exec -u {uid} CONTAINER {}",
            around.command
        ),
        Obstacle::OtherUser(uid) => {
            format!("it belongs to user id {uid}, you are {ours}. {run_as_root}")
        }
        Obstacle::PtraceScope(scope) if around.in_container => format!(
            "kernel.yama.ptrace_scope is {scope}. In a container the capability SYS_PTRACE is \
             needed then: start it with `--cap-add SYS_PTRACE`"
        ),
        Obstacle::PtraceScope(1) => format!(
            "kernel.yama.ptrace_scope is 1, which allows it only to a process's own ancestors. \
             {run_as_root}, or let p5-spy start the program: p5-spy -- perl program.pl"
        ),
        Obstacle::PtraceScope(scope) => format!(
            "kernel.yama.ptrace_scope is {scope}, which allows it only to root. {run_as_root}"
        ),
        Obstacle::Privileged => format!(
            "it runs with other rights than yours (a set-uid or set-gid program, one that \
             changed its user, group or capabilities, or one that you may run and not read). \
             {run_as_root}"
        ),
        Obstacle::Hidden(Hiding::OtherUsers) => format!(
            "{} keeps other users' processes from you. {run_as_root}",
            Hiding::OtherUsers
        ),
        Obstacle::Hidden(hiding) => format!(
            "/proc is mounted with {hiding}, which keeps other users' processes from you. \
             {run_as_root}"
        ),
        Obstacle::NoProcfs => format!(
            "p5-spy reads it through /proc, which is not mounted. As root: mount -t procfs proc \
             /proc (to have it at every start: echo 'proc /proc procfs rw 0 0' >> /etc/fstab). \
             Then: {}",
            around.command
        ),
        Obstacle::NoDebugging => format!(
            "security.bsd.unprivileged_proc_debug is 0, which forbids it to all but root. \
             {run_as_root}"
        ),
        Obstacle::Untraceable => {
            "the system gives no reason that is known here: the process may have forbidden to be \
             traced, or it is in a jail, or a policy module forbids it"
                .into()
        }
        Obstacle::SystemProgram => {
            "it runs a program of the system's, as /usr/bin/perl is one, and System Integrity \
             Protection lets nobody read those, not even root. Run your program with a perl of \
             your own: `brew install perl`, or perlbrew"
                .into()
        }
        Obstacle::Hardened => {
            "its program is signed with the hardened runtime and without the entitlement \
             com.apple.security.get-task-allow. Sign it anew (codesign --force --sign - PROGRAM), \
             or run your program with a perl that you have built or that Homebrew has"
                .into()
        }
        Obstacle::NoDebugger => format!(
            "to the system p5-spy is no debugger. {run_as_root}. Or sign p5-spy as one, once: \
             p5-spy setup"
        ),
        Obstacle::Protected => {
            "Windows protects it from everybody, administrators too (a protected process, as security \
             software and media players are)"
                .into()
        }
        Obstacle::SecuritySoftware => {
            "p5-spy has the debug privilege, so something else forbids it: security software on this \
             machine, most likely"
                .into()
        }
        Obstacle::OtherAccount(user) => format!(
            "it belongs to {}, you are {}. {AS_ADMINISTRATOR}: {}",
            user_name(*user),
            user_name(ours),
            around.command
        ),
        Obstacle::NoDebugPrivilege => format!(
            "it has more rights than p5-spy, which has no debug privilege (SeDebugPrivilege). \
             {AS_ADMINISTRATOR}: {}",
            around.command
        ),
    }
}

/// Only they have the privilege, and only in a console that was opened so.
const AS_ADMINISTRATOR: &str = "Run it in a console that was opened with \"Run as administrator\"";

/// Where sudo looks for programs, as it is usually set up (`secure_path`).
const SECURE_PATH: [&str; 6] = [
    "/usr/local/sbin",
    "/usr/local/bin",
    "/usr/sbin",
    "/usr/bin",
    "/sbin",
    "/bin",
];

/// The command that was typed: with the whole path of p5-spy where sudo would not find it, and with
/// the process where that was picked from a list.
fn again(typed: Vec<OsString>, pid: Option<Pid>, own: &Path) -> String {
    let mut words: Vec<String> = typed
        .iter()
        .map(|w| w.to_string_lossy().into_owned())
        .collect();
    let is_found = own
        .parent()
        .is_some_and(|folder| SECURE_PATH.iter().any(|known| folder == Path::new(known)));
    let program = if is_found {
        "p5-spy".into()
    } else {
        own.to_string_lossy().into_owned()
    };
    match words.first_mut() {
        Some(first) => *first = program,
        None => words.push(program),
    }
    let end = words.iter().position(|w| w == "--").unwrap_or(words.len());
    let names_it = |word: &String| {
        let long = ["--pid", "--name"].iter().any(|l| word.starts_with(l));
        long || (word.starts_with("-p") && !word.starts_with("--"))
    };
    let named = words.iter().take(end).any(names_it);
    if let Some(pid) = pid
        && !named
        && end == words.len()
    {
        words.extend(["--pid".into(), pid.to_string()]);
    }
    let quoted: Vec<String> = words.iter().map(|word| quoted(word)).collect();
    quoted.join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_obstacle_has_its_own_remedy() {
        let outside = RemedyContext {
            our_uid: 1000,
            in_container: false,
            command: "p5-spy dump -p 7".into(),
            has_sudo: true,
        };
        let inside = RemedyContext {
            in_container: true,
            ..outside.clone()
        };
        let sudo = "Run: sudo p5-spy dump -p 7";
        for (obstacle, out, within) in [
            (
                Obstacle::Forbidden,
                "until the next boot",
                "until the next boot",
            ),
            (
                Obstacle::NoCapability,
                "CapabilityBoundingSet=",
                "Kubernetes",
            ),
            (Obstacle::UserNamespace, "real root", "real root"),
            (Obstacle::Seccomp, "outside of that", "--cap-add"),
            (Obstacle::SecurityModule, "AppArmor", "AppArmor"),
            (
                Obstacle::OtherUser(33),
                sudo,
                "docker exec -u 33 CONTAINER p5-spy dump",
            ),
            (Obstacle::PtraceScope(1), sudo, "--cap-add"),
            (Obstacle::PtraceScope(1), "p5-spy -- perl", "--cap-add"),
            (Obstacle::PtraceScope(2), sudo, "--cap-add"),
            (Obstacle::Privileged, sudo, sudo),
            (
                Obstacle::Hidden(Hiding::Invisible),
                sudo,
                "hidepid=invisible",
            ),
            (
                Obstacle::Hidden(Hiding::OtherUsers),
                sudo,
                "see_other_uids=0 keeps",
            ),
            (Obstacle::NoProcfs, "mount -t procfs", "p5-spy dump -p 7"),
            (Obstacle::NoDebugging, sudo, "unprivileged_proc_debug is 0"),
            (Obstacle::Untraceable, "jail", "jail"),
            (Obstacle::SystemProgram, "brew install perl", "Integrity"),
            (Obstacle::Hardened, "get-task-allow", "codesign"),
            (Obstacle::NoDebugger, sudo, "p5-spy setup"),
            (Obstacle::Protected, "from everybody", "from everybody"),
            (Obstacle::SecuritySoftware, "security software", "privilege"),
            (
                Obstacle::OtherAccount(33),
                "administrator\": p5-spy dump -p 7",
                "you are",
            ),
            (
                Obstacle::NoDebugPrivilege,
                "administrator\": p5-spy dump -p 7",
                "SeDebugPrivilege",
            ),
        ] {
            for (around, needle) in [(&outside, out), (&inside, within)] {
                let said = advice(&obstacle, around);
                assert!(said.contains(needle), "{obstacle:?} {around:?}: {said}");
            }
            let said = advice(&obstacle, &outside);
            assert!(
                !said.contains("docker") && !said.contains("--cap-add"),
                "{said}"
            );
        }
        for around in [&outside, &inside] {
            let said = advice(&Obstacle::OtherUser(33), around);
            let (_, remedy) = said.split_once("you are 1000. ").unwrap();
            assert!(remedy.starts_with(sudo), "{said}");
        }
    }

    #[test]
    fn what_was_typed_is_repeated() {
        let line = |typed: &str, own: &str| {
            let words = shlex::split(typed).unwrap();
            let typed = words.into_iter().map(OsString::from).collect();
            again(typed, Some(Pid::from(7)), Path::new(own))
        };
        let installed = "/usr/bin/p5-spy";
        assert_eq!(line("p5-spy dump -p 7", installed), "p5-spy dump -p 7");
        assert_eq!(
            line("p5-spy record -o 'a b.svg' --pid=7", "/home/a b/bin/p5-spy"),
            format!(
                "{} record -o {} --pid=7",
                quoted("/home/a b/bin/p5-spy"),
                quoted("a b.svg")
            )
        );
        assert_eq!(line("p5-spy top", installed), "p5-spy top --pid 7");
        assert_eq!(
            line("p5-spy dump --name x", installed),
            "p5-spy dump --name x"
        );
        assert_eq!(line("p5-spy -- perl -p", installed), "p5-spy -- perl -p");
        assert_eq!(
            line("p5-spy -p 7 $'\\e[2J'", installed),
            format!("p5-spy -p 7 {}", quoted("$\\e[2J"))
        );
        assert_eq!(
            line("p5-spy -p 7 '\x1b'", installed),
            format!("p5-spy -p 7 {}", quoted("\x1b"))
        );
    }
}
