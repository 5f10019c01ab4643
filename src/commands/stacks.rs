//! The stacks of one process, now: what a dump shows.

use super::locals::Bracket;
use super::native::NativeLook;
use super::warn;
use crate::attach::{Inferior, Perl, PerlThread, unread_threads};
use crate::frames::{FrameId, FrameTable};
use crate::identity::Build;
use crate::output::dump::{
    FrameDump, InterpreterDump, LayoutDump, PerlDump, ProcessDump, ThreadDump,
};
use crate::perl::leaf::level::LeafLevel;
use crate::perl::leaf::syscall_frame;
use crate::perl::locals::Wanted;
use crate::perl::locate::{Interpreter, Located};
use crate::perl::names::{NameOptions, Names};
use crate::perl::sample::{SampleError, ThreadSampler};
use crate::platform::{SharedCpu, ThreadState, syscall_name};

/// The stacks of a process.
///
/// # Errors
/// That its threads, or its command line, cannot be had.
pub(super) fn take(
    target: &Inferior,
    options: NameOptions,
    wanted: Option<Wanted>,
    native: Option<&NativeLook<'_>>,
) -> anyhow::Result<ProcessDump> {
    let mut taker = Taker {
        target,
        options,
        wanted,
        native,
        names: Names::with(options),
        table: FrameTable::default(),
        ran: Vec::new(),
    };
    let found = target.threads()?;
    let unread = target.unread_threads();
    let threads = found.iter().map(|thread| taker.thread(thread)).collect();
    let interpreters = taker.interpreters();
    let words = target.view.command_line()?;
    let command: Vec<String> = words
        .iter()
        .map(|word| crate::text::from_utf8(word))
        .collect();
    Ok(ProcessDump {
        pid: target.view.pid(),
        command: command.join(" "),
        perl: about(&target.perl),
        threads,
        threads_not_shown: unread,
        not_shown: unread_threads(unread),
        interpreters,
        core: None,
    })
}

struct Taker<'a> {
    target: &'a Inferior,
    options: NameOptions,
    wanted: Option<Wanted>,
    native: Option<&'a NativeLook<'a>>,
    names: Names,
    table: FrameTable,
    /// The interpreters that threads ran.
    ran: Vec<Interpreter>,
}

impl Taker<'_> {
    fn thread(&mut self, thread: &PerlThread) -> ThreadDump {
        let mut beside = self.target.view.beside(thread.os_tid);
        let state = beside.state();
        let has_cpu = match state {
            ThreadState::Running => beside.has_cpu(),
            _ => None,
        };
        let look = self.native;
        let mut take = |beside: &mut SharedCpu| self.frames(thread, beside, state);
        let ((runs, taken), native) = match look {
            None => (take(&mut beside), None),
            Some(look) => {
                let (taken, native) = look.beside(thread.os_tid, &mut beside, state, &mut take);
                (taken, Some(native))
            }
        };
        self.ran.push(runs.interpreter);
        let (frames, error) = match taken {
            Ok(frames) => (frames, None),
            Err(e) => (Vec::new(), Some(e.to_string())),
        };
        ThreadDump {
            os_tid: thread.os_tid,
            perl_tid: thread.perl_tid,
            state: match state {
                ThreadState::Running if has_cpu == Some(false) => "waiting for a CPU",
                ThreadState::Running => "running",
                _ if self.is_stopped(thread) => "stopped",
                _ => "idle",
            },
            frames,
            error,
            native,
        }
    }

    fn is_stopped(&self, thread: &PerlThread) -> bool {
        let process = self.target.view.live();
        process.is_some_and(|process| process.thread_is_stopped(thread.os_tid))
    }

    /// The frames of the interpreter that the thread runs, and which one that was.
    fn frames(
        &mut self,
        thread: &PerlThread,
        beside: &mut SharedCpu,
        state: ThreadState,
    ) -> (Located, Result<Vec<FrameDump>, SampleError>) {
        let (target, options, wanted) = (self.target, self.options, self.wanted);
        let (names, table) = (&mut self.names, &mut self.table);
        let mut said = false;
        let mut take = |runs: &Located, sampler: &mut ThreadSampler| {
            let mut take = |beside: &mut SharedCpu| {
                let mut ids = target.take(beside, sampler, names, table)?;
                if sampler.takes_moving() && !std::mem::replace(&mut said, true) {
                    warn("the stack is approximate: the program moved whenever it was read".into());
                }
                let machine = target.perl.identity.machine.as_deref();
                if let ThreadState::Idle(Some(number)) = state
                    && options.beyond == LeafLevel::Ops
                    && let Some(name) = syscall_name(machine.unwrap_or_default(), number)
                    && let Some(below) = ids.first()
                    && let Some(frame) = syscall_frame(name, *below, table)
                {
                    ids.insert(0, frame);
                }
                Ok(shown(&ids, table))
            };
            match wanted {
                None => take(beside),
                Some(wanted) => Bracket::new(target, runs, wanted).frames(beside, take),
            }
        };
        target.of_current(thread, options, &mut take)
    }

    /// Interpreters that no thread runs.
    fn interpreters(&mut self) -> Vec<InterpreterDump> {
        let others = self.target.other_interpreters(&self.ran);
        let dumps = others.into_iter().map(|(perl_tid, perl)| {
            let mut sampler = ThreadSampler::of(&perl, LeafLevel::Nothing);
            let context = self.target.name_context(0);
            let db_sub = self.target.db_sub;
            let (names, table) = (&mut self.names, &mut self.table);
            let taken = sampler.take(context, db_sub, names, table, &mut || {});
            let ids: Vec<FrameId> = sampler.frames().iter().rev().copied().collect();
            InterpreterDump {
                perl_tid,
                frames: taken.map_or_else(|_| Vec::new(), |()| shown(&ids, table)),
            }
        });
        dumps.collect()
    }
}

pub(super) fn shown(ids: &[FrameId], table: &FrameTable) -> Vec<FrameDump> {
    ids.iter()
        .filter_map(|id| table.get(*id))
        .map(|frame| FrameDump {
            name: frame.name.to_string(),
            label: frame.label.to_string(),
            file: frame.file.to_string(),
            line: frame.line,
            frame: frame.clone(),
            start_file: (frame.start.file != frame.file).then(|| frame.start.file.to_string()),
            start_line: frame.start.line,
            kind: frame.kind,
            detail: frame.detail.as_deref().map(str::to_owned),
            locals: None,
        })
        .collect()
}

pub(super) fn about(perl: &Perl) -> PerlDump {
    let identity = &perl.identity;
    PerlDump {
        version: identity.version.to_string(),
        threaded: identity.build == Build::Threaded,
        build: identity.build.to_string(),
        archname: identity.archname.clone(),
        path: crate::text::from_utf8(perl.image.path().as_os_str().as_encoded_bytes()),
        layout: LayoutDump {
            source: perl.resolved.source.to_string(),
        },
    }
}
