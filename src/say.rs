//! Words for people, on standard error. That nobody can read them, because the terminal is gone, the
//! pipe is closed or the disk is full, is no reason to fail: what was recorded counts more.

use std::fmt::Display;
use std::io::{self, Write};

/// Says a line.
pub fn say(text: impl Display) {
    part(format_args!("{text}\n"));
}

/// Says something that is no whole line.
pub fn part(text: impl Display) {
    // At once: other processes may say something on the same terminal.
    let whole = text.to_string();
    let mut out = io::stderr().lock();
    let _ = out.write_all(whole.as_bytes()).and_then(|()| out.flush());
}
