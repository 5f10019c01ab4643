//! Captures, which come with bug reports.

use super::file::TempFile;
use super::is_harmless;
use flate2::Compression;
use flate2::write::GzEncoder;
use p5_spy::capture::Capture;
use p5_spy::frames::FrameTable;
use p5_spy::layout::{Sources, from_tables};
use p5_spy::perl::names::NameOptions;
use std::io::Write;
use std::sync::LazyLock;

/// The JSON of a capture, or the packed file.
pub fn capture(data: &[u8]) {
    let file = match data.starts_with(b"\x1f\x8b") {
        true => TempFile::new(data),
        false => TempFile::new(&packed(data)),
    };
    match Capture::read(file.path()) {
        Ok(capture) => replay(&capture),
        Err(e) => is_harmless(&e.to_string()),
    }
}

fn packed(data: &[u8]) -> Vec<u8> {
    let mut packed = GzEncoder::new(Vec::new(), Compression::none());
    packed.write_all(data).expect("memory");
    packed.finish().expect("memory")
}

/// As `dump --capture` does, by its own layout and by a table.
fn replay(capture: &Capture) {
    static TABLES: LazyLock<Sources> = LazyLock::new(|| Sources {
        debug: None,
        ..Sources::built_in()
    });
    let identity = match capture.identity() {
        Ok(identity) => identity,
        Err(e) => return is_harmless(&e.to_string()),
    };
    is_harmless(&identity.to_string());
    let own = capture
        .own_layout()
        .map_err(|e| is_harmless(&e.to_string()));
    let layouts = own.ok().into_iter();
    for layout in layouts.chain(from_tables(&identity, &TABLES).ok()) {
        is_harmless(&layout.source.to_string());
        for sample in 0..capture.samples().min(2) {
            let Ok(memory) = capture.memory(sample) else {
                continue;
            };
            let Ok(perl) = capture.perl(&memory, &layout) else {
                continue;
            };
            if let Err(e) = capture.examine(&perl, &memory) {
                is_harmless(&e);
            }
            for thread in capture.threads.iter().take(3) {
                let mut table = FrameTable::default();
                let options = NameOptions::default();
                let _ = capture.stack(&perl, &memory, thread, options, &mut table);
                for frame in table.iter() {
                    assert!(!frame.label.contains(char::is_control), "{frame:?}");
                }
            }
        }
    }
}
