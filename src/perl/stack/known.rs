//! What a stack reader knows of where the parts of a stack are: its stack infos, and how much of each
//! to fetch. Of what is deeper than anybody looks, the middle is left out.

use crate::hash::Map;
use std::ops::Range;

/// So many of the outermost contexts of a stack info are fetched, where it has too many.
pub(in crate::perl) const OUTER: usize = 2048;
/// At least so many of the innermost.
const INNER: usize = 14_336;
/// What is left out is a multiple of this: a depth that goes up and down leaves out the same.
const STEP: usize = 4096;
/// The contexts behind the outermost ones that are fetched too: one of them tells where the last of
/// these called from.
const BEHIND: usize = 64;

/// So many stack infos are fetched. Each costs its program a C stack frame.
const MAX_INFOS: usize = 10_000;
/// Where there are more, so many of the outermost, and of the innermost.
const OUTER_INFOS: usize = 1024;
const INNER_INFOS: usize = 8192;
/// So many of the innermost must be there still, or it is looked anew.
const ENOUGH: usize = INNER_INFOS / 2;
/// No perl has more: they would take hundreds of megabytes of C stack.
const MAX_KNOWN: usize = 200_000;

/// A stack info.
#[derive(Debug, Clone, Copy)]
pub(in crate::perl) struct KnownInfo {
    pub(in crate::perl) address: u64,
    pub(in crate::perl) cxstack: u64,
    /// `si_prev`.
    pub(in crate::perl) prev: u64,
    /// How many contexts to fetch, those that are left out among them.
    pub(in crate::perl) fetch: usize,
    /// `si_cxmax + 1`.
    pub(in crate::perl) room: usize,
    /// So many contexts are left out behind the [`OUTER`] ones.
    pub(in crate::perl) left_out: usize,
    /// Its place among those that are fetched with every copy.
    pub(in crate::perl) slot: Option<usize>,
}

impl KnownInfo {
    /// The contexts to fetch: all, or those before and behind what is left out.
    pub(in crate::perl) fn ranges(&self) -> (Range<usize>, Option<Range<usize>>) {
        match self.left_out {
            0 => (0..self.fetch, None),
            n => (
                0..OUTER + BEHIND,
                Some(OUTER + n..self.fetch.max(OUTER + n)),
            ),
        }
    }

    /// Makes room for so many contexts, and some more.
    pub(in crate::perl) fn expect(&mut self, count: usize, more: usize) {
        self.fetch = count.saturating_add(more).min(self.room.max(count));
        self.left_out = left_out(count);
    }
}

/// How many of so many contexts are left out.
pub(in crate::perl) fn left_out(count: usize) -> usize {
    count.saturating_sub(OUTER + INNER) / STEP * STEP
}

/// All stack infos that were met.
#[derive(Debug, Default)]
pub(in crate::perl) struct KnownInfos {
    list: Vec<KnownInfo>,
    places: Map<u64, usize>,
    /// The places of those that are fetched.
    fetched: Vec<usize>,
    /// Where the outermost are fetched only, and those in the middle are not: these, from the inside
    /// out.
    outermost: Vec<u64>,
}

impl KnownInfos {
    /// Those to be fetched, in order of [`KnownInfo::slot`].
    pub(in crate::perl) fn fetched(&self) -> impl Iterator<Item = &KnownInfo> {
        self.fetched
            .iter()
            .filter_map(|place| self.list.get(*place))
    }

    pub(in crate::perl) fn clear(&mut self) {
        *self = KnownInfos::default();
    }

    pub(in crate::perl) fn is_full(&self) -> bool {
        self.list.len() >= MAX_KNOWN
    }

    /// Its place in the list.
    pub(in crate::perl) fn find(&self, address: u64) -> Option<usize> {
        self.places.get(&address).copied()
    }

    pub(in crate::perl) fn get_mut(&mut self, place: usize) -> Option<&mut KnownInfo> {
        self.list.get_mut(place)
    }

    pub(in crate::perl) fn add(&mut self, known: KnownInfo) {
        self.places.insert(known.address, self.list.len());
        self.list.push(known);
    }

    /// Those behind what is left out, from the inside out, where a copy has `met` of the innermost
    /// already. `None` where that is not enough of them, or where nothing is left out.
    pub(in crate::perl) fn behind(&self, met: usize) -> Option<&[u64]> {
        (met >= ENOUGH && !self.outermost.is_empty()).then_some(&self.outermost)
    }

    /// Decides what is fetched, where `innermost` is the innermost stack info. False where they have
    /// no end.
    pub(in crate::perl) fn choose(&mut self, innermost: u64) -> bool {
        let mut chain = Vec::new();
        let mut at = innermost;
        while at != 0 {
            let Some(known) = self.find(at).and_then(|place| self.list.get(place)) else {
                break;
            };
            chain.push(at);
            at = known.prev;
            if chain.len() > self.list.len() {
                return false;
            }
        }
        let is_long = chain.len() > MAX_INFOS;
        let outer = match is_long {
            true => chain.len() - OUTER_INFOS,
            false => chain.len(),
        };
        // What is in no chain now is left from an earlier, deeper stack, and may come again.
        self.fetched = match self.list.len() <= MAX_INFOS {
            true => (0..self.list.len()).collect(),
            false => {
                let is_wanted = |depth| !is_long || !(INNER_INFOS..outer).contains(&depth);
                let chain = chain.iter().enumerate();
                let wanted = chain.filter(|(depth, _)| is_wanted(*depth));
                wanted.filter_map(|(_, at)| self.find(*at)).collect()
            }
        };
        self.list.iter_mut().for_each(|known| known.slot = None);
        for (slot, place) in self.fetched.iter().enumerate() {
            if let Some(known) = self.list.get_mut(*place) {
                known.slot = Some(slot);
            }
        }
        self.outermost = chain.split_off(outer);
        true
    }

    /// Stops fetching what an earlier, deeper stack needed: `used` are the stack infos of this one.
    pub(in crate::perl) fn forget_others(&mut self, used: impl ExactSizeIterator<Item = u64>) {
        if !self.outermost.is_empty() || self.list.len() <= 4 * used.len() + 64 {
            return;
        }
        let kept: Vec<KnownInfo> = used
            .filter_map(|address| self.list.get(self.find(address)?).copied())
            .collect();
        self.clear();
        let innermost = kept.last().map_or(0, |known| known.address);
        kept.into_iter().for_each(|known| self.add(known));
        self.choose(innermost);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_left_out_stays_the_same_while_the_depth_goes_up_and_down() {
        assert_eq!(left_out(OUTER + INNER), 0);
        assert_eq!(left_out(OUTER + INNER + STEP - 1), 0);
        assert_eq!(left_out(OUTER + INNER + STEP), STEP);
        assert_eq!(left_out(300_000), left_out(300_100));
        let mut known = KnownInfo {
            address: 0,
            cxstack: 0,
            prev: 0,
            fetch: 0,
            room: 400_000,
            left_out: 0,
            slot: None,
        };
        known.expect(300_000, 10);
        let (outer, inner) = known.ranges();
        let inner = inner.unwrap();
        assert_eq!(outer, 0..OUTER + BEHIND);
        assert!(
            (INNER..INNER + STEP).contains(&(300_000 - inner.start)),
            "{inner:?}"
        );
        assert_eq!(inner.end, 300_010);
    }

    fn chain(length: u64) -> KnownInfos {
        let mut known = KnownInfos::default();
        for address in (1..=length).rev() {
            known.add(KnownInfo {
                address,
                cxstack: 0,
                prev: address - 1,
                fetch: 8,
                room: 8,
                left_out: 0,
                slot: None,
            });
        }
        known
    }

    #[test]
    fn the_middle_of_a_long_chain_is_not_fetched() {
        let mut known = chain(50_000);
        assert!(known.choose(50_000));
        assert_eq!(known.fetched().count(), OUTER_INFOS + INNER_INFOS);
        assert_eq!(
            known.behind(INNER_INFOS).unwrap().first(),
            Some(&(OUTER_INFOS as u64))
        );
        assert!(known.behind(10).is_none());
        let mut short = chain(9_000);
        assert!(short.choose(9_000));
        assert!(short.fetched().count() == 9_000 && short.behind(9_000).is_none());
    }

    #[test]
    fn a_chain_without_an_end_is_none() {
        let mut known = chain(100);
        known.get_mut(99).unwrap().prev = 100;
        assert!(!known.choose(100));
    }
}
