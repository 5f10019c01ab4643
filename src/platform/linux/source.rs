//! What a process says of the files that it runs: where relative names begin.

use super::Process;
use std::fs;
use std::path::{Path, PathBuf};

impl Process {
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
