//! The memory of a real perl with words overwritten, as by a program that shoots at itself.

use super::input::Input;
use super::replay::{self, Replay};
use p5_spy::memory::{Batch, Memory, ReadError};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{LazyLock, Mutex};

/// Notes which words are read.
struct Noting<'a> {
    below: &'a dyn Memory,
    words: Mutex<BTreeSet<u64>>,
}

impl Memory for Noting<'_> {
    fn fill(&self, batch: &mut Batch) -> Result<(), ReadError> {
        self.below.fill(batch)?;
        let mut words = self.words.lock().expect("nobody panics");
        for (address, bytes) in batch.filled() {
            words.extend((address..address + bytes.len() as u64).step_by(4));
        }
        Ok(())
    }
}

/// The words of each capture that a sample and a dump read.
fn places() -> &'static [Vec<u64>] {
    static ALL: LazyLock<Vec<Vec<u64>>> = LazyLock::new(|| {
        let words = |one: &Replay| {
            let noting = Noting {
                below: &one.memory,
                words: Mutex::default(),
            };
            look(one, &[&noting]);
            let words = noting.words.into_inner().expect("nobody panics");
            words.into_iter().collect()
        };
        replay::captures().iter().map(words).collect()
    });
    &ALL
}

/// Words over bytes that a capture has.
struct Overlay<'a> {
    below: &'a dyn Memory,
    patches: BTreeMap<u64, u8>,
}

impl Memory for Overlay<'_> {
    fn fill(&self, batch: &mut Batch) -> Result<(), ReadError> {
        batch.fill_each(|address, buffer| {
            let mut whole = Batch::new();
            let slot = whole.push(address, buffer.len());
            self.below.fill(&mut whole)?;
            let Ok(bytes) = whole.bytes(slot) else {
                return Ok(false);
            };
            buffer.copy_from_slice(bytes);
            let end = address.saturating_add(buffer.len() as u64);
            for (at, byte) in self.patches.range(address..end) {
                buffer[(at - address) as usize] = *byte;
            }
            Ok(true)
        })
    }
}

/// A capture, and pairs of a place in it and a word; a zero where a place would be starts the next
/// moment.
pub fn overlay(data: &[u8]) {
    let mut input = Input(data);
    let all = replay::captures();
    let chosen = input.below(all.len());
    let (one, places) = (&all[chosen], &places()[chosen]);
    let mut moments = vec![BTreeMap::new()];
    while !input.is_empty() && moments.len() < 4 {
        let place = input.below(places.len() + 1);
        let Some(place) = place.checked_sub(1) else {
            moments.push(moments.last().cloned().unwrap_or_default());
            continue;
        };
        // Every second word leads to something that is there.
        let odd = input.byte() & 1 == 1;
        let value = match odd {
            true => input.word(),
            false => places[input.below(places.len())],
        };
        let width = usize::from(one.perl.identity.abi.pointer_size);
        let bytes = value.to_le_bytes();
        let patch = (places[place]..).zip(bytes.into_iter().take(width));
        moments.last_mut().expect("one").extend(patch);
    }
    let overlays: Vec<Overlay<'_>> = moments
        .into_iter()
        .map(|patches| Overlay {
            below: &one.memory,
            patches,
        })
        .collect();
    let memories: Vec<&dyn Memory> = overlays.iter().map(|o| o as &dyn Memory).collect();
    look(one, &memories);
}

/// Everything that an attach and its samples read, at each of these moments.
fn look(one: &Replay, moments: &[&dyn Memory]) {
    let interpreter = one.interpreter();
    let map = one.perl.variables(interpreter);
    let variables = map.moving().expect("a capture has them");
    let maps = one.capture.mappings();
    let contexts: Vec<_> = moments
        .iter()
        .map(|memory| {
            let _ = one.perl.main_interpreter(*memory);
            let _ = one.perl.examine(*memory, &maps, interpreter);
            let db_sub = one.perl.debugger_sub(*memory, interpreter);
            (one.perl.name_context(*memory, 0), db_sub)
        })
        .collect();
    replay::sample(&contexts, &variables, map.pads());
    for (context, _) in &contexts {
        replay::variables(context, &variables, map.by_name("Imain_cv"));
    }
}
