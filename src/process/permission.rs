//! Why the system forbids reading a process, and the shortest remedy for this very situation.

use std::fs;

/// CAP_SYS_PTRACE (linux/capability.h).
const CAP_SYS_PTRACE: u64 = 1 << 19;

/// What this process and the target look like to the kernel's ptrace check.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Situation {
    our_uid: u32,
    their_uid: Option<u32>,
    may_trace: bool,
    ptrace_scope: Option<u32>,
    in_container: bool,
}

/// A sentence or two: what stands in the way of reading process `pid`, and what to type.
pub fn explain_denied(pid: i32) -> String {
    format!(
        "no permission to read process {pid}: {}",
        advice(look(pid), pid)
    )
}

fn look(pid: i32) -> Situation {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let word = |text: &str, name: &str, index: usize| -> Option<String> {
        let line = text
            .lines()
            .find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))?;
        line.split_whitespace().nth(index).map(str::to_owned)
    };
    let target = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let capabilities = word(&status, "CapEff", 0)
        .and_then(|c| u64::from_str_radix(&c, 16).ok())
        .unwrap_or(0);
    Situation {
        our_uid: super::effective_user(),
        their_uid: word(&target, "Uid", 1).and_then(|u| u.parse().ok()),
        may_trace: capabilities & CAP_SYS_PTRACE != 0,
        ptrace_scope: fs::read_to_string("/proc/sys/kernel/yama/ptrace_scope")
            .ok()
            .and_then(|s| s.trim().parse().ok()),
        in_container: ["/.dockerenv", "/run/.containerenv"]
            .iter()
            .any(|p| fs::exists(p).unwrap_or(false))
            || std::env::var_os("KUBERNETES_SERVICE_HOST").is_some(),
    }
}

fn advice(s: Situation, pid: i32) -> String {
    if s.ptrace_scope == Some(3) {
        return "kernel.yama.ptrace_scope is 3, which forbids it to everybody until the next boot"
            .into();
    }
    if s.our_uid == 0 && !s.may_trace {
        return "this root lacks CAP_SYS_PTRACE, as in most containers. Start the container with \
                `--cap-add SYS_PTRACE` (Kubernetes: securityContext.capabilities.add [\"SYS_PTRACE\"]), \
                or run p5-spy on the host"
            .into();
    }
    if s.may_trace {
        return "a security module (AppArmor, SELinux, seccomp) or another user namespace forbids it. \
                Run p5-spy on the host, as the real root"
            .into();
    }
    if s.in_container && s.their_uid.is_none_or(|uid| uid == s.our_uid) && s.ptrace_scope != Some(1)
    {
        return "in a container the capability SYS_PTRACE is needed: start it with `--cap-add SYS_PTRACE`".into();
    }
    match (s.their_uid, s.ptrace_scope) {
        (Some(uid), _) if uid != s.our_uid => {
            format!(
                "it belongs to user id {uid}, you are {}. Run: sudo p5-spy … --pid {pid}",
                s.our_uid
            )
        }
        (_, Some(scope @ (1 | 2))) => format!(
            "kernel.yama.ptrace_scope is {scope}, which allows it only to {}. Run p5-spy with sudo{}",
            if scope == 1 {
                "a process's own ancestors"
            } else {
                "root"
            },
            if scope == 1 {
                ", or let p5-spy start the program: p5-spy -- perl program.pl"
            } else {
                ""
            }
        ),
        _ => format!(
            "it runs with changed privileges (a set-uid program, or one that dropped rights). \
             Run: sudo p5-spy … --pid {pid}"
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_situation_has_its_own_remedy() {
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
        let cases = [
            (
                Situation {
                    ptrace_scope: Some(3),
                    ..root
                },
                "until the next boot",
            ),
            (root, "--cap-add SYS_PTRACE"),
            (
                Situation {
                    may_trace: true,
                    ..root
                },
                "as the real root",
            ),
            (
                Situation {
                    their_uid: Some(33),
                    ..user
                },
                "belongs to user id 33, you are 1000",
            ),
            (
                Situation {
                    ptrace_scope: Some(1),
                    ..user
                },
                "p5-spy -- perl",
            ),
            (
                Situation {
                    ptrace_scope: Some(2),
                    ..user
                },
                "only to root",
            ),
            (
                Situation {
                    in_container: true,
                    ..user
                },
                "capability SYS_PTRACE",
            ),
            (user, "changed privileges"),
        ];
        let mut seen = std::collections::HashSet::new();
        for (situation, needle) in cases {
            let said = advice(situation, 7);
            assert!(said.contains(needle), "{situation:?}: {said}");
            assert!(seen.insert(said));
        }
    }
}
