//! The interpreters of a process that no thread runs. Perl keeps no list of them, so they are looked
//! for where `malloc` puts what has the size of one.

use super::Inferior;
use crate::identity::Build;
use crate::perl::locate::{Interpreter, Located};

/// How much memory is searched.
#[derive(Debug, Clone, Copy)]
pub(super) enum Extent {
    /// As much as nobody has to wait for.
    Narrow,
    /// Without one of them there is nothing to show.
    Wide,
}

impl Extent {
    fn bytes(self) -> u64 {
        match self {
            Extent::Narrow => 16 << 20,
            Extent::Wide => 256 << 20,
        }
    }
}

/// There are no more of them.
const MANY: usize = 256;
/// What `malloc` gives begins at a multiple of this.
const ALIGNED: usize = 16;
/// A piece of `malloc`'s has its size in the word in front of it (glibc, malloc/malloc.c), with
/// these bits for other things.
const FLAGS: u64 = 7;
/// The piece before this one is in use.
const PREV_INUSE: u64 = 1;

impl Inferior {
    /// The interpreters that are not among `ran`, as far as they are found, with the id that
    /// threads.pm knows them by.
    pub fn other_interpreters(&self, ran: &[Interpreter]) -> Vec<(Option<u64>, Located)> {
        let others = self.unasked(ran, Extent::Narrow);
        let ids = self.ids_of(&others);
        let located = others.into_iter().zip(ids).filter_map(|(interpreter, id)| {
            Some((id, self.perl.variables(interpreter).located().ok()?))
        });
        located.collect()
    }

    /// The same without what else is known of them.
    pub(super) fn unasked(&self, ran: &[Interpreter], extent: Extent) -> Vec<Interpreter> {
        if self.has_only_one() {
            return Vec::new();
        }
        let Some(places) = self.pieces_of_that_size(extent) else {
            return Vec::new();
        };
        let Ok(maps) = self.view.mappings() else {
            return Vec::new();
        };
        let main = self.main_interpreter().ok();
        let others = main.into_iter().chain(
            places
                .into_iter()
                .map(Interpreter::At)
                .filter(|i| Some(*i) != main),
        );
        others
            .filter(|i| !ran.contains(i) && self.is_one(&maps, *i))
            .take(MANY)
            .collect()
    }

    /// A program that is perl itself, and has one thread, is not searched: it has others only where
    /// threads have ended that nobody has joined.
    fn has_only_one(&self) -> bool {
        let is_alone = self.view.thread_count() == Some(1);
        is_alone && self.is_the_program
    }

    /// Where memory of the size of an interpreter is in use.
    fn pieces_of_that_size(&self, extent: Extent) -> Option<Vec<u64>> {
        let identity = &self.perl.identity;
        if identity.build == Build::Unthreaded {
            return None;
        }
        let word = usize::from(identity.abi.pointer_size);
        let aligned = |size: u64| size.next_multiple_of(ALIGNED as u64);
        let size = aligned(u64::from(identity.interpreter_size?) + word as u64);
        // What is left over and too small for a piece of its own is added.
        let sizes = [size, size + ALIGNED as u64];
        let reader = self.reader();
        let mut found = Vec::new();
        let mut left = extent.bytes();
        let maps = self.view.mappings().ok()?;
        for map in maps.iter().filter(|m| m.writable && m.anonymous) {
            let length = map.end.saturating_sub(map.start).min(left);
            left -= length;
            let look = |at: u64, bytes: &[u8]| {
                for offset in (ALIGNED - word..bytes.len()).step_by(ALIGNED) {
                    let size = identity
                        .abi
                        .pointer(bytes, offset)
                        .map_or(0, |w| w & !FLAGS);
                    if sizes.contains(&size) {
                        found.push((at.wrapping_add((offset + word) as u64), size));
                    }
                }
                found.len() < MANY * MANY
            };
            // Where it cannot be read, nothing is found.
            let _ = reader.pieces(map.start, length, look);
        }
        let in_use = |(at, size): &(u64, u64)| {
            let next = at.wrapping_add(*size).wrapping_sub(word as u64);
            reader
                .pointer(next)
                .is_ok_and(|next| next & PREV_INUSE != 0)
        };
        Some(found.into_iter().filter(in_use).map(|(at, _)| at).collect())
    }
}
