//! What a process says of the files that it runs: its one-liner, and where relative names begin.

use super::Process;
use std::fs;
use std::path::{Path, PathBuf};

impl Process {
    /// What stands behind `-e` on the command line, if anything does.
    pub fn one_liner(self) -> Option<Vec<u8>> {
        let words = self.command_line().ok()?;
        let mut words = words.into_iter().skip(1);
        let mut lines = Vec::new();
        while let Some(word) = words.next() {
            // `-ne` is -n and -e.
            let is_switch = word.first() == Some(&b'-') && word.get(1) != Some(&b'-');
            if is_switch && matches!(word.last(), Some(b'e' | b'E')) {
                lines.extend(words.next());
            }
        }
        (!lines.is_empty()).then(|| lines.join(&b'\n'))
    }

    /// A path of the target, from its root. `None` when it has ended.
    pub fn absolute(self, file: &Path) -> Option<PathBuf> {
        if file.is_absolute() {
            return Some(file.to_owned());
        }
        let link = |name: &str| fs::read_link(format!("/proc/{}/{name}", self.pid)).ok();
        let (here, root) = (link("cwd")?, link("root")?);
        // In a chroot both are told as we see them.
        let here = here.strip_prefix(&root).unwrap_or(&here);
        Some(Path::new("/").join(here).join(file))
    }
}
