//! Texts that the build has packed (`build/packed.rs`).

use flate2::bufread::DeflateDecoder;
use std::io::Read;

/// The text of what was packed; empty if it is damaged, which a test of each user sees to.
pub(crate) fn unpacked(packed: &[u8]) -> String {
    after(&[], 0, packed)
}

/// The same of a stream whose beginning, a text of `len` bytes, is kept once for many.
pub(crate) fn after(beginning: &[u8], len: usize, packed: &[u8]) -> String {
    // Texts of this kind are a tenth of their size.
    let room = len.saturating_add(packed.len().saturating_mul(12));
    let mut bytes = Vec::with_capacity(room);
    let read = DeflateDecoder::new(beginning.chain(packed)).read_to_end(&mut bytes);
    let is_whole = read.is_ok_and(|read| read >= len);
    let text = is_whole.then(|| String::from_utf8(bytes.split_off(len)));
    text.and_then(Result::ok).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use flate2::{Compress, Compression, FlushCompress};

    fn add(stream: &mut Compress, text: &str, flush: FlushCompress, out: &mut Vec<u8>) {
        stream.compress_vec(text.as_bytes(), out, flush).unwrap();
    }

    #[test]
    fn what_follows_a_beginning_is_read_without_it() {
        let before = "of many that begin alike ".repeat(20);
        let text = format!("{before}this is one");
        let mut stream = Compress::new(Compression::best(), false);
        let mut out = Vec::with_capacity(1000);
        add(&mut stream, &before, FlushCompress::Sync, &mut out);
        let packed = out.len();
        add(&mut stream, &text, FlushCompress::Finish, &mut out);
        let (beginning, packed) = out.split_at(packed);
        assert!(packed.len() < text.len() / 5);
        assert_eq!(after(beginning, before.len(), packed), text);
        let both = [beginning, packed].concat();
        assert_eq!(unpacked(&both), before + &text);
    }

    #[test]
    fn damage_is_an_empty_text() {
        assert_eq!(unpacked(&[]), "");
        assert_eq!(unpacked(&[0xff; 20]), "");
        assert_eq!(after(&[], 5, &[3, 0]), "");
    }
}
