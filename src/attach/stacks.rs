//! One stack of each thread, now.

use super::{AttachError, Inferior, PerlThread};
use crate::frames::{Frame, FrameId, FrameTable};
use crate::perl::locate::{Interpreter, Located};
use crate::perl::names::{NameOptions, Names};
use crate::perl::sample::{SampleError, ThreadSampler};
use crate::perl::stack::Current;
use crate::platform::SharedCpu;
use std::time::{Duration, Instant};

/// How long a thread that never rests is tried before its stack is taken as it moves.
pub const PATIENCE: Duration = Duration::from_millis(500);
const BETWEEN: Duration = Duration::from_micros(300);

/// What one thread does.
#[derive(Debug)]
pub struct ThreadStack {
    /// The thread, and the interpreter that it runs.
    pub thread: PerlThread,
    /// Its frames, innermost first, or why they could not be had.
    pub frames: Result<Vec<Frame>, SampleError>,
}

impl Inferior {
    /// The stacks of all threads that run Perl, the main thread's first.
    ///
    /// # Errors
    /// [`AttachError`] when not even the main thread can be had.
    pub fn stacks(&self, options: NameOptions) -> Result<Vec<ThreadStack>, AttachError> {
        let (mut names, mut table) = (Names::with(options), FrameTable::default());
        let threads = self.threads()?.into_iter().map(|thread| {
            let mut beside = self.view.beside(thread.os_tid);
            let mut take = |runs: &Located, sampler: &mut ThreadSampler| {
                let _ = runs;
                let ids = self.take(&mut beside, sampler, &mut names, &mut table)?;
                Ok(ids
                    .iter()
                    .filter_map(|id| table.get(*id).cloned())
                    .collect())
            };
            let (_, frames) = self.of_current(&thread, options, &mut take);
            ThreadStack { thread, frames }
        });
        Ok(threads.collect())
    }

    /// What `take` makes of the interpreter that a thread runs, which may be another one by now than
    /// when the thread was asked; and which one that was.
    pub fn of_current<T>(
        &self,
        thread: &PerlThread,
        options: NameOptions,
        take: &mut dyn FnMut(&Located, &mut ThreadSampler) -> Result<T, SampleError>,
    ) -> (Located, Result<T, SampleError>) {
        let deadline = Instant::now() + PATIENCE;
        let mut runs = thread.runs;
        let mut asks = true;
        loop {
            let mut sampler = ThreadSampler::of(&runs, options.beyond);
            if let (true, Some(place), Interpreter::At(interpreter)) =
                (asks, thread.current, runs.interpreter)
            {
                sampler.only_current(Some(Current { place, interpreter }));
            }
            let taken = take(&runs, &mut sampler);
            let other = taken
                .as_ref()
                .err()
                .and_then(SampleError::other_interpreter);
            let Some(address) = other.filter(|_| Instant::now() < deadline) else {
                return (runs, taken);
            };
            match self.interpreter_at(address) {
                Some(other) => runs = other,
                // One that is just being made, or taken down: that is done by the one before.
                None => asks = false,
            }
        }
    }

    /// The frames of an interpreter, innermost first, read from beside the thread that runs it. One
    /// that never rests is taken as it is in the end: then [`ThreadSampler::takes_moving`].
    ///
    /// # Errors
    /// [`SampleError`] of the last try, when there was no stack in any.
    pub fn take(
        &self,
        beside: &mut SharedCpu,
        sampler: &mut ThreadSampler,
        names: &mut Names,
        table: &mut FrameTable,
    ) -> Result<Vec<FrameId>, SampleError> {
        let deadline = Instant::now() + PATIENCE;
        sampler.accept_moving(false);
        loop {
            let context = self.name_context(0);
            beside.follow();
            match sampler.take(context, self.db_sub, names, table, &mut || beside.follow()) {
                Ok(()) => break,
                Err(e) if e.other_interpreter().is_some() || e.is_final() => return Err(e),
                Err(e) if e.is_torn() && !sampler.takes_moving() && Instant::now() >= deadline => {
                    sampler.accept_moving(true);
                }
                Err(e) if Instant::now() >= deadline => return Err(e),
                Err(_) => std::thread::sleep(BETWEEN),
            }
        }
        let perl = sampler.frames().iter().rev().copied();
        Ok(sampler.leaf().into_iter().chain(perl).collect())
    }
}
