//! What stands on top of Perl's own frames: the C function that a sub call runs, or the op.

pub(in crate::perl) mod callee;
mod functions;
mod known_sub;
pub mod level;
pub mod running;
mod uncalled;

use super::stack::Header;
use super::values::context::{NameError, PerlView};
use super::values::pads::Pads;
use crate::frames::{Frame, FrameId, FrameKind, FrameTable, Place, UNKNOWN};
use crate::memory::ReadError;
use level::LeafLevel;
use running::{EnteredFrom, Moment, Running, RunningReader};
use std::sync::Arc;

/// Finds out what the innermost Perl frame of one interpreter is doing.
#[derive(Debug)]
pub(in crate::perl) struct LeafReader {
    beyond: LeafLevel,
    pads: Pads,
    running: RunningReader,
}

impl LeafReader {
    pub(in crate::perl) fn new(beyond: LeafLevel, pads: Pads) -> Self {
        LeafReader {
            beyond,
            pads,
            running: RunningReader::new(),
        }
    }

    pub(in crate::perl) fn pads(&self) -> Pads {
        self.pads
    }

    /// What runs at a moment; `None` where nothing is to be added. `entered`
    /// is of the stack with all that is half made on it; `still` tells whether the target has not
    /// moved since that was copied.
    ///
    /// # Errors
    /// [`ReadError`] when the target can no longer be read.
    pub(in crate::perl) fn read(
        &mut self,
        view: &PerlView<'_>,
        header: &Header,
        moment: Moment,
        entered: Option<EnteredFrom>,
        still: &mut dyn FnMut() -> bool,
    ) -> Result<Option<Running>, ReadError> {
        if self.beyond == LeafLevel::Nothing || header.op == 0 {
            return Ok(None);
        }
        if let Some(kind) = moment.kind
            && let Some(name) = view.ops.name(kind.op_type)
            && (!self.tells_more(name)
                || entered.is_some_and(|e| e.is_by(header.curcop, kind.next)))
        {
            return Ok(Some(Running {
                op: Some(name.clone()),
                ..Running::default()
            }));
        }
        let read = self.running.read(view, header, &self.pads, entered, moment);
        let certain = match &read {
            Ok(running) => running.xsub.is_none() && !self.running.has_learned() || still(),
            Err(NameError::Read(e)) if !matches!(e, ReadError::BadAddress { .. }) => {
                return Err(*e);
            }
            // Between two ops things are half made; the Perl frames are right all the same.
            Err(_) => false,
        };
        if !certain {
            self.running.forget_learned();
            return Ok(None);
        }
        Ok(read.ok())
    }

    /// Ops of this name call C functions or have a pattern.
    fn tells_more(&self, name: &str) -> bool {
        match name {
            "entersub" | "enterxssub" | "null" | "goto" => true,
            "match" | "subst" | "qr" | "pushre" | "substcont" | "split" => {
                self.beyond == LeafLevel::Ops
            }
            _ => false,
        }
    }

    /// The frame for it, on top of `below`.
    pub(in crate::perl) fn frame(
        &self,
        running: &Running,
        below: FrameId,
        table: &mut FrameTable,
    ) -> Option<FrameId> {
        let (kind, name) = match (&running.xsub, &running.op) {
            (Some(xsub), _) => (FrameKind::Xsub, xsub),
            (None, Some(op)) if self.beyond == LeafLevel::Ops => (FrameKind::Op, op),
            _ => return None,
        };
        let detail = running.detail.as_ref().filter(|_| kind == FrameKind::Op);
        Some(table.intern(on_top(kind, name, detail, below, table)?))
    }
}

/// A frame without a file of its own: it is where the Perl frame below it is.
pub(in crate::perl) fn on_top(
    kind: FrameKind,
    name: &Arc<str>,
    detail: Option<&Arc<str>>,
    below: FrameId,
    table: &FrameTable,
) -> Option<Frame> {
    let below = table.get(below)?;
    let label = match detail {
        Some(pattern) => format!("{name} /{pattern}/").into(),
        None => name.clone(),
    };
    Some(Frame {
        label,
        detail: detail.cloned(),
        place: below.place.clone(),
        start: Place {
            file: UNKNOWN.into(),
            line: 0,
        },
        ..Frame::new(kind, name.clone(), below.file.clone(), below.line)
    })
}

/// What is on top of the stack of a thread that could run if a CPU were free.
pub const WAITING_FOR_CPU: &str = "(waiting for a CPU)";

/// The frame of a thread that could run if a CPU were free.
pub fn ready_frame(below: FrameId, table: &mut FrameTable) -> Option<FrameId> {
    let name = WAITING_FOR_CPU.into();
    let frame = on_top(FrameKind::Synthetic, &name, None, below, table)?;
    Some(table.intern(frame))
}

/// The frame of a function of C, of that file.
pub fn native_frame(
    label: &Arc<str>,
    file: &Arc<str>,
    below: FrameId,
    table: &mut FrameTable,
) -> Option<FrameId> {
    let frame = on_top(FrameKind::Native, label, None, below, table)?;
    let start = Place {
        file: file.clone(),
        line: 0,
    };
    Some(table.intern(Frame { start, ..frame }))
}

/// The frame of a system call that a thread waits in.
pub fn syscall_frame(name: &str, below: FrameId, table: &mut FrameTable) -> Option<FrameId> {
    let frame = on_top(FrameKind::Syscall, &name.into(), None, below, table)?;
    Some(table.intern(frame))
}
