//! One consistent copy of a moving stack: the interpreter's header, its stack infos and their
//! contexts, fetched with one vectored call and accepted only if nothing moved meanwhile.

use crate::layout::BoundLayout;
use crate::memory::{Abi, Batch, Memory, ReadError, Slot};

/// One variable of the interpreter: where it is in the target.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Variable {
    /// Its address.
    pub address: u64,
    /// Bytes.
    pub size: u8,
}

/// The variables that tell what an interpreter is doing. All of them move while it runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Variables {
    /// `PL_op`; `None` where it could not be found.
    pub op: Option<Variable>,
    /// `PL_curcop`.
    pub curcop: Variable,
    /// `PL_curstackinfo`.
    pub curstackinfo: Variable,
    /// `PL_stack_sp`.
    pub stack_sp: Variable,
    /// `PL_markstack_ptr`.
    pub markstack_ptr: Variable,
    /// `PL_savestack_ix`.
    pub savestack_ix: Variable,
    /// `PL_tmps_ix`.
    pub tmps_ix: Variable,
}

/// The values of [`Variables`] at one moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Header {
    /// The op that is being executed; 0 for none.
    pub op: u64,
    /// The statement that is being executed.
    pub curcop: u64,
    /// The innermost stack info.
    pub curstackinfo: u64,
    /// The top of the argument stack (where that could not be found, some other variable).
    pub stack_sp: u64,
    others: [u64; 3],
}

/// Why there is no copy.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum StackError {
    /// The target moved in every try.
    #[error("the target moved while it was read")]
    Torn,
    /// The interpreter has no stack: perl is still starting, or shutting down.
    #[error("the interpreter has no stack yet, or no longer")]
    NoStack,
    /// Values that no stack has.
    #[error("the stack makes no sense: {0}")]
    Nonsense(&'static str),
    /// The target cannot be read.
    #[error(transparent)]
    Read(#[from] ReadError),
}

/// One stack info of the copy.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Info {
    /// Its address.
    pub address: u64,
    /// `si_type`.
    pub si_type: i64,
    /// Contexts in use.
    pub count: usize,
    /// `si_cxsubix`, where perl has it and it is not -1.
    pub cxsubix: Option<usize>,
    contexts: Slot,
}

/// No sane perl has more nested stack infos: each costs a C stack frame.
const MAX_INFOS: usize = 10_000;
/// Reads of the whole stack before giving up: each round can meet a new stack info or a deeper
/// stack, and each is also a chance to meet a moment of rest.
const MAX_ROUNDS: usize = 64;
/// Tries lost to movement before the sample counts as torn.
const MAX_TORN: usize = 4;
/// Contexts fetched beyond the depth seen last, so that a growing stack needs no second read.
const SLACK: usize = 8;

#[derive(Debug, Clone, Copy)]
struct Known {
    address: u64,
    cxstack: u64,
    /// How many contexts to fetch.
    fetch: usize,
    /// `si_cxmax + 1`.
    room: usize,
}

/// Reads the stack of one interpreter again and again, remembering where its parts were.
#[derive(Debug)]
pub struct StackReader {
    spans: Vec<(u64, usize)>,
    places: [(usize, usize, u8); 7],
    has_op: bool,
    known: Vec<Known>,
    batch: Batch,
    header: Header,
    infos: Vec<Info>,
}

impl StackReader {
    /// A reader for the interpreter with these variables.
    pub fn new(variables: &Variables) -> Self {
        let all = [
            variables.op.unwrap_or(variables.curcop),
            variables.curcop,
            variables.curstackinfo,
            variables.stack_sp,
            variables.markstack_ptr,
            variables.savestack_ix,
            variables.tmps_ix,
        ];
        let spans = spans_of(&all);
        let places = all.map(|v| {
            let span = spans
                .iter()
                .position(|(start, len)| v.address >= *start && v.address < start + *len as u64);
            let index = span.unwrap_or(0);
            let start = spans.get(index).map_or(0, |s| s.0);
            (index, (v.address - start) as usize, v.size)
        });
        StackReader {
            spans,
            places,
            has_op: variables.op.is_some(),
            known: Vec::new(),
            batch: Batch::new(),
            header: Header::default(),
            infos: Vec::new(),
        }
    }

    /// The header of the last accepted copy.
    pub fn header(&self) -> Header {
        self.header
    }

    /// The stack infos of the last accepted copy, innermost first.
    pub fn infos(&self) -> &[Info] {
        &self.infos
    }

    /// The bytes of the contexts of one stack info, outermost first.
    pub fn contexts(&self, info: &Info) -> &[u8] {
        self.batch.bytes(info.contexts).unwrap_or_default()
    }

    /// Takes a new copy.
    ///
    /// # Errors
    /// Every case of [`StackError`].
    pub fn take(
        &mut self,
        memory: &dyn Memory,
        abi: Abi,
        layout: &BoundLayout,
    ) -> Result<(), StackError> {
        let mut torn = 0;
        for _ in 0..MAX_ROUNDS {
            let round = self.round(memory, abi, layout);
            if round.is_err() {
                // What was known may be the cause: an interpreter that ended took its stacks along.
                self.known.clear();
            }
            match round? {
                Round::Accepted => return Ok(()),
                Round::Learned => {}
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
    /// [`StackError::Read`].
    pub fn still(&self, memory: &dyn Memory, abi: Abi) -> Result<bool, StackError> {
        let mut batch = Batch::new();
        let slots = self.push_spans(&mut batch);
        memory.fill(&mut batch)?;
        Ok(self.parse_header(&batch, &slots, abi)? == self.header)
    }

    fn push_spans(&self, batch: &mut Batch) -> Vec<Slot> {
        self.spans
            .iter()
            .map(|(address, len)| batch.push(*address, *len))
            .collect()
    }

    fn parse_header(&self, batch: &Batch, slots: &[Slot], abi: Abi) -> Result<Header, StackError> {
        let mut values = [0u64; 7];
        for (value, (span, offset, size)) in values.iter_mut().zip(self.places) {
            let slot = slots
                .get(span)
                .ok_or(StackError::Nonsense("a variable outside every span"))?;
            *value = abi
                .uint(batch.bytes(*slot)?, offset, usize::from(size))
                .ok_or(StackError::Nonsense("a variable outside its span"))?;
        }
        let [op, curcop, curstackinfo, stack_sp, a, b, c] = values;
        Ok(Header {
            op: if self.has_op { op } else { 0 },
            curcop,
            curstackinfo,
            stack_sp,
            others: [a, b, c],
        })
    }

    fn round(
        &mut self,
        memory: &dyn Memory,
        abi: Abi,
        layout: &BoundLayout,
    ) -> Result<Round, StackError> {
        let si_size = layout.stackinfo.span();
        let cx_size = layout.context.sizeof.offset as usize;
        let mut batch = std::mem::take(&mut self.batch);
        batch.clear();
        // The ranges are copied in this order; the header is therefore read first and last.
        let before = self.push_spans(&mut batch);
        let infos: Vec<Slot> = self
            .known
            .iter()
            .map(|k| batch.push(k.address, si_size))
            .collect();
        let contexts: Vec<Slot> = self
            .known
            .iter()
            .map(|k| batch.push(k.cxstack, k.fetch * cx_size))
            .collect();
        let infos_again: Vec<Slot> = self
            .known
            .iter()
            .map(|k| batch.push(k.address, si_size))
            .collect();
        let after = self.push_spans(&mut batch);
        let filled = memory.fill(&mut batch);
        self.batch = batch;
        filled?;
        let header = self.parse_header(&self.batch, &before, abi)?;
        let again = self.parse_header(&self.batch, &after, abi)?;
        if header.curstackinfo == 0 {
            return Err(StackError::NoStack);
        }
        let unchanged = |i: usize| -> Option<bool> {
            let first = self.batch.bytes(*infos.get(i)?).ok()?;
            Some(first == self.batch.bytes(*infos_again.get(i)?).ok()?)
        };
        // Follow the chain through what was fetched; stop at the first thing that was not.
        let mut chain = Vec::new();
        let mut at = header.curstackinfo;
        let mut learned = None;
        while at != 0 {
            if chain.len() >= MAX_INFOS {
                return Err(StackError::Nonsense(
                    "the chain of stack infos does not end",
                ));
            }
            let Some(index) = self.known.iter().position(|k| k.address == at) else {
                learned = Some(at);
                break;
            };
            match unchanged(index) {
                Some(true) => {}
                Some(false) => return Ok(Round::Moved),
                None => {
                    return Err(ReadError::BadAddress {
                        address: at,
                        length: si_size,
                    }
                    .into());
                }
            }
            let bytes = infos
                .get(index)
                .map_or(Ok(&[][..]), |slot| self.batch.bytes(*slot))?;
            let parsed = parse_info(bytes, abi, layout)?;
            let Some(known) = self.known.get_mut(index) else {
                break;
            };
            if known.cxstack != parsed.cxstack || parsed.count > known.fetch {
                known.cxstack = parsed.cxstack;
                known.room = parsed.room;
                known.fetch = (parsed.count + parsed.count / 4 + SLACK).min(parsed.room);
                learned = Some(0);
            }
            let slot = contexts.get(index).copied();
            chain.push((at, parsed, slot));
            at = parsed.prev;
        }
        if let Some(address) = learned {
            if address != 0 {
                self.learn(address, memory, abi, layout)?;
            }
            return Ok(Round::Learned);
        }
        if header != again {
            return Ok(Round::Moved);
        }
        if chain.last().map(|(_, info, _)| info.si_type)
            != i64::try_from(layout.constants.PERLSI_MAIN).ok()
        {
            return Err(StackError::Nonsense(
                "the outermost stack info is not the main one",
            ));
        }
        self.header = header;
        self.infos.clear();
        self.forget_excess(
            &chain
                .iter()
                .map(|(address, info, _)| (*address, info.count))
                .collect::<Vec<_>>(),
        );
        for (address, parsed, slot) in chain {
            let Some(contexts) = slot else { continue };
            if parsed.count > 0 {
                self.batch.bytes(contexts)?;
            }
            self.infos.push(Info {
                address,
                si_type: parsed.si_type,
                count: parsed.count,
                cxsubix: parsed.cxsubix,
                contexts,
            });
        }
        Ok(Round::Accepted)
    }

    /// Stops fetching what an earlier, deeper stack needed.
    fn forget_excess(&mut self, used: &[(u64, usize)]) {
        if self.known.len() > 4 * used.len() + 64 {
            self.known
                .retain(|k| used.iter().any(|(address, _)| *address == k.address));
        }
        for known in &mut self.known {
            let count = used
                .iter()
                .find(|(a, _)| *a == known.address)
                .map_or(0, |(_, c)| *c);
            if known.fetch > 4 * count + 16 * SLACK {
                known.fetch = (count + count / 4 + SLACK).min(known.room);
            }
        }
    }

    /// Gets to know a stack info and those below it.
    fn learn(
        &mut self,
        address: u64,
        memory: &dyn Memory,
        abi: Abi,
        layout: &BoundLayout,
    ) -> Result<(), StackError> {
        let size = layout.stackinfo.span();
        let reader = crate::memory::Reader::new(memory, abi);
        let mut at = address;
        while at != 0 && self.known.len() < MAX_INFOS && self.known.iter().all(|k| k.address != at)
        {
            let parsed = parse_info(&reader.bytes(at, size)?, abi, layout)?;
            self.known.push(Known {
                address: at,
                cxstack: parsed.cxstack,
                fetch: (parsed.count + SLACK).min(parsed.room),
                room: parsed.room,
            });
            at = parsed.prev;
        }
        Ok(())
    }
}

enum Round {
    Accepted,
    Learned,
    Moved,
}

#[derive(Debug, Clone, Copy)]
struct Parsed {
    cxstack: u64,
    prev: u64,
    count: usize,
    room: usize,
    si_type: i64,
    cxsubix: Option<usize>,
}

fn parse_info(bytes: &[u8], abi: Abi, layout: &BoundLayout) -> Result<Parsed, StackError> {
    let si = &layout.stackinfo;
    let short = StackError::Nonsense("a stack info is shorter than its members");
    let cxix = si.si_cxix.get_signed(abi, bytes).ok_or(short)?;
    let cxmax = si.si_cxmax.get_signed(abi, bytes).ok_or(short)?;
    if cxix < -1 || cxix > cxmax || cxmax >= 1 << 24 {
        return Err(StackError::Nonsense(
            "si_cxix is not between -1 and si_cxmax",
        ));
    }
    let cxsubix = si
        .si_cxsubix
        .map(|field| field.get_signed(abi, bytes).ok_or(short));
    let cxsubix = cxsubix.transpose()?.unwrap_or(-1);
    if cxsubix < -1 || cxsubix > cxix {
        return Err(StackError::Nonsense(
            "si_cxsubix is not between -1 and si_cxix",
        ));
    }
    Ok(Parsed {
        cxsubix: usize::try_from(cxsubix).ok(),
        cxstack: si.si_cxstack.get(abi, bytes).ok_or(short)?,
        prev: si.si_prev.get(abi, bytes).ok_or(short)?,
        count: usize::try_from(cxix + 1).unwrap_or(0),
        room: usize::try_from(cxmax + 1).unwrap_or(0),
        si_type: si.si_type.get_signed(abi, bytes).ok_or(short)?,
    })
}

/// As few ranges as cover the variables: near ones share a range, which costs less than another.
fn spans_of(variables: &[Variable]) -> Vec<(u64, usize)> {
    const NEAR: u64 = 2048;
    let mut sorted: Vec<Variable> = variables.to_vec();
    sorted.sort_by_key(|v| v.address);
    let mut spans: Vec<(u64, usize)> = Vec::new();
    for v in sorted {
        let end = v.address + u64::from(v.size);
        match spans.last_mut() {
            Some((start, len)) if v.address <= *start + *len as u64 + NEAR => {
                *len = (*len).max((end - *start) as usize)
            }
            _ => spans.push((v.address, usize::from(v.size))),
        }
    }
    spans
}
