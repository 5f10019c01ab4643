//! Texts that the build has packed (`build/packed.rs`).

use flate2::read::DeflateDecoder;
use std::io::Read;

/// The text of what was packed; empty if it is damaged, which a test of each user sees to.
pub(crate) fn unpacked(packed: &[u8]) -> String {
    after(&[], 0, packed)
}

/// The same of a stream whose beginning, of which come `len` bytes, is kept once for many.
pub(crate) fn after(beginning: &[u8], len: u64, packed: &[u8]) -> String {
    let mut stream = DeflateDecoder::new(beginning.chain(packed));
    let mut text = String::new();
    let skipped = std::io::copy(&mut stream.by_ref().take(len), &mut std::io::sink());
    if skipped.is_ok_and(|skipped| skipped == len) && stream.read_to_string(&mut text).is_err() {
        text.clear();
    }
    text
}
