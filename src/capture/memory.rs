//! The memory that a capture is made through, and the one that it is.

use super::{CaptureError, MAX_CAPTURE};
use crate::memory::{Batch, Memory, ReadError};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

/// Bytes by address: hexadecimal, so that the file packs well and can be looked at.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Bytes(Vec<(u64, String)>);

/// Bytes that are kept in all: in the file a byte is two digits, and there are addresses and a layout.
const MOST: usize = (MAX_CAPTURE / 4) as usize;

/// Passes every read on, and keeps what came, until that is more than a capture may hold.
pub struct RecordingMemory<M> {
    inner: M,
    kept: Mutex<Kept>,
}

#[derive(Default)]
struct Kept {
    bytes: BTreeMap<u64, u8>,
    /// How many were handed out already.
    before: usize,
    /// There were more.
    is_cut: bool,
}

impl<M: Memory> RecordingMemory<M> {
    /// Records what is read of `inner`.
    pub fn new(inner: M) -> Self {
        RecordingMemory {
            inner,
            kept: Mutex::default(),
        }
    }
}

impl<M> RecordingMemory<M> {
    /// What was read since the last time.
    pub fn drain(&self) -> Bytes {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let mut pieces: Vec<(u64, Vec<u8>)> = Vec::new();
        let read = std::mem::take(&mut kept.bytes);
        kept.before += read.len();
        for (address, byte) in read {
            match pieces.last_mut() {
                Some((start, bytes)) if *start + bytes.len() as u64 == address => bytes.push(byte),
                _ => pieces.push((address, vec![byte])),
            }
        }
        let hex = |bytes: Vec<u8>| bytes.iter().map(|b| format!("{b:02x}")).collect();
        Bytes(pieces.into_iter().map(|(a, b)| (a, hex(b))).collect())
    }
}

impl<M> RecordingMemory<M> {
    /// True if more was read than a capture may hold: what is kept is not all.
    pub fn is_cut(&self) -> bool {
        let kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.is_cut
    }
}

impl<M: Memory> Memory for RecordingMemory<M> {
    fn fill(&self, batch: &mut Batch) -> Result<(), ReadError> {
        self.inner.fill(batch)?;
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        for (address, bytes) in batch.filled() {
            if kept.before + kept.bytes.len() + bytes.len() > MOST {
                kept.is_cut = true;
                break;
            }
            let addresses = (0..).map(|i| address.wrapping_add(i));
            kept.bytes.extend(addresses.zip(bytes.iter().copied()));
        }
        Ok(())
    }

    fn remote_reads(&self) -> u64 {
        self.inner.remote_reads()
    }
}

/// The bytes of a capture. What was not read then cannot be read now.
#[derive(Debug, Default)]
pub struct CapturedMemory(BTreeMap<u64, u8>);

impl CapturedMemory {
    /// Lays bytes over those that are there.
    pub(super) fn add(&mut self, bytes: &Bytes) -> Result<(), CaptureError> {
        for (address, text) in &bytes.0 {
            let digits = text.as_bytes().chunks(2);
            for (index, pair) in digits.enumerate() {
                let byte = std::str::from_utf8(pair)
                    .ok()
                    .and_then(|p| u8::from_str_radix(p, 16).ok())
                    .ok_or_else(|| CaptureError::Damaged("its bytes".into()))?;
                self.0.insert(address.wrapping_add(index as u64), byte);
            }
        }
        Ok(())
    }
}

impl Memory for CapturedMemory {
    fn fill(&self, batch: &mut Batch) -> Result<(), ReadError> {
        batch.fill_each(|address, buffer| {
            let end = address.saturating_add(buffer.len() as u64);
            let mut expected = address;
            for ((at, byte), place) in self.0.range(address..end).zip(buffer.iter_mut()) {
                if *at != expected {
                    return Ok(false);
                }
                *place = *byte;
                expected += 1;
            }
            Ok(expected == end)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::memory::FakeMemory;

    #[test]
    fn no_more_is_kept_than_a_capture_may_hold() {
        const PIECE: usize = 1 << 20;
        let mut fake = FakeMemory::new();
        fake.map(0x1000, vec![7; MOST + PIECE]);
        let recording = RecordingMemory::new(fake);
        let read = |from: usize, size: usize| {
            let mut batch = Batch::new();
            let piece = batch.push(0x1000 + from as u64, size);
            recording.fill(&mut batch).unwrap();
            // Whoever reads has it all the same.
            assert_eq!(batch.bytes(piece).unwrap().len(), size);
        };
        let kept = |bytes: &Bytes| {
            bytes
                .0
                .iter()
                .map(|(_, text)| text.len() / 2)
                .sum::<usize>()
        };
        for from in (0..MOST / 2).step_by(PIECE) {
            read(from, PIECE);
        }
        let first = recording.drain();
        for from in (MOST / 2..MOST).step_by(PIECE) {
            read(from, PIECE);
        }
        assert!(!recording.is_cut());
        read(MOST, 1);
        assert!(recording.is_cut());
        assert_eq!(kept(&first) + kept(&recording.drain()), MOST);
    }

    #[test]
    fn only_what_was_read_can_be_read_again() {
        let mut fake = FakeMemory::new();
        fake.map(0x1000, (0..=255).collect());
        let recording = RecordingMemory::new(fake);
        let mut batch = Batch::new();
        batch.push(0x1010, 8);
        batch.push(0x1018, 8);
        batch.push(0x9000, 8);
        recording.fill(&mut batch).unwrap();
        let bytes = recording.drain();
        assert_eq!(bytes.0.len(), 1, "neighbours are one piece");
        assert!(recording.drain().0.is_empty());
        let mut memory = CapturedMemory::default();
        memory.add(&bytes).unwrap();
        let mut again = Batch::new();
        let inside = again.push(0x1012, 10);
        let outside = again.push(0x101f, 2);
        memory.fill(&mut again).unwrap();
        assert_eq!(
            again.bytes(inside).unwrap(),
            (0x12..0x1c).collect::<Vec<u8>>()
        );
        assert!(again.bytes(outside).is_err());
        assert!(memory.add(&Bytes(vec![(1, "xy".into())])).is_err());
    }
}
