//! Core files that systemd-coredump keeps, found as coredumpctl finds them.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// Where it keeps them (coredump.conf(5)).
pub const KEPT: &str = "/var/lib/systemd/coredump";

/// The one of this process, or of all the last one: the newest of those that there are. `None` where there is none.
///
/// # Errors
/// When the folder is not there or cannot be read.
pub fn newest(folder: &Path, pid: Option<i64>) -> io::Result<Option<PathBuf>> {
    let mut found: Option<(u64, PathBuf)> = None;
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        let name = path.file_name().and_then(|name| name.to_str());
        let Some((of, time)) = name.and_then(parse) else {
            continue;
        };
        let is_wanted = pid.is_none_or(|pid| pid == of);
        if is_wanted && found.as_ref().is_none_or(|(newest, _)| *newest < time) {
            found = Some((time, path));
        }
    }
    Ok(found.map(|(_, path)| path))
}

/// Process and time: `core.COMMAND.USER.BOOT.PID.MICROSECONDS`, and how it is packed.
fn parse(name: &str) -> Option<(i64, u64)> {
    let name = name.strip_prefix("core.")?;
    let packed = [".zst", ".lz4", ".xz"];
    let name = packed
        .iter()
        .find_map(|ending| name.strip_suffix(ending))
        .unwrap_or(name);
    let mut words = name.rsplit('.');
    let (time, pid) = (words.next()?, words.next()?);
    // The boot's and the user's id, and the command.
    words.nth(2)?;
    Some((pid.parse().ok()?, time.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_is_found_by_its_name() {
        let folder = tempfile::tempdir().unwrap();
        let boot = "4e8b6a9b0c3d4f5e8a7b6c5d4e3f2a1b";
        let one = format!("core.perl.1000.{boot}.4711.1700000000000000.zst");
        let two = format!("core.my\\x2eworker.0.{boot}.4712.1700000001000000");
        let again = format!("core.perl.1000.{boot}.4711.1700000002000000.lz4");
        for name in [&one, &two, &again, "core.4711", "README"] {
            fs::write(folder.path().join(name), b"").unwrap();
        }
        let newest = |pid| {
            let path = newest(folder.path(), pid).unwrap()?;
            Some(path.file_name()?.to_str()?.to_owned())
        };
        assert_eq!(newest(None), Some(again.clone()));
        assert_eq!(newest(Some(4712)), Some(two));
        assert_eq!(newest(Some(4711)), Some(again));
        assert_eq!(newest(Some(4713)), None);
        assert!(super::newest(Path::new("/nonexistent"), None).is_err());
        assert_eq!(parse("core.perl.1000.boot.pid.1"), None);
    }
}
