//! What is fuzzed: one plain function for each thing that reads bytes of others. It may refuse an
//! input, but not panic, hang, take much memory, or give text that a terminal would obey. These
//! files are part of the fuzz crate and of `tests/regressions.rs`.

mod capture;
mod config;
mod core;
mod entry;
mod fake;
mod file;
mod image;
mod input;
mod overlay;
mod proc;
mod raw;
mod replay;
mod table;
mod text;

pub use self::core::{core, unwind};
pub use capture::capture;
pub use config::config;
pub use entry::entry;
pub use fake::{search, stacks};
pub use image::{dwarf, elf, foreign};
pub use overlay::overlay;
pub use proc::{calibration, proc};
pub use raw::{blocks, recording};
pub use table::{probe, table};
pub use text::text;

/// A target by its name, which is also that of its corpus.
pub struct Target {
    pub name: &'static str,
    pub run: fn(&[u8]),
}

macro_rules! targets {
    ($($name:ident),* $(,)?) => {
        /// All of them.
        pub const ALL: &[Target] = &[$(Target { name: stringify!($name), run: $name }),*];
    };
}

targets! {
    blocks, calibration, capture, config, core, dwarf, elf, entry, foreign, overlay, probe, proc,
    recording, search, stacks, table, text, unwind,
}

/// Insists that a text which people are shown holds nothing that a terminal would obey.
#[track_caller]
fn is_harmless(text: &str) {
    let harmful = |c: char| c.is_control() && c != '\n';
    assert!(!text.contains(harmful), "unescaped: {text:?}");
}
