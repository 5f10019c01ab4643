//! One process that is sampled: its threads, and what was learned about its names.

use super::debt::Debt;
use super::interpreters::{Chair, Interpreters, Runner, Top};
use super::native::{AtRegisters, NativeReader, is_op};
use super::strata::Strata;
use crate::attach::{PerlThread, Target};
use crate::frames::StackId;
use crate::perl::leaf::{ready_frame, syscall_frame};
use crate::perl::names::{NameOptions, Names};
use crate::perl::sample::SampleError;
use crate::platform::{
    Arrival, HeldCpu, Priority, Runs, Stint, Testimony, ThreadState, ThreadWatch, Witness,
    is_real_time, syscall_name,
};
use crate::profile::{Seen, Tally, ThreadAbout};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// So many failures in a row mean that the target has become something else.
const FAILURES: u32 = 20;
/// So does a time without any success.
const LOST_FOR: Duration = Duration::from_millis(100);
/// What is caught between fork and exec becomes another program within this time.
const YOUTH: Duration = Duration::from_secs(2);

/// What a look at a thread said.
#[derive(Debug, Clone, Copy)]
pub(super) struct ThreadLook {
    pub(super) state: ThreadState,
    /// Where it runs, as far as is known.
    pub(super) cpu: Option<usize>,
    /// It has not run since its last stack was read: it still has that one.
    pub(super) rests: bool,
    /// It may have run since the last look.
    pub(super) is_new: bool,
}

/// A thread that was seen off the CPU.
#[derive(Debug, Clone, Copy)]
struct Rest {
    /// What it had run before it was seen there.
    runs: Runs,
    state: ThreadState,
    /// Its stack was read after that.
    has_stack: bool,
}

/// What the threads of a process have in common.
pub(super) struct Of<'a> {
    /// Where C stacks are read, too.
    pub(super) native: Option<&'a mut NativeReader>,
    /// The op that runs has a frame, whatever it calls.
    pub(super) shows_ops: bool,
    pub(super) target: &'a Target,
    pub(super) names: &'a mut Names,
    pub(super) interpreters: &'a mut Interpreters,
}

/// A thread of a process.
pub(super) struct WatchedThread {
    watch: ThreadWatch,
    witness: Witness,
    /// A wake-up of ours does not set it aside.
    pub(super) real_time: bool,
    /// It is gone.
    pub(super) ended: bool,
    /// It waits outside of any system call: stopped, or a zombie.
    waits_for_nothing: bool,
    /// It did not run when it was looked at last.
    waits: bool,
    /// Where it runs, as far as is known.
    cpu: Option<usize>,
    looks: u8,
    /// What it had run at the last look, if that was asked.
    runs: Option<Runs>,
    rest: Option<Rest>,
    /// Index in [`Seen::threads`].
    pub(super) about: u32,
    /// What is told there of the thread itself.
    me: ThreadAbout,
    thread: PerlThread,
    chair: Chair,
    top: Option<Top>,
    /// The last stack that waited in a system call, with that one's frame.
    waiting: Option<(Top, u32, StackId)>,
    /// The last stack that waited for a CPU, with the frame that says so.
    ready: Option<(Top, StackId)>,
    debt: Debt,
    strata: Strata,
    /// The last stack has what runs in C.
    pub(super) has_code: bool,
    /// Failures of which it is not yet known whether they come of the thread's end.
    failures: BTreeMap<&'static str, u64>,
}

impl WatchedThread {
    /// From now on what it has a CPU for is compared with what is seen of it.
    pub(super) fn opens_account(&mut self) {
        self.debt.begin(self.watch.runs());
        self.strata = Strata::default();
    }

    /// A sample was missed that was due then.
    pub(super) fn missed_at(&mut self, due: u64, weight: u32) {
        let held = self.witness.recorded(due);
        if let Some(stint) = held.and_then(HeldCpu::stint) {
            self.strata.miss(stint, weight);
        }
    }

    /// It was on a CPU when a sample was due that was missed.
    pub(super) fn misses(&mut self, stint: Stint, weight: u32) {
        self.strata.miss(stint, weight);
    }

    /// For how many samples of `tally` that were missed one counts that was just taken.
    pub(super) fn makes_up_for(
        &mut self,
        rate: f64,
        weight: u32,
        priority: Priority,
        stint: Stint,
        tally: &Tally,
    ) -> u32 {
        let same = self.strata.see(stint);
        let waiting = self.strata.waiting();
        let runs = self.watch.runs();
        let counts_for = weight.saturating_add(same);
        let most = match self.debt.leaves_some(runs, rate, priority) {
            // Too late to tell whose waiting was no waiting.
            true => tally.missed.saturating_add(tally.ready),
            false => tally.missed,
        };
        let rest = self.debt.more(runs, rate, counts_for, most, waiting);
        same.saturating_add(rest)
    }

    /// True if it had a CPU for longer than it was seen to: the time in which it is brought to one is hard to see, and it
    /// waits for one before and after that.
    pub(super) fn is_owed(&mut self, rate: f64, weight: u32, priority: Priority) -> bool {
        let waiting = self.strata.waiting();
        self.debt
            .owes(self.watch.runs(), rate, weight, waiting, priority)
    }

    /// It could not be read, which counts for so many samples.
    pub(super) fn failed(&mut self, kind: &'static str, weight: u64, tally: &mut Tally) {
        let count = self.failures.entry(kind).or_insert(0);
        *count += weight;
        if *count >= u64::from(FAILURES) {
            self.counts_failures(tally);
        }
    }

    /// What it ran is no more.
    pub(super) fn has_lost_interpreter(&self, target: &Target) -> bool {
        target.has_no_stacks(self.chair.interpreter())
    }

    /// What failed so far failed though it was there.
    pub(super) fn counts_failures(&mut self, tally: &mut Tally) {
        while let Some((kind, count)) = self.failures.pop_first() {
            *tally.errors.entry(kind).or_insert(0) += count;
        }
    }

    /// What failed so far failed because it was about to be no more.
    fn forgets_failures(&mut self, tally: &mut Tally) {
        tally.gone += std::mem::take(&mut self.failures).values().sum::<u64>();
    }

    /// What it is doing, and where when it is running; `ours` is our own CPU. In a crowd most threads that run wait for a
    /// CPU.
    pub(super) fn look(&mut self, crowd: bool, ours: Option<usize>) -> ThreadLook {
        /// A thread that went to another CPU is met moving, and then it is asked where it is; now and
        /// then it may look as if it stood still.
        const ASK_EVERY: u8 = 8;
        // What it has run is asked before what it is doing: if it runs in between, this shows.
        let is_worth_it = crowd || self.waits;
        self.runs = is_worth_it.then(|| self.watch.runs()).flatten();
        if let (Some(rest), Some(runs)) = (self.rest, self.runs)
            && rest.runs == runs
        {
            return ThreadLook {
                state: rest.state,
                cpu: self.cpu,
                rests: rest.has_stack,
                is_new: false,
            };
        }
        let state = self.watch.state();
        self.ended = state == ThreadState::Ended;
        let running = state == ThreadState::Running;
        let is_known = state != ThreadState::Unknown;
        self.waits = !running && is_known;
        self.waits_for_nothing = state == ThreadState::Idle(None);
        self.rest = self.runs.filter(|_| self.waits).map(|runs| Rest {
            runs,
            state,
            has_stack: false,
        });
        if !running {
            self.cpu = None;
        } else if self.cpu.is_none() || self.looks.is_multiple_of(ASK_EVERY) {
            self.cpu = self.watch.cpu();
        }
        self.looks = self.looks.wrapping_add(1);
        if running && self.cpu != ours && self.runs.is_none() {
            self.runs = self.watch.runs();
        }
        ThreadLook {
            state,
            cpu: self.cpu,
            rests: false,
            is_new: true,
        }
    }

    /// Takes a sample; the result is its stack. `None` where there is nothing on it.
    pub(super) fn take(
        &mut self,
        of: Of<'_>,
        seen: &mut Seen,
        waits_in: Option<u32>,
        together: bool,
        schedule: &mut dyn FnMut(usize),
    ) -> Result<Option<StackId>, SampleError> {
        let Of {
            mut native,
            shows_ops,
            target,
            names,
            interpreters,
        } = of;
        let at = match &native {
            Some(native) if together => self.at_registers(native),
            _ => None,
        };
        self.top = None;
        if let Some(rest) = &mut self.rest {
            rest.has_stack = false;
        }
        let (watch, known) = (&mut self.watch, &mut self.cpu);
        // The target runs elsewhere by now: go there.
        let mut again = || {
            if let Some(cpu) = watch.cpu() {
                *known = Some(cpu);
                schedule(cpu);
            }
        };
        let mut read = |runner: &mut Runner| {
            runner.sampler.accept_moving(!together);
            let context = target.name_context(0);
            let frames = &mut seen.frames;
            runner
                .sampler
                .take(context, target.db_sub, names, frames, &mut again)
        };
        let interpreter = self.chair.interpreter();
        self.chair.take(target, interpreters, &mut read)?;
        if self.chair.interpreter() != interpreter {
            self.about = self.about_now(interpreters, seen);
        }
        let runner = &mut self.chair.runner;
        let Some(top) = runner.intern(seen) else {
            return Ok(None);
        };
        let op = runner.sampler.leaf().map(|op| Top {
            stack: seen.stacks.intern(Some(top.stack), op),
            innermost: op,
        });
        let code = match (&mut native, &at) {
            (Some(native), Some(at)) => native.code(target, at, runner),
            _ => None,
        };
        // Else they are of two moments.
        let now = native.as_ref().and_then(|native| self.at_registers(native));
        let code = code.filter(|_| now == at);
        let runner = &self.chair.runner;
        let with_code = match (native, code) {
            (Some(native), Some(code)) => native.woven(&code, runner, top, op, seen),
            _ => None,
        };
        self.has_code = with_code.is_some();
        // The op may have been asked for only for what it calls in C.
        let is_shown = |op: &Top| shows_ops || !is_op(op.innermost, seen);
        let plain = op.filter(is_shown).unwrap_or(top);
        self.top = Some(with_code.unwrap_or(plain));
        if let Some(rest) = &mut self.rest {
            rest.has_stack = true;
        }
        Ok(self.last_stack(target, seen, waits_in))
    }

    /// True if it is one of those that were found just now. One that tells which interpreter it runs
    /// may tell of one that is only being made.
    fn is_among(&self, found: &[PerlThread]) -> bool {
        let found = found.iter().find(|t| t.os_tid == self.thread.os_tid);
        match (self.thread.current, found) {
            (None, found) => found == Some(&self.thread),
            (Some(_), None) => !self.ended,
            (current, Some(found)) => found.current.is_none() || found.current == current,
        }
    }

    /// The index in [`Seen::threads`] of the thread with the interpreter that it runs.
    fn about_now(&self, interpreters: &Interpreters, seen: &mut Seen) -> u32 {
        let number = interpreters.number(self.chair.interpreter());
        let about = ThreadAbout {
            perl_tid: (number == 1).then_some(0),
            interpreter: (number > 1).then_some(number),
            ..self.me.clone()
        };
        u32::try_from(seen.threads.insert_full(about).0).unwrap_or(u32::MAX)
    }

    /// Whether it held a CPU at that time, and lost it since; `None` where that is not known.
    pub(super) fn held(&self, arrival: &mut Arrival, since: u64) -> Option<HeldCpu> {
        self.witness.held(arrival, since)
    }

    /// It came to a CPU or left one since then.
    pub(super) fn has_moved(&self, since: u64) -> bool {
        self.witness.has_moved(since)
    }

    /// It was just taken, while it had no CPU.
    pub(super) fn learns(&mut self) {
        let watch = &mut self.watch;
        self.witness.learn(|| watch.runs());
    }

    /// Where it is, while it does not run.
    fn at_registers(&self, native: &NativeReader) -> Option<AtRegisters> {
        let ids = self.waits.then_some((self.me.pid, self.me.os_tid));
        native.registers(self.witness.registers(), ids)
    }

    /// How much is known of its coming and going.
    pub(super) fn testimony(&self) -> Testimony {
        self.witness.testimony()
    }

    /// It got no CPU since it was looked at, as far as is known.
    pub(super) fn came_nowhere(&mut self) -> bool {
        let (Some(before), Some(now)) = (self.runs, self.watch.runs()) else {
            return true;
        };
        before.is_same_turn(now)
    }

    /// Asks where it is.
    pub(super) fn locate(&mut self) -> Option<usize> {
        self.cpu = self.watch.cpu();
        self.cpu
    }

    /// The stack that was read last, as that of a thread that waits for a CPU.
    pub(super) fn ready_stack(&mut self, seen: &mut Seen) -> Option<StackId> {
        let top = self.top?;
        if let Some((known, stack)) = self.ready
            && known == top
        {
            return Some(stack);
        }
        let frame = ready_frame(top.innermost, &mut seen.frames)?;
        let stack = seen.stacks.intern(Some(top.stack), frame);
        self.ready = Some((top, stack));
        Some(stack)
    }

    /// The stack that was read last, with the system call that it waits in.
    pub(super) fn last_stack(
        &mut self,
        target: &Target,
        seen: &mut Seen,
        waits_in: Option<u32>,
    ) -> Option<StackId> {
        let top = self.top?;
        let Some(number) = waits_in else {
            return Some(top.stack);
        };
        if let Some((below, call, stack)) = self.waiting
            && (below, call) == (top, number)
        {
            return Some(stack);
        }
        let machine = target.perl.identity.machine.as_deref().unwrap_or_default();
        let frame = syscall_name(machine, number)
            .and_then(|name| syscall_frame(name, top.innermost, &mut seen.frames));
        let stack = frame.map_or(top.stack, |f| seen.stacks.intern(Some(top.stack), f));
        self.waiting = Some((top, number, stack));
        Some(stack)
    }

    /// After its stack was read while we were on that CPU: if it belongs there, it was off the CPU,
    /// and has this stack until it runs again.
    pub(super) fn settle(&mut self, ours: Option<usize>) {
        let Some(runs) = self.runs.filter(|_| self.top.is_some()) else {
            return;
        };
        self.cpu = self.watch.cpu();
        if self.cpu.is_some() && self.cpu == ours {
            self.rest = Some(Rest {
                runs,
                state: ThreadState::Running,
                has_stack: true,
            });
        }
    }
}

/// A process.
pub(super) struct Watched {
    pub(super) target: Target,
    pub(super) names: Names,
    pub(super) interpreters: Interpreters,
    pub(super) threads: Vec<WatchedThread>,
    /// Reads the C stacks of its threads, where they are wanted.
    pub(super) native: Option<NativeReader>,
    title: Arc<str>,
    /// How many threads there were at the last look.
    known_count: usize,
    /// Each of them has its interpreter, or did not get one since the look before.
    settled: bool,
    /// Its threads of which nothing told whether they run Perl, at the last two looks.
    pub(super) unread: usize,
    unread_now: usize,
    failures: u32,
    lost_since: Option<Instant>,
    /// When it was attached to.
    since: Instant,
    /// System calls that are in the recording's count already.
    pub(super) reads_counted: u64,
}

impl Watched {
    pub(super) fn new(target: Target, names: NameOptions, native: Option<NativeReader>) -> Self {
        Watched {
            title: target.process.title().into(),
            interpreters: Interpreters::new(&target, names.beyond),
            target,
            names: Names::with(names),
            threads: Vec::new(),
            native,
            known_count: 0,
            settled: false,
            unread: 0,
            unread_now: 0,
            failures: 0,
            lost_since: None,
            since: Instant::now(),
            reads_counted: 0,
        }
    }

    /// Keeps the list of threads true to the target's.
    pub(super) fn refresh_threads(&mut self, seen: &mut Seen, tally: &mut Tally) {
        let is_empty = self.threads.is_empty();
        if (is_empty || self.since.elapsed() < YOUTH) && self.target.is_replaced() {
            self.failed();
            return;
        }
        let newcomers = self.target.has_newcomers();
        let is_settled = self.settled && (!is_empty || self.target.is_vacant()) && !newcomers;
        // Who waits makes no threads.
        if is_settled && self.threads.iter().all(|t| t.waits) {
            return;
        }
        let process = self.target.process;
        let Some(count) = process.thread_count() else {
            return;
        };
        if is_settled && count == self.known_count {
            return;
        }
        // A thread that is being made has no interpreter yet: it is looked for again next time.
        let Ok(threads) = self.target.threads() else {
            if is_empty {
                self.failed();
            }
            return;
        };
        // One that is being made may not be in place yet.
        let unread = self.target.unread_threads();
        self.unread = unread.min(std::mem::replace(&mut self.unread_now, unread));
        self.settled = threads.len() == count || count == self.known_count;
        self.known_count = count;
        for mut gone in self.threads.extract_if(.., |w| !w.is_among(&threads)) {
            gone.forgets_failures(tally);
        }
        for thread in threads {
            let tid = thread.os_tid;
            if self.threads.iter().all(|w| w.thread.os_tid != tid) {
                self.watch(thread, seen);
            }
        }
    }

    fn watch(&mut self, thread: PerlThread, seen: &mut Seen) {
        let pid = self.target.process.pid();
        let chair = Chair::new(&thread, &mut self.interpreters);
        let number = self.interpreters.number(thread.runs.interpreter);
        let me = ThreadAbout {
            pid,
            title: self.title.clone(),
            os_tid: thread.os_tid,
            perl_tid: thread.perl_tid,
            interpreter: (number > 1 && thread.perl_tid.is_none()).then_some(number),
        };
        let about = seen.threads.insert_full(me.clone()).0;
        let mut watch = ThreadWatch::new(pid, thread.os_tid);
        let mut debt = Debt::default();
        debt.begin(watch.runs());
        self.threads.push(WatchedThread {
            watch,
            witness: Witness::new(pid, thread.os_tid, self.native.is_some()),
            chair,
            real_time: is_real_time(thread.os_tid),
            ended: false,
            waits_for_nothing: false,
            waits: false,
            cpu: None,
            looks: 0,
            runs: None,
            rest: None,
            about: u32::try_from(about).unwrap_or(u32::MAX),
            me,
            thread,
            top: None,
            waiting: None,
            ready: None,
            debt,
            strata: Strata::default(),
            has_code: false,
            failures: BTreeMap::new(),
        });
    }

    /// Forgets threads that ended.
    pub(super) fn sweep(&mut self, tally: &mut Tally) {
        for mut gone in self.threads.extract_if(.., |t| t.ended) {
            gone.forgets_failures(tally);
            self.settled = false;
        }
    }

    /// Takes leave of it. `is_no_more` says that it has ended, or is another program.
    pub(super) fn close(&mut self, is_no_more: bool, tally: &mut Tally) {
        for thread in &mut self.threads {
            match is_no_more {
                true => thread.forgets_failures(tally),
                false => thread.counts_failures(tally),
            }
        }
    }

    pub(super) fn succeeded(&mut self) {
        self.failures = 0;
        self.lost_since = None;
    }

    pub(super) fn failed(&mut self) {
        self.failures += 1;
        self.lost_since.get_or_insert_with(Instant::now);
    }

    /// It is worth asking whether the process has ended.
    pub(super) fn may_be_dead(&self) -> bool {
        self.threads.iter().all(|t| t.ended || t.waits_for_nothing)
    }

    pub(super) fn has_failed(&self) -> bool {
        self.failures > 0
    }

    /// It failed so often, or for so long, that it must have become something else.
    pub(super) fn is_lost(&self) -> bool {
        let long = self.lost_since.is_some_and(|s| s.elapsed() >= LOST_FOR);
        self.failures >= FAILURES || long
    }
}
