//! The program that stands on a command line.

use crate::platform::Process;

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
}
