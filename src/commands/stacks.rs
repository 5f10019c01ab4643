//! The stacks of one process, now: what a dump shows.

use super::locals::{Bracket, PATIENCE};
use super::warn;
use crate::attach::Perl;
use crate::attach::{PerlThread, Target};
use crate::frames::{FrameId, FrameTable};
use crate::identity::Build;
use crate::output::dump::{FrameDump, InterpreterDump, ProcessDump, ThreadDump};
use crate::output::dump::{LayoutDump, PerlDump};
use crate::perl::leaf::level::Beyond;
use crate::perl::leaf::syscall_frame;
use crate::perl::locals::Wanted;
use crate::perl::locate::{Interpreter, Located};
use crate::perl::names::{NameOptions, Names};
use crate::perl::sample::{SampleError, ThreadSampler};
use crate::perl::stack::Current;
use crate::platform::{Beside, ThreadState, syscall_name};
use std::time::{Duration, Instant};

/// The stacks of a process.
///
/// # Errors
/// That its threads, or its command line, cannot be had.
pub(super) fn take(
    target: &Target,
    options: NameOptions,
    wanted: Option<Wanted>,
) -> anyhow::Result<ProcessDump> {
    let mut taker = Taker {
        target,
        options,
        wanted,
        names: Names::with(options),
        table: FrameTable::default(),
        ran: Vec::new(),
    };
    let found = target.threads()?;
    let threads = found.iter().map(|thread| taker.thread(thread)).collect();
    let interpreters = taker.interpreters();
    let words = target.process.command_line()?;
    let command: Vec<String> = words
        .iter()
        .map(|word| crate::text::from_utf8(word))
        .collect();
    Ok(ProcessDump {
        pid: target.process.pid(),
        command: command.join(" "),
        perl: about(&target.perl),
        threads,
        interpreters,
    })
}

struct Taker<'a> {
    target: &'a Target,
    options: NameOptions,
    wanted: Option<Wanted>,
    names: Names,
    table: FrameTable,
    /// The interpreters that threads ran.
    ran: Vec<Interpreter>,
}

impl Taker<'_> {
    fn thread(&mut self, thread: &PerlThread) -> ThreadDump {
        let mut beside = Beside::new(self.target.process.pid(), thread.os_tid);
        let state = beside.state();
        let has_cpu = match state {
            ThreadState::Running => beside.has_cpu(),
            _ => None,
        };
        let mut runs = thread.runs;
        let taken = self.of_current(thread, &mut runs, &mut beside, state);
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
                _ if self.target.process.thread_is_stopped(thread.os_tid) => "stopped",
                _ => "idle",
            },
            frames,
            error,
        }
    }

    /// The frames of the interpreter that the thread runs, which may be another one by now.
    fn of_current(
        &mut self,
        thread: &PerlThread,
        runs: &mut Located,
        beside: &mut Beside,
        state: ThreadState,
    ) -> Result<Vec<FrameDump>, SampleError> {
        let deadline = Instant::now() + PATIENCE;
        let mut asks = true;
        loop {
            let mut sampler = ThreadSampler::of(runs, self.options.beyond);
            if let (true, Some(place), Interpreter::At(interpreter)) =
                (asks, thread.current, runs.interpreter)
            {
                sampler.only_current(Some(Current { place, interpreter }));
            }
            let taken = self.frames(runs, &mut sampler, beside, state);
            let other = taken
                .as_ref()
                .err()
                .and_then(SampleError::other_interpreter);
            let Some(address) = other.filter(|_| Instant::now() < deadline) else {
                return taken;
            };
            match self.target.interpreter_at(address) {
                Some(other) => *runs = other,
                // One that is just being made, or taken down: that is done by the one before.
                None => asks = false,
            }
        }
    }

    fn frames(
        &mut self,
        runs: &Located,
        sampler: &mut ThreadSampler,
        beside: &mut Beside,
        state: ThreadState,
    ) -> Result<Vec<FrameDump>, SampleError> {
        let (target, options) = (self.target, self.options);
        let (names, table) = (&mut self.names, &mut self.table);
        let mut said = false;
        let take = |beside: &mut Beside| {
            let mut ids = patiently(target, beside, sampler, names, table)?;
            if sampler.takes_moving() && !std::mem::replace(&mut said, true) {
                warn("the stack is approximate: the program moved whenever it was read".into());
            }
            let machine = target.perl.identity.machine.as_deref();
            if let ThreadState::Idle(Some(number)) = state
                && options.beyond == Beyond::Ops
                && let Some(name) = syscall_name(machine.unwrap_or_default(), number)
                && let Some(below) = ids.first()
                && let Some(frame) = syscall_frame(name, *below, table)
            {
                ids.insert(0, frame);
            }
            Ok(shown(&ids, table))
        };
        let mut take = take;
        match self.wanted {
            None => take(beside),
            Some(wanted) => Bracket::new(target, runs, wanted).frames(beside, take),
        }
    }

    /// Interpreters that no thread runs.
    fn interpreters(&mut self) -> Vec<InterpreterDump> {
        let others = self.target.other_interpreters(&self.ran);
        let dumps = others.into_iter().map(|(perl_tid, perl)| {
            let mut sampler = ThreadSampler::of(&perl, Beyond::Nothing);
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

/// The frames of a thread. One that never rests is taken as it is in the end: then the sampler
/// accepts what moves.
fn patiently(
    target: &Target,
    beside: &mut Beside,
    sampler: &mut ThreadSampler,
    names: &mut Names,
    table: &mut FrameTable,
) -> Result<Vec<FrameId>, SampleError> {
    let deadline = Instant::now() + PATIENCE;
    sampler.accept_moving(false);
    loop {
        let context = target.name_context(0);
        beside.follow();
        match sampler.take(context, target.db_sub, names, table, &mut || {
            beside.follow()
        }) {
            Ok(()) => break,
            Err(e) if e.other_interpreter().is_some() => return Err(e),
            Err(e) if matches!(e.kind(), "no permission" | "process ended") => return Err(e),
            Err(e) if e.is_torn() && !sampler.takes_moving() && Instant::now() >= deadline => {
                sampler.accept_moving(true);
            }
            Err(e) if Instant::now() >= deadline => return Err(e),
            Err(_) => std::thread::sleep(Duration::from_micros(300)),
        }
    }
    let perl = sampler.frames().iter().rev().copied();
    Ok(sampler.leaf().into_iter().chain(perl).collect())
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
