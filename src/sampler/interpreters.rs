//! The interpreters of a process: a thread may run one after the other, and a pool of threads share
//! them. What is known of each one's stack stays with the interpreter.

use crate::attach::{PerlThread, Target};
use crate::frames::{FrameId, StackId};
use crate::perl::leaf::level::LeafLevel;
use crate::perl::locate::{Interpreter, Located};
use crate::perl::sample::{SampleError, ThreadSampler};
use crate::perl::stack::{Current, StackError, Variable};
use crate::profile::Seen;
use indexmap::IndexSet;
use std::collections::HashMap;

/// A thread that changes its interpreter more often while it is looked at moves too much.
const SWITCHES: usize = 4;
/// More are not remembered at a time: an honest pool is smaller.
const MANY: usize = 1024;

/// An interpreter, and what is known of its stack.
pub(super) struct Runner {
    interpreter: Interpreter,
    pub(super) sampler: ThreadSampler,
    /// The last stack and all its beginnings, outermost first.
    stacks: Vec<StackId>,
}

impl Runner {
    fn new(perl: &Located, beyond: LeafLevel) -> Self {
        Runner {
            interpreter: perl.interpreter,
            sampler: ThreadSampler::of(perl, beyond),
            stacks: Vec::new(),
        }
    }

    /// Asks with every sample whether the thread that tells so in `place` still runs this one.
    fn watch(&mut self, place: Option<Variable>) {
        self.sampler.only_current(
            place
                .zip(self.address())
                .map(|(place, interpreter)| Current { place, interpreter }),
        );
    }

    fn address(&self) -> Option<u64> {
        match self.interpreter {
            Interpreter::At(address) => Some(address),
            Interpreter::Globals => None,
        }
    }

    /// Of the stack that was taken last: so many of its outermost frames, and the innermost of these.
    pub(super) fn outer(&self, count: usize) -> Option<Top> {
        let last = count.checked_sub(1)?;
        let frame = self.sampler.frames().get(last);
        let (stack, innermost) = self.stacks.get(last).copied().zip(frame.copied())?;
        Some(Top { stack, innermost })
    }

    /// Of a stack that was just taken: the stack up to the innermost Perl frame, and that frame.
    pub(super) fn intern(&mut self, seen: &mut Seen) -> Option<Top> {
        self.stacks.truncate(self.sampler.unchanged());
        for frame in self.sampler.frames().iter().skip(self.stacks.len()) {
            let caller = self.stacks.last().copied();
            self.stacks.push(seen.stacks.intern(caller, *frame));
        }
        self.outer(self.stacks.len())
    }
}

/// A stack, and its innermost frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Top {
    pub(super) stack: StackId,
    pub(super) innermost: FrameId,
}

/// Where one thread sits: the interpreter that it runs.
pub(super) struct Chair {
    pub(super) runner: Runner,
    /// Where the thread tells which one it runs.
    place: Option<Variable>,
    /// The interpreter that it ran before this one, if it was in the middle of something.
    before: Option<u64>,
}

impl Chair {
    /// The chair of a thread that was just found.
    pub(super) fn new(thread: &PerlThread, interpreters: &mut Interpreters) -> Self {
        let mut runner = interpreters.begin(&thread.runs);
        runner.watch(thread.current);
        Chair {
            runner,
            place: thread.current,
            before: interpreters.known.first().copied(),
        }
    }

    pub(super) fn interpreter(&self) -> Interpreter {
        self.runner.interpreter
    }

    /// Takes a sample, with `read`, of the interpreter that the thread runs now.
    ///
    /// # Errors
    /// Those of `read`, when there is no stack.
    pub(super) fn take(
        &mut self,
        target: &Target,
        interpreters: &mut Interpreters,
        read: &mut dyn FnMut(&mut Runner) -> Result<(), SampleError>,
    ) -> Result<(), SampleError> {
        for _ in 0..SWITCHES {
            let result = read(&mut self.runner);
            let address = match result {
                Ok(()) if self.runner.sampler.has_contexts() => return result,
                Ok(()) => {
                    self.look_before(interpreters, read);
                    return result;
                }
                Err(e) => match e.other_interpreter() {
                    Some(address) => address,
                    None if e.is_about_stack() && self.look_before(interpreters, read) => {
                        return Ok(());
                    }
                    None => return result,
                },
            };
            match interpreters.take(target, address) {
                Some(next) => self.change_to(next, interpreters),
                None => return self.stay(read),
            }
        }
        Err(SampleError::Stack(StackError::Torn))
    }

    fn change_to(&mut self, mut next: Runner, interpreters: &mut Interpreters) {
        next.watch(self.place);
        let last = std::mem::replace(&mut self.runner, next);
        if last.sampler.has_contexts() {
            self.before = last.address();
        }
        interpreters.give_back(last);
    }

    /// The thread tells of an interpreter that is just being made, or taken down. Whoever does so is
    /// the one before.
    fn stay(
        &mut self,
        read: &mut dyn FnMut(&mut Runner) -> Result<(), SampleError>,
    ) -> Result<(), SampleError> {
        self.runner.watch(None);
        let result = read(&mut self.runner);
        self.runner.watch(self.place);
        result
    }

    /// The interpreter has nothing to do, or no stack. If the one before is still in the middle of
    /// something, this one is there for its sake: a clone that is being made, or taken down. True if
    /// that is so; then the one before takes its place.
    fn look_before(
        &mut self,
        interpreters: &mut Interpreters,
        read: &mut dyn FnMut(&mut Runner) -> Result<(), SampleError>,
    ) -> bool {
        let Some(mut before) = self.before.and_then(|at| interpreters.resting.remove(&at)) else {
            return false;
        };
        before.watch(None);
        let is_busy = read(&mut before).is_ok() && before.sampler.has_contexts();
        before.watch(self.place);
        let idle = match is_busy {
            true => std::mem::replace(&mut self.runner, before),
            false => before,
        };
        interpreters.give_back(idle);
        is_busy
    }
}

/// The interpreters of a process.
pub(super) struct Interpreters {
    beyond: LeafLevel,
    /// All that were seen, in the order in which they were.
    known: IndexSet<u64>,
    /// Those that none of our threads ran when it was looked at last.
    resting: HashMap<u64, Runner>,
}

impl Interpreters {
    pub(super) fn new(target: &Target, beyond: LeafLevel) -> Self {
        let main = target.main_interpreter().ok();
        let main = main.and_then(|main| target.perl.variables(main).located().ok());
        let main = main.map(|main| Runner::new(&main, beyond));
        let main = main.and_then(|main| Some((main.address()?, main)));
        Interpreters {
            beyond,
            known: main.iter().map(|(address, _)| *address).collect(),
            resting: main.into_iter().collect(),
        }
    }

    /// A runner for a thread that was just found.
    fn begin(&mut self, perl: &Located) -> Runner {
        let runner = Runner::new(perl, self.beyond);
        let Some(address) = runner.address() else {
            return runner;
        };
        self.known.insert(address);
        self.resting.remove(&address).unwrap_or(runner)
    }

    /// What people call an interpreter: the first one is 1.
    pub(super) fn number(&self, interpreter: Interpreter) -> u32 {
        let index = match interpreter {
            Interpreter::At(address) => self.known.get_index_of(&address),
            Interpreter::Globals => None,
        };
        u32::try_from(index.unwrap_or(0)).unwrap_or(u32::MAX - 1) + 1
    }

    /// Takes over the interpreter at an address. `None` where none is.
    fn take(&mut self, target: &Target, address: u64) -> Option<Runner> {
        if let Some(runner) = self.resting.remove(&address) {
            return Some(runner);
        }
        let runner = Runner::new(&target.interpreter_at(address)?, self.beyond);
        if self.known.len() < MANY {
            self.known.insert(address);
        }
        Some(runner)
    }

    /// Gives one back that its thread does not run any more.
    fn give_back(&mut self, runner: Runner) {
        if self.resting.len() >= MANY {
            self.resting.clear();
        }
        if let Some(address) = runner.address() {
            self.resting.insert(address, runner);
        }
    }
}
