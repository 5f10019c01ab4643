//! What the fuzz targets of `tests/fuzz` need and the library keeps to itself otherwise. No part of
//! its interface.

use crate::layout::{Cached, entry};
use crate::learn::facts::CalibrationFacts;

/// What the bytes of an entry of the cache say; `None` where they are damaged.
pub fn cache_entry(bytes: &[u8]) -> Option<Cached> {
    entry::read(bytes)
}

/// The bytes of an entry with the same layout.
///
/// # Errors
/// [`std::io::Error`] where it cannot be written.
pub fn write_cache_entry(cached: &Cached) -> std::io::Result<Vec<u8>> {
    let layout = &cached.resolved.layout;
    entry::write("fuzzing", &cached.identity, layout, &cached.symbols)
}

/// Files of /proc, whichever it is.
#[cfg(target_os = "linux")]
pub fn proc_file(bytes: &[u8]) {
    use crate::platform::{capability, hidepid, listed_line, maps, permission, thread};
    let lines = maps::lines(bytes);
    assert!(lines.is_none_or(|all| all.iter().all(|l| l.mapping.start < l.mapping.end)));
    let _ = listed_line(bytes);
    let _ = thread::runs_of(bytes);
    let _ = thread::number(bytes);
    let text = String::from_utf8_lossy(bytes);
    let _ = hidepid::of_mounts(&text);
    let _ = hidepid::is_member(&text, 7);
    let _ = permission::word(&text, "Uid", 1);
    let _ = permission::is_initial(&text);
    let _ = capability::Capabilities::effective(&text).may_trace();
}

/// What a perl that is learned prints of itself; the lines that it was.
pub fn calibration(text: &str) -> usize {
    let mut facts = CalibrationFacts::default();
    let noted = text.lines().filter(|line| facts.note(line)).count();
    let _ = facts.nest();
    noted
}
