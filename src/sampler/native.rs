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
    InnermostCode, Modules, NativeLevel, Processor, Registers, ShownCode, Unwinder, shown,
};
use crate::perl::leaf::native_frame;
use crate::perl::sample::Multicalls;
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
    /// By the Perl frame below, and what is shown.
    frames: Map<(FrameId, Arc<str>, Arc<str>), FrameId>,
}

/// Registers of a thread, and what shows whether it has run since.
#[derive(Debug, PartialEq)]
pub(super) struct AtRegisters {
    registers: Registers,
    /// When it left its CPU; `None` of one that waits, whose place shows it.
    left: Option<u64>,
}

/// What a thread runs in C, and what of its Perl stack that has to agree with.
pub(super) struct Multicode {
    code: InnermostCode,
    multicalls: Multicalls,
}

impl NativeReader {
    /// Of a process; `None` where no stack of its processor is unwound. Debug files are looked for by `search`.
    pub(super) fn of(
        target: &Target,
        level: NativeLevel,
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

    /// What it runs above perl's innermost run loop; `None` where that cannot be told.
    pub(super) fn code(
        &mut self,
        target: &Target,
        at: &AtRegisters,
        runner: &Runner,
    ) -> Option<Multicode> {
        let mut mapped = || target.process.mapped_programs().unwrap_or_default();
        let multicalls = runner
            .sampler
            .multicalls(&target.name_context(0).layout.constants);
        let counts = multicalls.count > 0;
        let abi = target.perl.identity.abi;
        let memory = &target.memory;
        let code = self
            .unwinder
            .innermost(memory, abi, &at.registers, counts, &mut mapped);
        Some(Multicode {
            code: code.ok()?,
            multicalls,
        })
    }

    /// Puts frames of C on top of the Perl frame that they belong to: `top`, with the `op` that runs, or where a comparator
    /// is between two calls what called that. `None` where C and Perl contradict each other.
    pub(super) fn woven(
        &mut self,
        found: &Multicode,
        runner: &Runner,
        top: Top,
        op: Option<Top>,
        seen: &mut Seen,
    ) -> Option<Top> {
        let Multicode { code, multicalls } = found;
        let running = match multicalls.count {
            0 => 0,
            _ => code.multicalls?,
        };
        let (below, op) = match multicalls.count.checked_sub(running)? {
            0 => (top, op),
            1 if !multicalls.is_top => (top, op),
            1 => (runner.outer(multicalls.below)?, None),
            _ => return None,
        };
        let has_xsub = op.is_some_and(|op| kind_of(op.innermost, seen) == Some(FrameKind::Xsub));
        let mut woven = op.unwrap_or(below);
        for code in shown(&code.frames, has_xsub, self.level) {
            if let Some(frame) = self.frame(code, below.innermost, seen) {
                woven.stack = seen.stacks.intern(Some(woven.stack), frame);
            }
        }
        Some(woven)
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
