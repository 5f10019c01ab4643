//! Core files that were packed, as systemd-coredump does: they are unpacked into a nameless file, in which zeros
//! take no room.

use std::fs::File;
use std::io::{self, BufReader, Read, Seek, SeekFrom, Write};

/// How it is packed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Packing {
    Zstd,
    Lz4,
    /// Of which nothing is made here.
    Xz,
}

/// No core file is larger, unpacked.
const LARGEST: u64 = 1 << 40;
/// Nor more than so many times as large as its file, and somewhat: zeros pack well.
const UNPACKED: u64 = 20_000;
const ALWAYS: u64 = 64 << 20;
const PIECE: usize = 64 << 10;

impl Packing {
    /// By the first bytes of the file (RFC 8878, 3.1.1; LZ4 frame format; xz file format, 2.1.1.1).
    pub(super) fn of(start: &[u8]) -> Option<Self> {
        match start {
            [0x28, 0xb5, 0x2f, 0xfd, ..] => Some(Packing::Zstd),
            [0x04, 0x22, 0x4d, 0x18, ..] => Some(Packing::Lz4),
            [0xfd, b'7', b'z', b'X', b'Z', 0, ..] => Some(Packing::Xz),
            _ => None,
        }
    }
}

/// Unpacks a file whose first bytes say that it is packed so.
///
/// # Errors
/// That it is damaged, too large, or that there is no room for it.
pub(super) fn unpacked(mut file: File, packing: Packing) -> io::Result<File> {
    let length = file.metadata()?.len();
    file.seek(SeekFrom::Start(0))?;
    let most = length.saturating_mul(UNPACKED).saturating_add(ALWAYS);
    let most = most.min(LARGEST);
    let mut out = tempfile::tempfile()?;
    let mut packed = BufReader::new(file);
    match packing {
        Packing::Zstd => {
            let mut frames = ruzstd::decoding::StreamingDecoder::new(&mut packed)
                .map_err(|e| io::Error::new(io::ErrorKind::InvalidData, e.to_string()))?;
            copy(&mut frames, &mut out, most)?;
        }
        Packing::Lz4 => copy(
            &mut lz4_flex::frame::FrameDecoder::new(packed),
            &mut out,
            most,
        )?,
        Packing::Xz => {
            return Err(io::Error::other(
                "it is packed with xz: unpack it with xz -dk, and name what that makes",
            ));
        }
    }
    Ok(out)
}

/// Leaves holes where there are zeros.
fn copy(from: &mut impl Read, to: &mut File, most: u64) -> io::Result<()> {
    let mut piece = vec![0; PIECE];
    let mut length = 0_u64;
    loop {
        let read = fill(from, &mut piece)?;
        let Some(bytes) = piece.get(..read).filter(|bytes| !bytes.is_empty()) else {
            break;
        };
        length += read as u64;
        if length > most {
            return Err(io::Error::new(
                io::ErrorKind::InvalidData,
                format!("unpacked it is larger than {most} bytes, and honest ones are not"),
            ));
        }
        match bytes.iter().all(|byte| *byte == 0) {
            true => {
                to.seek(SeekFrom::Start(length))?;
            }
            false => to.write_all(bytes)?,
        }
    }
    to.set_len(length)?;
    to.seek(SeekFrom::Start(0))?;
    Ok(())
}

fn fill(from: &mut impl Read, piece: &mut [u8]) -> io::Result<usize> {
    let mut read = 0;
    while let Some(rest) = piece.get_mut(read..).filter(|rest| !rest.is_empty()) {
        match from.read(rest)? {
            0 => break,
            more => read += more,
        }
    }
    Ok(read)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(bytes: &[u8]) -> File {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(bytes).unwrap();
        file
    }

    fn whole(mut file: File) -> Vec<u8> {
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes).unwrap();
        bytes
    }

    #[test]
    fn what_was_packed_comes_out_with_its_zeros() {
        let mut plain = b"\x7fELF and so on".to_vec();
        plain.resize(300_000, 0);
        plain.extend_from_slice(b"the end");
        plain.resize(400_000, 0);
        let mut lz4 = lz4_flex::frame::FrameEncoder::new(Vec::new());
        lz4.write_all(&plain).unwrap();
        let lz4 = lz4.finish().unwrap();
        let zstd = ruzstd::encoding::compress_to_vec(
            plain.as_slice(),
            ruzstd::encoding::CompressionLevel::Fastest,
        );
        for (packed, packing) in [(lz4, Packing::Lz4), (zstd, Packing::Zstd)] {
            assert_eq!(Packing::of(&packed), Some(packing));
            assert_eq!(whole(unpacked(file(&packed), packing).unwrap()), plain);
            let cut = &packed[..packed.len() / 2];
            assert!(unpacked(file(cut), packing).is_err(), "{packing:?}");
        }
        assert!(unpacked(file(b"\xfd7zXZ\0"), Packing::Xz).is_err());
        assert_eq!(Packing::of(b"\x7fELF"), None);
    }

    #[test]
    fn no_more_comes_out_than_an_honest_one_has() {
        let mut to = tempfile::tempfile().unwrap();
        let error = copy(&mut io::repeat(1), &mut to, 100_000).unwrap_err();
        assert!(error.to_string().contains("larger than 100000"), "{error}");
    }
}
