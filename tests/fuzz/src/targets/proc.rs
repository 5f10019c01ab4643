//! Texts that are read line by line: files of /proc, and what a perl says that is being learned.

use p5_spy::fuzzing;

/// Their names are the target's own choice.
pub fn proc(data: &[u8]) {
    fuzzing::proc_file(data);
}

pub fn calibration(data: &[u8]) {
    fuzzing::calibration(&String::from_utf8_lossy(data));
}
