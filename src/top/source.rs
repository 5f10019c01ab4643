//! The text of a file of the target, ready to be shown.

use crate::examine::{SourceError, read_source};
use crate::ids::Pid;
use crate::platform::Process;
use std::path::Path;

/// Lines of a file, harmless to the terminal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Text {
    /// The first one is line 1.
    pub lines: Vec<String>,
}

/// What is kept of a line: more than any terminal shows.
const LONGEST_LINE: usize = 1000;
/// Columns between tab stops, as perldoc and most editors have them.
const TAB: usize = 8;

impl Text {
    /// Reads a file through the first process that has it.
    ///
    /// # Errors
    /// Why there is nothing to show, in words.
    pub fn read(pids: &[Pid], file: &str) -> Result<Self, String> {
        let mut problem = "no process is left that could have it".to_owned();
        for pid in pids {
            let read = Process::open(*pid)
                .map_err(|_| SourceError::Gone)
                .and_then(|process| read_source(process, Path::new(file)));
            match read {
                Ok(bytes) => return Ok(Self::of(&bytes)),
                Err(e @ SourceError::NoFile) => return Err(e.to_string()),
                Err(e) => problem = e.to_string(),
            }
        }
        Err(problem)
    }

    /// Splits and escapes.
    pub fn of(bytes: &[u8]) -> Self {
        let bytes = bytes.strip_suffix(b"\n").unwrap_or(bytes);
        let lines = bytes.split(|b| *b == b'\n').map(|line| {
            let line = line.strip_suffix(b"\r").unwrap_or(line);
            crate::text::excerpt(&expanded(line), true, LONGEST_LINE)
        });
        Text {
            lines: lines.collect(),
        }
    }
}

/// Spaces for tabs.
fn expanded(line: &[u8]) -> Vec<u8> {
    let mut wide = Vec::with_capacity(line.len().min(4 * LONGEST_LINE));
    for byte in line.iter().take(4 * LONGEST_LINE + 4) {
        if *byte == b'\t' {
            wide.resize((wide.len() / TAB + 1) * TAB, b' ');
        } else {
            wide.push(*byte);
        }
    }
    wide
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_as_an_editor_shows_them_and_do_no_harm() {
        let text = Text::of(b"a\tb\r\n\x1b[31m\xff\n\ncaf\xc3\xa9\n");
        assert_eq!(text.lines, ["a       b", "\\x{1b}[31m\\xff", "", "café"]);
        let text = Text::of(&[b'x'; 9000]);
        assert_eq!(text.lines[0].chars().count(), LONGEST_LINE + 1);
        assert_eq!(Text::of(b"").lines, [""]);
    }
}
