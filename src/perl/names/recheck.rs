//! What is read again with every sample to see that a name still is what it was: what the samples
//! before needed comes along with the copy of the stack, the rest is asked for.
//!
//! A statement's address holds another statement only after something was compiled, and
//! `PL_cop_seqmax` tells that (sub and eval bodies end with pad_leavemy, pad.c): until then it is
//! not read again. The address of a sub holds another one sooner, as closures come and go without
//! a compiler. But a sub that stands in a statement of its own body has that body, and so its name,
//! unless that was given to it at run time: such names are read with every sample.

use crate::hash::Set;
use crate::memory::{Batch, Prefetched, ReadError, Slot, cover};
use crate::perl::stack::StackReader;
use crate::perl::stack::walk::RawFrame;
use crate::perl::values::context::{NameError, PerlView};
use crate::perl::values::objects::BodySpan;

/// Ranges that a copy of the stack takes along; each costs a third of a system call.
const MAX_RANGES: usize = 24;
/// Ranges of earlier samples among them: a program goes back and forth between a few statements.
const MAX_OLD: usize = 8;
/// Ranges of names that were given at run time, fetched together.
const MAX_GIVEN: usize = 256;
/// Subs and statements that are remembered before all are forgotten.
const MAX_SURE: usize = 1 << 16;

/// Where bytes are: in a span that came with the copy of the stack, or in the batch of our own.
#[derive(Debug, Clone, Copy)]
enum BytesPlace {
    Copy {
        span: usize,
        offset: usize,
        length: usize,
    },
    Own(Slot),
}

/// A CV: the place of its head, and where it is known its body's address and place.
#[derive(Debug, Clone, Copy)]
struct CheckedSub {
    cv: u64,
    head: BytesPlace,
    body: Option<(u64, BytesPlace)>,
}

/// The subs and statements of the samples of one interpreter.
#[derive(Debug, Default)]
pub struct Recheck {
    /// What is needed of what comes along with the copy of the stack.
    ranges: Vec<(u64, usize)>,
    /// As few spans as cover these.
    spans: Vec<(u64, usize)>,
    subs: Vec<CheckedSub>,
    statements: Vec<(u64, BytesPlace)>,
    own: Batch,
    /// Where the names are that were given at run time.
    given: Vec<(u64, usize)>,
    sizes: Sizes,
    /// `PL_cop_seqmax` when what follows was seen.
    seqmax: Option<u64>,
    sure_statements: Set<u64>,
    /// A CV with a statement that it was executing.
    sure_subs: Set<(u64, u64)>,
}

#[derive(Debug, Clone, Copy, Default)]
struct Sizes {
    head: usize,
    body_start: u64,
    body: usize,
    statement: usize,
}

impl Recheck {
    /// What the next copy of the stack should take along.
    pub fn ranges(&mut self, view: &PerlView<'_>) -> &[(u64, usize)] {
        let body = BodySpan::of_cv(view.layout);
        self.sizes = Sizes {
            head: view.layout.sv.span(),
            body_start: body.start as u64,
            body: body.length,
            // A COP starts with the members of an op.
            statement: view.layout.cop.span().max(view.layout.op.span()),
        };
        &self.spans
    }

    pub(in crate::perl) fn begin(&mut self) {
        self.subs.clear();
        self.statements.clear();
        self.own.clear();
    }

    /// What is sure holds as long as nothing is compiled.
    pub(in crate::perl) fn at(&mut self, seqmax: Option<u64>) {
        let many = self.sure_statements.len() + self.sure_subs.len() > MAX_SURE;
        if seqmax.is_none() || seqmax != self.seqmax || many {
            self.doubt();
            self.seqmax = seqmax;
        }
    }

    /// Nothing is sure any more.
    pub(in crate::perl) fn doubt(&mut self) {
        self.sure_statements.clear();
        self.sure_subs.clear();
        self.seqmax = None;
    }

    /// Nothing comes along with the next copy, after one that could not be used.
    pub(in crate::perl) fn start_anew(&mut self) {
        self.doubt();
        self.ranges.clear();
        self.spans.clear();
    }

    pub(in crate::perl) fn is_sure_of_statement(&self, cop: u64) -> bool {
        self.sure_statements.contains(&cop)
    }

    /// Before its first statement a sub stands in its caller's.
    pub(in crate::perl) fn is_sure_of_sub(&self, frame: &RawFrame) -> bool {
        let cop = frame.position.cop;
        cop != frame.call_site && self.sure_subs.contains(&(frame.cv, cop))
    }

    fn place(&mut self, address: u64, length: usize) -> BytesPlace {
        let within = |(span, (start, size)): (usize, &(u64, usize))| {
            let offset = usize::try_from(address.checked_sub(*start)?).ok()?;
            let fits = offset.checked_add(length)? <= *size;
            fits.then_some(BytesPlace::Copy {
                span,
                offset,
                length,
            })
        };
        match self.spans.iter().enumerate().find_map(within) {
            Some(place) => place,
            None => BytesPlace::Own(self.own.push(address, length)),
        }
    }

    /// `body` is where the CV's body was last.
    pub(in crate::perl) fn need_sub(&mut self, cv: u64, body: Option<u64>) {
        let head = self.place(cv, self.sizes.head);
        let body = body.map(|any| {
            let start = any.wrapping_add(self.sizes.body_start);
            (any, self.place(start, self.sizes.body))
        });
        self.subs.push(CheckedSub { cv, head, body });
    }

    pub(in crate::perl) fn need_statement(&mut self, cop: u64) {
        let place = self.place(cop, self.sizes.statement);
        self.statements.push((cop, place));
    }

    /// Reads what did not come along.
    pub(in crate::perl) fn read(&mut self, view: &PerlView<'_>) -> Result<(), NameError> {
        if !self.own.is_empty() {
            view.memory.fill(&mut self.own)?;
        }
        Ok(())
    }

    /// A memory that has the names which were given at run time, where there are any.
    pub(in crate::perl) fn given_names<'m>(
        &self,
        view: &PerlView<'m>,
        has_given: bool,
    ) -> Result<Prefetched<'m>, NameError> {
        let ranges = if has_given { &self.given[..] } else { &[] };
        Ok(Prefetched::new(view.memory, ranges)?)
    }

    /// Where they were found, for the next time.
    pub(in crate::perl) fn keep_given_names(&mut self, used: Vec<(u64, usize)>) {
        self.given = used;
        self.given.truncate(MAX_GIVEN);
    }

    fn bytes<'b>(
        &'b self,
        copy: &'b StackReader,
        place: BytesPlace,
    ) -> Result<&'b [u8], ReadError> {
        match place {
            BytesPlace::Copy {
                span,
                offset,
                length,
            } => {
                let end = offset.saturating_add(length);
                let bytes = copy.extra(span)?.get(offset..end);
                bytes.ok_or(ReadError::BadAddress { address: 0, length })
            }
            BytesPlace::Own(slot) => self.own.bytes(slot),
        }
    }

    /// Every CV that was needed, its head, and its body's address and bytes where that was known.
    #[allow(clippy::type_complexity)]
    pub(in crate::perl) fn subs<'b>(
        &'b self,
        copy: &'b StackReader,
    ) -> impl Iterator<Item = (u64, Result<&'b [u8], ReadError>, Option<(u64, &'b [u8])>)> {
        self.subs.iter().map(move |sub| {
            let body = sub
                .body
                .and_then(|(any, place)| Some((any, self.bytes(copy, place).ok()?)));
            (sub.cv, self.bytes(copy, sub.head), body)
        })
    }

    /// Every COP that was needed.
    pub(in crate::perl) fn statements<'b>(
        &'b self,
        copy: &'b StackReader,
    ) -> impl Iterator<Item = (u64, Result<&'b [u8], ReadError>)> {
        let each = self.statements.iter();
        each.map(move |(cop, place)| (*cop, self.bytes(copy, *place)))
    }

    /// The next copy takes along what this one needed. What was read is sure from now on, but for
    /// `fleeting` statements.
    pub(in crate::perl) fn end(&mut self, frames: &[RawFrame], fleeting: &dyn Fn(u64) -> bool) {
        if self.seqmax.is_some() {
            let read = self.statements.iter().map(|(cop, _)| *cop);
            self.sure_statements
                .extend(read.filter(|cop| !fleeting(*cop)));
            let executing = frames.iter().map(|f| (f.cv, f.position.cop));
            let sure = executing.filter(|(cv, cop)| *cv != 0 && !fleeting(*cop));
            self.sure_subs.extend(sure);
        }
        let sizes = self.sizes;
        let mut old = std::mem::take(&mut self.ranges);
        for sub in &self.subs {
            self.ranges.push((sub.cv, sizes.head));
            if let Some((any, _)) = sub.body {
                let start = any.wrapping_add(sizes.body_start);
                self.ranges.push((start, sizes.body));
            }
        }
        let statements = self.statements.iter();
        self.ranges
            .extend(statements.map(|(cop, _)| (*cop, sizes.statement)));
        self.ranges.truncate(MAX_RANGES - MAX_OLD);
        old.retain(|range| !self.ranges.contains(range));
        old.truncate(MAX_OLD);
        self.ranges.extend(old);
        cover(&self.ranges, &mut self.spans);
    }
}
