//! The C stack of a sample, of the same moment as its Perl stack: by the registers that the kernel recorded when the
//! thread left its CPU, or that it has while it waits.

use super::interpreters::{Runner, Top};
use crate::attach::{ProcessView, Target};
use crate::examine::Examiner;
use crate::frames::{FrameId, FrameKind};
use crate::hash::Map;
use crate::ids::{Pid, Tid};
use crate::image::DebugSearch;
use crate::native::{
    CodeFrame, CodeSection, CodeStack, EntryKind, EntryLoop, LoopKind, Modules, NativeLevel,
    Processor, Registers, RunLoop, ShownCode, Unwinder, idle_calls, inner_call, shown, weave,
};
use crate::perl::entries::{EnteredBy, PerlEntry};
use crate::perl::leaf::native_frame;
use crate::platform::{LeftRegisters, MappedFile, resting_place};
use crate::profile::Seen;
use std::sync::Arc;

/// Frames that are remembered before all are forgotten.
const MOST_KNOWN: usize = 1 << 16;

/// Reads C stacks of one process.
pub(super) struct NativeReader {
    unwinder: Unwinder,
    processor: Processor,
    level: NativeLevel,
    /// Ops are shown that call nothing in C.
    shows_ops: bool,
    /// By the innermost Perl frame, and what is shown.
    frames: Map<(FrameId, Arc<str>, Arc<str>), FrameId>,
}

/// Registers of a thread, and what shows whether it has run since.
#[derive(Debug, PartialEq)]
pub(super) struct AtRegisters {
    registers: Registers,
    /// When it left its CPU; `None` of one that waits, whose place shows it.
    left: Option<u64>,
}

/// What a thread runs in C, and where on its Perl stack that was called from C.
pub(super) struct FoundCode {
    code: CodeStack,
    entries: Vec<PerlEntry>,
    /// The op that runs is one that a function of C has made for a call, or none.
    has_own_op: bool,
}

impl NativeReader {
    /// Of a process; `None` where no stack of its processor is unwound. Debug files are looked for by `search`.
    pub(super) fn of(
        target: &Target,
        level: NativeLevel,
        shows_ops: bool,
        search: Option<&DebugSearch>,
    ) -> Option<Self> {
        let processor = Processor::of_machine(target.perl.identity.machine.as_deref()?)?;
        let examiner = target.process.examiner();
        let open = move |file: &MappedFile| open(&examiner, file);
        let files = target.process.mapped_programs().unwrap_or_default();
        let modules = Modules::new(files, Box::new(open), search.cloned());
        Some(NativeReader {
            unwinder: Unwinder::new(modules),
            processor,
            level,
            shows_ops,
            frames: Map::default(),
        })
    }

    /// Where a thread is that does not run now, by what the kernel recorded of it; of one that waits, which is named then,
    /// also without that.
    pub(super) fn registers(
        &self,
        left: Option<LeftRegisters>,
        waits: Option<(Pid, Tid)>,
    ) -> Option<AtRegisters> {
        if let Some(left) = left {
            return Some(AtRegisters {
                registers: Registers::left(self.processor, &left),
                left: Some(left.time),
            });
        }
        let (pid, tid) = waits?;
        let (pc, sp) = resting_place(pid, tid)?;
        Some(AtRegisters {
            registers: Registers::new(self.processor, pc, sp),
            left: None,
        })
    }

    /// What it runs in C, above perl's innermost run loop and, where C called Perl, around the others; `None` where that
    /// cannot be told.
    pub(super) fn code(
        &mut self,
        target: &Target,
        at: &AtRegisters,
        runner: &Runner,
    ) -> Option<FoundCode> {
        let mut mapped = || target.process.mapped_programs().unwrap_or_default();
        let (abi, memory) = (target.perl.identity.abi, &target.memory);
        let entries = runner.sampler.entries(abi, target.name_context(0).layout);
        let is_whole = !entries.is_empty();
        let code = self
            .unwinder
            .code(memory, abi, &at.registers, is_whole, &mut mapped)
            .ok()?;
        let op = runner.sampler.op();
        Some(FoundCode {
            has_own_op: op == 0 || code.stack.contains(&op),
            code,
            entries,
        })
    }

    /// Puts frames of C on top of the Perl frame that they belong to, and between those of which one leads to the other
    /// through C: of the stack `top`, with the `op` that runs. `None` where C and Perl contradict each other.
    pub(super) fn woven(
        &mut self,
        found: &FoundCode,
        runner: &Runner,
        top: Top,
        op: Option<Top>,
        seen: &mut Seen,
    ) -> Option<Top> {
        let FoundCode {
            code,
            entries,
            has_own_op,
        } = found;
        let kinds: Vec<_> = entries
            .iter()
            .map(|entry| kind_of_entry(entry.by))
            .collect();
        let loops = code.loops.as_deref().filter(|_| !entries.is_empty());
        if let Some(plan) = loops.and_then(|loops| weave(loops, &kinds, *has_own_op)) {
            return self.interleaved(code, entries, &plan, runner, op, seen);
        }
        let (below, op) = match idle_calls(code.loops.as_deref(), &kinds) {
            Some(0) => (top, op),
            Some(1) => match entries.last() {
                Some(last) if last.by == EnteredBy::Multicall => (runner.outer(last.below)?, None),
                _ => (top, op),
            },
            _ => return None,
        };
        Some(self.topped(code.innermost(), below, op, seen))
    }

    /// By what runs what.
    fn interleaved(
        &mut self,
        code: &CodeStack,
        entries: &[PerlEntry],
        plan: &[EntryLoop],
        runner: &Runner,
        op: Option<Top>,
        seen: &mut Seen,
    ) -> Option<Top> {
        let loops = code.loops.as_deref()?;
        let perl = runner.sampler.frames();
        let main = loops.last().filter(|one| one.kind == LoopKind::Main);
        let mut outer = main.map_or(code.frames.len(), |main| main.frame);
        let mut woven = runner.outer(entries.first()?.below)?;
        let mut done = entries.first()?.below;
        let mut rest = None;
        let mut is_idle = false;
        for (number, (entry, how)) in entries.iter().zip(plan).enumerate() {
            if *how == EntryLoop::None {
                continue;
            }
            woven = with_perl(woven, perl.get(done..entry.below).unwrap_or_default(), seen);
            done = entry.below;
            is_idle = *how == EntryLoop::Idle;
            match how {
                EntryLoop::Runs(frame) => {
                    let between = code.between(frame + 1, outer);
                    woven = self.with_code(between, CodeSection::Outer, woven, seen);
                    outer = *frame;
                }
                EntryLoop::Begins => {
                    let (inner, before) = inner_call(code.between(0, outer));
                    woven = self.with_code(before, CodeSection::Outer, woven, seen);
                    rest = Some(inner);
                }
                EntryLoop::Idle => {
                    done = entries
                        .get(number + 1)
                        .map_or(perl.len(), |next| next.below);
                }
                EntryLoop::None => {}
            }
        }
        woven = with_perl(woven, perl.get(done..).unwrap_or_default(), seen);
        let mut inner = rest.unwrap_or_else(|| code.between(0, outer));
        let is_inner = |one: &&RunLoop| one.frame < outer && rest.is_none();
        let mut loops = loops.iter().filter(is_inner);
        let innermost = loops.next();
        if let Some(innermost) = innermost {
            let is_called = |one: &RunLoop| one.kind != LoopKind::Folded;
            if is_called(innermost) || loops.any(is_called) {
                let before = code.between(innermost.frame + 1, outer);
                woven = self.with_code(before, CodeSection::Outer, woven, seen);
            }
            inner = code.between(0, innermost.frame);
        }
        let op = op.filter(|_| !is_idle);
        let op = op.map(|op| Top {
            stack: seen.stacks.intern(Some(woven.stack), op.innermost),
            innermost: op.innermost,
        });
        Some(self.topped(inner, woven, op, seen))
    }

    /// With what runs above the innermost run loop on top: of a Perl frame, or of the op that this runs.
    fn topped(&mut self, inner: &[CodeFrame], below: Top, op: Option<Top>, seen: &mut Seen) -> Top {
        let has_xsub = op.is_some_and(|op| kind_of(op.innermost, seen) == Some(FrameKind::Xsub));
        let section = match has_xsub {
            true => CodeSection::Xsub,
            false => CodeSection::Op,
        };
        let with_op = op.map_or(below, |op| Top {
            innermost: below.innermost,
            ..op
        });
        let topped = self.with_code(inner, section, with_op, seen);
        // It may have been asked for only for what it calls in C.
        let is_alone = topped == with_op && op.is_some_and(|op| is_op(op.innermost, seen));
        match is_alone && !self.shows_ops {
            true => below,
            false => topped,
        }
    }

    /// Frames of C on top of a stack with this innermost Perl frame, which stays it.
    fn with_code(
        &mut self,
        code: &[CodeFrame],
        section: CodeSection,
        below: Top,
        seen: &mut Seen,
    ) -> Top {
        let mut woven = below;
        for code in shown(code, section, self.level) {
            if let Some(frame) = self.frame(code, below.innermost, seen) {
                woven.stack = seen.stacks.intern(Some(woven.stack), frame);
            }
        }
        woven
    }

    fn frame(&mut self, code: ShownCode, innermost: FrameId, seen: &mut Seen) -> Option<FrameId> {
        let ShownCode { label, file } = code;
        let key = (innermost, label, file);
        if let Some(known) = self.frames.get(&key) {
            return Some(*known);
        }
        let frame = native_frame(&key.1, &key.2, innermost, &mut seen.frames)?;
        if self.frames.len() >= MOST_KNOWN {
            self.frames.clear();
        }
        self.frames.insert(key, frame);
        Some(frame)
    }
}

/// Perl frames on top of a stack.
fn with_perl(below: Top, frames: &[FrameId], seen: &mut Seen) -> Top {
    frames.iter().fold(below, |below, frame| Top {
        stack: seen.stacks.intern(Some(below.stack), *frame),
        innermost: *frame,
    })
}

fn kind_of_entry(by: EnteredBy) -> EntryKind {
    match by {
        EnteredBy::Call => EntryKind::Call,
        EnteredBy::CallOrLastOp => EntryKind::MaybeCall,
        EnteredBy::Multicall => EntryKind::Multicall,
    }
}

/// Whether a frame is that of an op.
pub(super) fn is_op(frame: FrameId, seen: &Seen) -> bool {
    kind_of(frame, seen) == Some(FrameKind::Op)
}

fn kind_of(frame: FrameId, seen: &Seen) -> Option<FrameKind> {
    seen.frames.get(frame).map(|frame| frame.kind)
}

fn open(examiner: &Examiner, file: &MappedFile) -> Option<crate::image::Image> {
    examiner.open(file).ok()
}
