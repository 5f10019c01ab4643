//! Whether /proc keeps other users' processes from us: the mount option `hidepid`.

use super::capability::Capabilities;
use crate::platform::Hiding;
use std::fs;

impl Hiding {
    /// What /proc hides from this very process; `None` when nothing. A group that the option `gid`
    /// lets in sees all, and so does who may trace.
    pub fn of_proc() -> Option<Self> {
        let mounts = fs::read_to_string("/proc/self/mountinfo").ok()?;
        let (hiding, let_in) = of_mounts(&mounts)?;
        let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
        let sees_all = Capabilities::effective(&status).may_trace()
            || let_in.is_some_and(|gid| hiding != Hiding::Ptraceable && is_member(&status, gid));
        (!sees_all).then_some(hiding)
    }
}

/// What the topmost mount on /proc says, and the group that is let in.
pub(crate) fn of_mounts(mountinfo: &str) -> Option<(Hiding, Option<u32>)> {
    // proc_pid_mountinfo(5): the mount point is field 5; behind the dash come type, source and the
    // options of the file system.
    let on_proc = |line: &&str| line.split(' ').nth(4) == Some("/proc");
    let line = mountinfo.lines().rfind(on_proc)?;
    let (_, behind) = line.split_once(" - ")?;
    let options = behind.split(' ').nth(2)?;
    let option = |name: &str| {
        let mut options = options.split(',');
        options.find_map(|o| o.strip_prefix(name)?.strip_prefix('='))
    };
    let hiding = match option("hidepid")? {
        "1" | "noaccess" => Hiding::NoAccess,
        "2" | "invisible" => Hiding::Invisible,
        "4" | "ptraceable" => Hiding::Ptraceable,
        _ => return None,
    };
    Some((hiding, option("gid").and_then(|gid| gid.parse().ok())))
}

pub(crate) fn is_member(status: &str, gid: u32) -> bool {
    let gid = gid.to_string();
    let mut lines = status.lines();
    lines.any(|line| {
        let groups = line.strip_prefix("Gid:").or(line.strip_prefix("Groups:"));
        groups.is_some_and(|groups| groups.split_whitespace().any(|g| g == gid))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_topmost_proc_counts() {
        let line = |options: &str| {
            format!(
                "22 1 0:20 / /sys rw - sysfs sysfs rw,hidepid=2\n23 1 0:21 / /proc rw,nosuid shared:5 - proc proc {options}\n"
            )
        };
        for (options, hiding) in [
            ("rw", None),
            ("rw,hidepid=0", None),
            ("rw,hidepid=off", None),
            ("rw,hidepid=1", Some((Hiding::NoAccess, None))),
            ("rw,hidepid=invisible", Some((Hiding::Invisible, None))),
            ("rw,gid=27,hidepid=2", Some((Hiding::Invisible, Some(27)))),
            ("rw,hidepid=ptraceable", Some((Hiding::Ptraceable, None))),
        ] {
            assert_eq!(of_mounts(&line(options)), hiding, "{options}");
        }
        let two = line("rw") + &line("rw,hidepid=2");
        assert_eq!(of_mounts(&two), Some((Hiding::Invisible, None)));
        let other = line("rw,hidepid=2") + &line("rw");
        assert_eq!(of_mounts(&other), None);
    }

    #[test]
    fn the_groups_of_a_process() {
        let status = "Uid:\t7\t7\t7\t7\nGid:\t5\t5\t5\t5\nGroups:\t5 27 \n";
        assert!(is_member(status, 27) && is_member(status, 5));
        assert!(!is_member(status, 7) && !is_member(status, 2));
    }
}
