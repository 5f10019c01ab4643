//! The calls of a profile, or of two, as a tree. Stacks share their beginnings in it, as they do in a
//! profile and do not in the lines that are made of it.

use crate::frames::StackId;
use crate::hash::{Map, OrderedMap};
use crate::profile::{Entries, Profile, Room};
use std::io;

/// Samples of two profiles; the second is 0 where there is one profile only.
pub(super) type CountPair = [u64; 2];

/// A tree of calls by the text that stands for each of them.
#[derive(Debug, Default)]
pub(super) struct CallTree {
    texts: OrderedMap<String, ()>,
    /// Own samples by what was called, and by whom: the latter's place in this list plus 1, or 0.
    /// What calls stands before what is called.
    calls: OrderedMap<(u32, u32), CountPair>,
    /// Samples in which nothing was called.
    outside: CountPair,
}

/// The longest that one line may be.
const LONGEST: usize = 64 << 20;

impl CallTree {
    /// Adds a profile as the first or the second, with a text for each of its entries; no two are
    /// alike.
    pub(super) fn add<const SIDE: usize>(
        &mut self,
        profile: &Profile,
        entries: &Entries,
        texts: &[String],
    ) {
        let texts: Vec<u32> = texts.iter().map(|text| self.text(text)).collect();
        let mut known: Map<(Option<u32>, StackId), u32> = Map::default();
        let mut way = Vec::new();
        for ((thread, stack), count) in &profile.counts {
            let root = profile.has_threads_apart().then_some(*thread);
            // Up to the nearest caller that has been here before.
            let (mut at, mut from) = (Some(*stack), None);
            while let Some(stack) = at {
                from = known.get(&(root, stack)).copied();
                if from.is_some() {
                    break;
                }
                let Some((caller, frame)) = profile.stacks.get(stack) else {
                    break;
                };
                way.push((stack, frame));
                at = caller;
            }
            let mut call = from.unwrap_or_else(|| {
                let frames = root.map_or(&[][..], |root| profile.roots(root));
                let frames = entries.stack(frames.iter().rev().copied());
                let mut call = 0;
                for entry in frames {
                    call = self.called(call, entry, &texts);
                }
                call
            });
            while let Some((stack, frame)) = way.pop() {
                if let Some(entry) = entries.of(frame) {
                    // An entry that is its own caller is one, where entries merge.
                    let is_same = entries.merges() && self.is_of(call, entry, &texts);
                    if !is_same {
                        call = self.called(call, entry, &texts);
                    }
                }
                known.insert((root, stack), call);
            }
            if let Some(own) = self.own(call).get_mut(SIDE) {
                *own = own.saturating_add(*count);
            }
        }
    }

    fn text(&mut self, text: &str) -> u32 {
        // A semicolon in a name would split the line.
        let text = text.replace(';', "\\x{3b}");
        let index = self.texts.insert_full(text, ()).0;
        u32::try_from(index).unwrap_or(u32::MAX)
    }

    fn called(&mut self, caller: u32, entry: u32, texts: &[u32]) -> u32 {
        let Some(text) = texts.get(entry as usize) else {
            return caller;
        };
        let entry = self.calls.entry((caller, *text));
        let index = entry.index();
        entry.or_default();
        u32::try_from(index + 1).unwrap_or(u32::MAX)
    }

    fn is_of(&self, call: u32, entry: u32, texts: &[u32]) -> bool {
        let place = (call as usize).checked_sub(1);
        let known = place.and_then(|place| self.calls.get_index(place));
        known.is_some_and(|((_, text), _)| texts.get(entry as usize) == Some(text))
    }

    fn own(&mut self, call: u32) -> &mut CountPair {
        match (call as usize).checked_sub(1) {
            None => &mut self.outside,
            Some(place) => match self.calls.get_index_mut(place) {
                Some((_, own)) => own,
                None => &mut self.outside,
            },
        }
    }

    /// Every stack that has samples of its own, as `caller;called`, with their numbers. Callers come
    /// before what they call, which is sorted. Calls of fewer samples in all than `is_seen` wants
    /// are counted as their caller's, but the outermost.
    ///
    /// # Errors
    /// Those of `line`; a line that would be longer than the profile's file lets one expect.
    pub(super) fn each_line(
        &self,
        room: &Room,
        is_seen: &dyn Fn(CountPair) -> bool,
        line: &mut dyn FnMut(&str, CountPair) -> io::Result<()>,
    ) -> io::Result<()> {
        if self.outside != [0, 0] {
            line("", self.outside)?;
        }
        let own = self.seen(is_seen);
        let order = self.order();
        let below = |call: u32| {
            let caller = |place: &u32| self.caller(*place);
            let from = order.partition_point(|place| caller(place) < call);
            let to = order.partition_point(|place| caller(place) <= call);
            from..to
        };
        let mut path = String::new();
        // What is still to be visited below each call of the path, and how long the path was.
        let mut open = vec![(below(0), 0)];
        while let Some((calls, length)) = open.last_mut() {
            path.truncate(*length);
            let Some(&place) = calls.next().and_then(|at| order.get(at)) else {
                open.pop();
                continue;
            };
            let Some(Some(own)) = own.get(place as usize) else {
                continue;
            };
            let Some(((_, text), _)) = self.calls.get_index(place as usize) else {
                continue;
            };
            let text = self.texts.get_index(*text as usize);
            let text = text.map_or("", |(text, ())| text);
            if path.len() + text.len() >= LONGEST {
                return Err(io::Error::other(room.exceeded()));
            }
            if open.len() > 1 {
                path.push(';');
            }
            path.push_str(text);
            if *own != [0, 0] {
                line(&path, *own)?;
            }
            let length = path.len();
            open.push((below(place + 1), length));
        }
        Ok(())
    }

    fn caller(&self, place: u32) -> u32 {
        let known = self.calls.get_index(place as usize);
        known.map_or(0, |((caller, _), _)| *caller)
    }

    /// Own samples by call, with those of calls that are not seen; `None` for the latter.
    fn seen(&self, is_seen: &dyn Fn(CountPair) -> bool) -> Vec<Option<CountPair>> {
        let mut own: Vec<CountPair> = self.calls.values().copied().collect();
        let mut total = own.clone();
        let mut seen = vec![true; own.len()];
        let add = |to: Option<&mut CountPair>, more: CountPair| {
            for (to, more) in to.into_iter().flatten().zip(more) {
                *to = to.saturating_add(more);
            }
        };
        for (place, (caller, _)) in self.calls.keys().enumerate().rev() {
            let whole = total.get(place).copied().unwrap_or_default();
            let Some(caller) = (*caller as usize).checked_sub(1) else {
                // Nobody's call: its samples could be counted nowhere else.
                continue;
            };
            add(total.get_mut(caller), whole);
            if !is_seen(whole) {
                let mine = own.get(place).copied().unwrap_or_default();
                add(own.get_mut(caller), mine);
                if let Some(seen) = seen.get_mut(place) {
                    *seen = false;
                }
            }
        }
        let all = own.into_iter().zip(seen);
        all.map(|(own, seen)| seen.then_some(own)).collect()
    }

    /// The places of all calls by caller, those of one caller by their text.
    fn order(&self) -> Vec<u32> {
        let mut sorted: Vec<usize> = (0..self.texts.len()).collect();
        sorted.sort_by_key(|text| self.texts.get_index(*text));
        let mut ranks = vec![0; sorted.len()];
        for (rank, text) in sorted.into_iter().enumerate() {
            if let Some(slot) = ranks.get_mut(text) {
                *slot = rank;
            }
        }
        let rank = |text: u32| ranks.get(text as usize).copied().unwrap_or_default();
        let mut places: Vec<u32> = (0..).take(self.calls.len()).collect();
        places.sort_by_key(|place| {
            let known = self.calls.get_index(*place as usize);
            known.map(|((caller, text), _)| (*caller, rank(*text)))
        });
        places
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::output::synthetic;
    use crate::profile::By;

    fn tree(by: By) -> (CallTree, Profile) {
        let profile = synthetic::profile();
        let entries = profile.entries(by);
        let texts: Vec<String> = entries.iter().map(|entry| entry.text()).collect();
        let mut tree = CallTree::default();
        tree.add::<0>(&profile, &entries, &texts);
        (tree, profile)
    }

    fn lines(tree: &CallTree, profile: &Profile, least: u64) -> Vec<(String, u64)> {
        let mut lines = Vec::new();
        tree.each_line(
            &profile.room,
            &|[one, _]| one >= least,
            &mut |line, [n, _]| {
                lines.push((line.to_owned(), n));
                Ok(())
            },
        )
        .unwrap();
        lines
    }

    #[test]
    fn each_stack_is_a_line_with_its_samples() {
        for by in [By::Function, By::Line, By::Package] {
            let (tree, profile) = tree(by);
            let entries = profile.entries(by);
            let mut expected = std::collections::BTreeMap::new();
            for stack in profile.stacks() {
                let frames = entries.stack(stack.frames.into_iter());
                let texts = frames.iter().map(|f| entries.get(*f).unwrap().text());
                let texts: Vec<String> = texts.map(|t| t.replace(';', "\\x{3b}")).collect();
                *expected.entry(texts.join(";")).or_insert(0) += stack.count;
            }
            let found = lines(&tree, &profile, 0);
            let count = found.len();
            let found: std::collections::BTreeMap<String, u64> = found.into_iter().collect();
            assert_eq!(found.len(), count, "a line stands twice");
            assert_eq!(found, expected);
        }
    }

    #[test]
    fn what_is_too_small_is_its_callers() {
        let (tree, profile) = tree(By::Function);
        let all = lines(&tree, &profile, 0);
        let few = lines(&tree, &profile, 5);
        assert!(few.len() < all.len(), "{all:?}");
        let sum = |lines: &[(String, u64)]| lines.iter().map(|(_, n)| n).sum::<u64>();
        assert_eq!(sum(&few), sum(&all));
        // Whatever is left has as many samples in all as before.
        for (line, _) in &few {
            let below = |lines: &[(String, u64)]| {
                let of = |l: &str| l == line || l.starts_with(&format!("{line};"));
                let of = lines.iter().filter(|(l, _)| of(l));
                of.map(|(_, n)| n).sum::<u64>()
            };
            assert_eq!(below(&few), below(&all), "{line}");
        }
    }
}
