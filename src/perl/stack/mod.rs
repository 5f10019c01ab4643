//! One consistent copy of a moving stack: the interpreter's header, its stack infos and their
//! contexts, fetched with one vectored call and accepted only if nothing moved meanwhile.

pub mod doing;
pub(in crate::perl) mod header;
pub(in crate::perl) mod info;
pub(in crate::perl) mod known;
pub mod unfinished;
pub mod walk;

use crate::layout::BoundLayout;
use crate::memory::{Abi, Batch, Memory, ReadError, Slot};
use header::{BesidePlaces, BesideValues, HeaderPlaces};
pub use header::{Current, Header, Variable, Variables};
pub use info::StackInfo;
use info::{CopiedInfo, equal_contexts, parse_info};
use known::{KnownInfo, KnownInfos, left_out};
use walk::ContextPlace;

/// Why there is no copy.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum StackError {
    /// The target moved in every try.
    #[error("the target moved while it was read")]
    Torn,
    /// The interpreter has no stack: perl is still starting, or shutting down.
    #[error("the interpreter has no stack yet, or no longer")]
    NoStack,
    /// The thread runs another interpreter, the one at this address; 0 for none.
    #[error("the thread runs another interpreter")]
    Another(u64),
    /// Values that no stack has.
    #[error("the stack makes no sense: {0}")]
    Nonsense(&'static str),
    /// The target cannot be read.
    #[error(transparent)]
    Read(#[from] ReadError),
}

/// An accepted copy.
#[derive(Debug, Default)]
struct Copied {
    batch: Batch,
    header: Header,
    beside: BesideValues,
    infos: Vec<StackInfo>,
}

/// Reads of the whole stack before giving up: each round can meet a new stack info or a deeper
/// stack, and each is also a chance to meet a moment of rest.
const MAX_ROUNDS: usize = 64;
/// Tries lost to movement before the sample counts as torn.
const MAX_TORN: usize = 4;
/// Contexts fetched beyond the depth seen last, so that a growing stack needs no second read.
const SLACK: usize = 8;

/// Reads the stack of one interpreter again and again, remembering where its parts were.
#[derive(Debug)]
pub struct StackReader {
    places: HeaderPlaces,
    /// See [`StackReader::accept_moving`].
    takes_moving: bool,
    beside: BesidePlaces,
    current_of: Option<Current>,
    known: KnownInfos,
    current: Copied,
    /// The copy before, to tell what has changed; the next copy is made in its place.
    scratch: Copied,
    slots: Slots,
    extra: Vec<Slot>,
}

/// Where the parts of a round are in its batch; kept for their allocations.
#[derive(Debug, Default)]
struct Slots {
    before: Vec<Slot>,
    infos: Vec<Slot>,
    contexts: Vec<Slot>,
    /// Of those with contexts that are left out: where what is behind these is.
    inner: Vec<Option<Slot>>,
    infos_again: Vec<Slot>,
    after: Vec<Slot>,
    beside: Vec<Slot>,
    current_of: Option<Slot>,
    chain: Vec<CopiedInfo>,
}

impl StackReader {
    /// A reader for the interpreter with these variables.
    pub fn new(variables: &Variables) -> Self {
        StackReader {
            places: HeaderPlaces::of(variables),
            takes_moving: false,
            beside: BesidePlaces::of(variables),
            current_of: None,
            known: KnownInfos::default(),
            current: Copied::default(),
            scratch: Copied::default(),
            slots: Slots::default(),
            extra: Vec::new(),
        }
    }

    /// Whether a copy counts that is not of a single moment. Such a copy is approximate: depth and
    /// statement are those of its beginning, and in the innermost frames another sub may have taken
    /// the place of the one that was there. Of a program that runs on another CPU hardly one copy in
    /// a hundred is of a single moment, and those that are lean to where it moves least.
    pub fn accept_moving(&mut self, yes: bool) {
        self.takes_moving = yes;
    }

    /// What [`StackReader::accept_moving`] said last.
    pub fn takes_moving(&self) -> bool {
        self.takes_moving
    }

    /// Only the stack of an interpreter that its thread runs counts. `None`: it is not asked.
    pub fn only_current(&mut self, current: Option<Current>) {
        self.current_of = current;
    }

    fn is_moment(&self, before: &Header, after: &Header) -> bool {
        self.takes_moving || before == after
    }

    /// The header of the last accepted copy.
    pub fn header(&self) -> Header {
        self.current.header
    }

    /// `PL_cop_seqmax` at the time of the last accepted copy. It grows with everything that is
    /// compiled: while it stands still, no COP can have taken another's place.
    pub fn cop_seqmax(&self) -> Option<u64> {
        self.current.beside.cop_seqmax
    }

    /// The line of `PL_compiling` at the time of the last accepted copy.
    pub(in crate::perl) fn compiling_line(&self) -> Option<u64> {
        self.current.beside.compiling_line
    }

    /// The stack infos of the last accepted copy, outermost first.
    pub fn infos(&self) -> &[StackInfo] {
        &self.current.infos
    }

    /// The bytes of the contexts of one stack info, outermost first.
    pub fn contexts(&self, info: &StackInfo) -> &[u8] {
        self.current.batch.bytes(info.contexts).unwrap_or_default()
    }

    /// The bytes of the context at a place, of the last accepted copy.
    pub(in crate::perl) fn context_at(
        &self,
        place: ContextPlace,
        layout: &BoundLayout,
    ) -> Option<&[u8]> {
        let info = self.infos().get(place.0)?;
        let size = layout.context.sizeof.offset as usize;
        let start = place.1.checked_mul(size)?;
        self.contexts(info).get(start..start.checked_add(size)?)
    }

    /// The bytes of one of the extra ranges that were read with the last accepted copy.
    ///
    /// # Errors
    /// [`ReadError::BadAddress`] when it could not be read.
    pub fn extra(&self, index: usize) -> Result<&[u8], ReadError> {
        let slot = self.extra.get(index).ok_or(ReadError::BadAddress {
            address: 0,
            length: 0,
        })?;
        self.current.batch.bytes(*slot)
    }

    /// Takes a new copy, and with it the bytes of some extra ranges of the same moment.
    ///
    /// # Errors
    /// Every case of [`StackError`]: the target moved in each try, has no stack or runs another interpreter,
    /// or the copy is none that perl makes.
    pub fn take(
        &mut self,
        memory: &dyn Memory,
        abi: Abi,
        layout: &BoundLayout,
        extra: &[(u64, usize)],
    ) -> Result<(), StackError> {
        let mut torn = 0;
        for _ in 0..MAX_ROUNDS {
            let round = self.round(memory, abi, layout, extra);
            if round.is_err() {
                // What was known may be the cause: an interpreter that ended took its stacks along.
                self.known.clear();
                self.current.infos.clear();
            }
            match round? {
                Round::Accepted => return Ok(()),
                Round::Learned => {}
                Round::Another(address) => return Err(StackError::Another(address)),
                Round::Moved => {
                    torn += 1;
                    if torn >= MAX_TORN {
                        return Err(StackError::Torn);
                    }
                }
            }
        }
        Err(StackError::Torn)
    }

    /// True when the interpreter has not moved since the last accepted copy.
    ///
    /// # Errors
    /// [`StackError::Read`] when the header is not mapped any more.
    pub fn still(&self, memory: &dyn Memory, abi: Abi) -> Result<bool, StackError> {
        let mut batch = Batch::new();
        let mut slots = Vec::new();
        self.places.push(&mut batch, &mut slots);
        memory.fill(&mut batch)?;
        let now = self.places.parse(&batch, &slots, abi)?;
        Ok(self.is_moment(&self.current.header, &now))
    }

    /// One vectored read of everything that is known. The ranges are copied in this order; what
    /// moves is therefore read first and last.
    fn fetch(
        &mut self,
        memory: &dyn Memory,
        layout: &BoundLayout,
        extra: &[(u64, usize)],
    ) -> Result<(), StackError> {
        let si_size = layout.stackinfo.span();
        let cx_size = layout.context.sizeof.offset as usize;
        let (mut slots, mut batch) = (
            std::mem::take(&mut self.slots),
            std::mem::take(&mut self.scratch.batch),
        );
        batch.clear();
        self.places.push(&mut batch, &mut slots.before);
        self.beside.push(&mut batch, &mut slots.beside);
        let current = self.current_of.map(|of| of.place);
        slots.current_of = current.map(|v| batch.push(v.address, usize::from(v.size)));
        slots.infos.clear();
        slots.contexts.clear();
        slots.inner.clear();
        slots.infos_again.clear();
        let infos = self.known.fetched();
        slots
            .infos
            .extend(infos.map(|k| batch.push(k.address, si_size)));
        for known in self.known.fetched() {
            let mut push = |range: std::ops::Range<usize>| {
                let at = known.cxstack.wrapping_add((range.start * cx_size) as u64);
                batch.push(at, range.len() * cx_size)
            };
            let (outer, inner) = known.ranges();
            slots.contexts.push(push(outer));
            slots.inner.push(inner.map(push));
        }
        self.extra.clear();
        self.extra
            .extend(extra.iter().map(|(at, len)| batch.push(*at, *len)));
        let infos = self.known.fetched();
        slots
            .infos_again
            .extend(infos.map(|k| batch.push(k.address, si_size)));
        self.places.push(&mut batch, &mut slots.after);
        let filled = memory.fill(&mut batch);
        self.scratch.batch = batch;
        self.slots = slots;
        Ok(filled?)
    }

    fn round(
        &mut self,
        memory: &dyn Memory,
        abi: Abi,
        layout: &BoundLayout,
        extra: &[(u64, usize)],
    ) -> Result<Round, StackError> {
        self.fetch(memory, layout, extra)?;
        let batch = &self.scratch.batch;
        if let Some((of, slot)) = self.current_of.zip(self.slots.current_of) {
            let bytes = batch.bytes(slot)?;
            match abi.uint(bytes, 0, bytes.len()) {
                Some(now) if now == of.interpreter => {}
                now => return Ok(Round::Another(now.unwrap_or(0))),
            }
        }
        let header = self.places.parse(batch, &self.slots.before, abi)?;
        let again = self.places.parse(batch, &self.slots.after, abi)?;
        if header.curstackinfo == 0 {
            return Err(StackError::NoStack);
        }
        let mut chain = std::mem::take(&mut self.slots.chain);
        let followed = self.follow(&header, abi, layout, &mut chain);
        self.slots.chain = chain;
        match followed? {
            Followed::Whole => {}
            Followed::Moved => return Ok(Round::Moved),
            Followed::Grown => return Ok(Round::Learned),
            Followed::Unknown(address) => {
                self.learn(address, header.curstackinfo, memory, abi, layout)?;
                return Ok(Round::Learned);
            }
        }
        if !self.is_moment(&header, &again) {
            return Ok(Round::Moved);
        }
        let beside = self
            .beside
            .parse(&self.scratch.batch, &self.slots.beside, abi);
        self.scratch.beside = beside;
        self.accept(header, layout)?;
        Ok(Round::Accepted)
    }

    /// Follows the chain of stack infos through what was fetched, innermost first, up to the first
    /// thing that was not.
    fn follow(
        &mut self,
        header: &Header,
        abi: Abi,
        layout: &BoundLayout,
        chain: &mut Vec<CopiedInfo>,
    ) -> Result<Followed, StackError> {
        chain.clear();
        let mut grown = false;
        let mut at = header.curstackinfo;
        while at != 0 {
            if chain.len() > self.slots.infos.len() {
                return Err(StackError::Nonsense(ENDLESS));
            }
            match self.link(at, abi, layout)? {
                Fetched::Yes(link, has_grown) => {
                    grown |= has_grown;
                    at = link.parsed.prev;
                    chain.push(link);
                }
                Fetched::Moved => return Ok(Followed::Moved),
                Fetched::No => {
                    let Some(outermost) = self.known.behind(chain.len()) else {
                        return Ok(Followed::Unknown(at));
                    };
                    let outermost = outermost.to_vec();
                    if let Some(last) = chain.last_mut() {
                        last.is_cut = true;
                    }
                    for (index, address) in outermost.iter().enumerate() {
                        let Fetched::Yes(mut link, has_grown) = self.link(*address, abi, layout)?
                        else {
                            return Ok(Followed::Moved);
                        };
                        if link.parsed.prev != outermost.get(index + 1).copied().unwrap_or(0) {
                            return Err(StackError::Nonsense(
                                "the outermost stack infos are not as they were",
                            ));
                        }
                        grown |= has_grown;
                        link.is_hidden = index == 0;
                        chain.push(link);
                    }
                    break;
                }
            }
        }
        Ok(if grown {
            Followed::Grown
        } else {
            Followed::Whole
        })
    }

    /// One stack info of the copy, and whether more of it must be fetched.
    fn link(
        &mut self,
        address: u64,
        abi: Abi,
        layout: &BoundLayout,
    ) -> Result<Fetched, StackError> {
        let slots = &self.slots;
        let place = self.known.find(address);
        let Some(known) = place.and_then(|place| self.known.get_mut(place)) else {
            return Ok(Fetched::No);
        };
        let Some(index) = known.slot else {
            return Ok(Fetched::No);
        };
        let slot_of = |list: &[Slot]| {
            list.get(index)
                .copied()
                .ok_or(StackError::Nonsense("a stack info that was not read"))
        };
        let batch = &self.scratch.batch;
        let bytes = batch.bytes(slot_of(&slots.infos)?)?;
        if !self.takes_moving && bytes != batch.bytes(slot_of(&slots.infos_again)?)? {
            return Ok(Fetched::Moved);
        }
        let parsed = parse_info(bytes, abi, layout)?;
        let link = CopiedInfo {
            address,
            parsed,
            left_out: known.left_out,
            contexts: slot_of(&slots.contexts)?,
            inner: slots.inner.get(index).copied().flatten(),
            is_cut: false,
            is_hidden: false,
        };
        known.prev = parsed.prev;
        let has_grown = known.cxstack != parsed.cxstack
            || parsed.count > known.fetch
            || left_out(parsed.count) != known.left_out;
        if has_grown {
            known.cxstack = parsed.cxstack;
            known.room = parsed.room;
            known.expect(parsed.count, parsed.count / 4 + SLACK);
        }
        Ok(Fetched::Yes(link, has_grown))
    }

    /// Makes what was fetched the current copy, and notes what of it is as it was before.
    fn accept(&mut self, header: Header, layout: &BoundLayout) -> Result<(), StackError> {
        let chain = std::mem::take(&mut self.slots.chain);
        let main = i64::try_from(layout.constants.PERLSI_MAIN).ok();
        if chain.last().map(|link| link.parsed.si_type) != main {
            return Err(StackError::Nonsense(
                "the outermost stack info is not the main one",
            ));
        }
        let next = &mut self.scratch;
        next.header = header;
        next.infos.clear();
        let mut all_same = true;
        for info in chain.iter().rev().flat_map(|link| link.infos(layout)) {
            let new = match info.count {
                0 => &[],
                _ => next.batch.bytes(info.contexts)?,
            };
            let old = self.current.infos.get(next.infos.len());
            let is_same = |o: &&StackInfo| {
                (o.address, o.cxstack, o.first) == (info.address, info.cxstack, info.first)
            };
            let size = layout.context.sizeof.offset as usize;
            let unchanged = match old.filter(|o| all_same && is_same(o)) {
                Some(old) => {
                    let bytes = self.current.batch.bytes(old.contexts).unwrap_or_default();
                    let equal = equal_contexts(bytes, new, size, info.count.min(old.count));
                    all_same = equal == info.count && equal == old.count;
                    equal
                }
                None => {
                    all_same = false;
                    0
                }
            };
            next.infos.push(StackInfo { unchanged, ..info });
        }
        std::mem::swap(&mut self.current, &mut self.scratch);
        self.slots.chain = chain;
        self.forget_excess();
        Ok(())
    }

    /// Stops fetching what an earlier, deeper stack needed.
    fn forget_excess(&mut self) {
        let chain = self.slots.chain.iter().rev();
        self.known.forget_others(chain.map(|link| link.address));
        for link in &self.slots.chain {
            let place = self.known.find(link.address);
            if let Some(known) = place.and_then(|place| self.known.get_mut(place)) {
                let count = link.parsed.count;
                if known.fetch > 4 * count + 16 * SLACK {
                    known.expect(count, count / 4 + SLACK);
                }
            }
        }
    }

    /// Gets to know a stack info and those below it; the whole chain has `innermost` on top.
    fn learn(
        &mut self,
        address: u64,
        innermost: u64,
        memory: &dyn Memory,
        abi: Abi,
        layout: &BoundLayout,
    ) -> Result<(), StackError> {
        let size = layout.stackinfo.span();
        let reader = crate::memory::Reader::new(memory, abi);
        let mut at = address;
        while at != 0 && self.known.find(at).is_none() {
            if self.known.is_full() {
                return Err(StackError::Nonsense(ENDLESS));
            }
            let parsed = parse_info(&reader.bytes(at, size)?, abi, layout)?;
            let mut known = KnownInfo {
                address: at,
                cxstack: parsed.cxstack,
                prev: parsed.prev,
                fetch: 0,
                room: parsed.room,
                left_out: 0,
                slot: None,
            };
            known.expect(parsed.count, SLACK);
            self.known.add(known);
            at = parsed.prev;
        }
        match self.known.choose(innermost) {
            true => Ok(()),
            false => Err(StackError::Nonsense(ENDLESS)),
        }
    }
}

const ENDLESS: &str = "the chain of stack infos does not end";

enum Fetched {
    /// And whether more of it must be fetched.
    Yes(CopiedInfo, bool),
    Moved,
    No,
}

enum Round {
    Accepted,
    Learned,
    Moved,
    /// The thread runs the interpreter at this address.
    Another(u64),
}

enum Followed {
    Whole,
    Moved,
    /// One has more contexts than were fetched.
    Grown,
    /// A stack info that was not fetched.
    Unknown(u64),
}
