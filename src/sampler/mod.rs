//! The loop that samples: schedule, processes and their threads, accounting, and what to do when a
//! target ends, execs, forks or grows threads.
//!
//! The loop runs on a thread of its own. It holds nothing that others wait for while it reads: what it has is
//! its own (`sampler/own.rs`) and handed over after each round. A read that never comes back leaves it alone;
//! `commands/record.rs` waits for its end with a deadline, after which `commands/session.rs` calls it stuck
//! (`End::Stuck`), and commands attach beside the main thread (`commands/aside.rs`).
//!
//! *When.* `sampler/clock.rs` draws exponentially distributed distances: a sample disturbs what follows it,
//! and only such moments see each state as long as it lasts. What rounds cost is watched (`governor.rs`):
//! before they would take more of a CPU than they may, they become fewer, and each sample counts for several.
//! How many is said when its moment is drawn, from rounds that are over: so what is expensive to look at
//! counts neither more nor less.
//!
//! *Whom.* `watched.rs` is one process with its threads; `scout.rs`, on another thread, finds children and
//! programs that became perls, and attaches to them. No living process is given up: what is found of one, and
//! why it is none of ours, holds for one program only (`platform/linux/incarnation.rs`: from exec to exec),
//! so that an exec in the middle of an attach or of a sample is seen as what it is. A program that is no perl
//! is judged anew when it has become another or loaded something. Orphans of a program that we started are
//! handed over to us (`platform/unix/orphans.rs`); our own helpers are told from them by a list. Hundreds of
//! waiting workers are one question (`platform/linux/load.rs`): how many threads the machine has, and how
//! many of them run. Only when that changes can one of ours have ended, and only then is each looked at.
//!
//! *In which order.* `sampler/turns.rs` looks at all threads first; those that run are then read CPU by CPU,
//! our own first: one wake-up serves all that share it. A thread that was seen off the CPU and has not run
//! since its stack was read still has that stack, and rests: the kernel counts its turns, and the count is
//! asked before the stack is read. So a waiting thread costs one small read of /proc per sample, and so does
//! one that waits for a CPU where more threads run than there are CPUs. A thread that was woken up and has
//! not run yet still waits.
//!
//! *A thread that runs.* `platform/linux/thread.rs` asks the kernel whether it does; `coschedule.rs` moves
//! our own thread to its CPU; `perl/sample.rs` takes the stack, and with it the word that tells which
//! interpreter the thread runs: where that is another one, `sampler/interpreters.rs` has what is known of
//! that one's stack. The sampling thread asks for the lowest real-time priority: at an ordinary one the
//! scheduler (Linux 6.18, measured) often lets it in only when the target's turn ends or when the target
//! makes a system call, and a line that calls `clock_gettime` got ten times its share.
//!
//! *Does it count as CPU time?* "Running" in /proc is also who waits for a CPU. `platform/linux/witness.rs`
//! tells them apart by records that the kernel writes into a page and we read (`records.rs`): all its last switches
//! (`history.rs`). When it left a CPU last (`switches.rs`) is not enough even at real-time priority: from an idle CPU we
//! come some 50 us late, and whoever was woken up meanwhile had none when we were due; a sub that runs after each nap
//! got a quarter more than it had (measured). It held a CPU if it had come and not left by then, or was being brought to
//! it, which its clock counts, too (`switch_time.rs` learns how long that takes), and is where it was if it has not
//! run since. Of one that was set aside that is believed however late it is, as it did not choose the moment;
//! of one that began to wait only within twice the time in which threads are usually set aside for us (`sampler/punctual.rs`),
//! or where nobody made us wait: what is later is missed, or samples would gather where a program waits. `presence.rs` has
//! which moment is meant where we follow a thread to another CPU. Where the kernel keeps no records
//! there is `se.exec_start` of the thread's account, which the scheduler sets to the same clock for the one that
//! it sends away and for us whom it lets in; it tells of the present only, so there a round that waited longer
//! than usual in the run queue (our own schedstat) is put off. A thread that began to wait just then, while the
//! kernel let nobody in, counts as on the CPU; without a history, one that was met on another CPU must not
//! have come there since it was looked at.
//! `sampler/presence.rs` asks the witness, and `Sampler::sample` (`mod.rs`) decides by its answer: it held
//! the CPU, it did not, we are too late, or nobody knows; who is not known counts as on the CPU, and the account says how many
//! those are (`Tally::unsure`). A sample of a thread that waits for a CPU is one that waits, with `(waiting
//! for a CPU)` on top; without `--idle` it is counted and no stack is read (`profile/filter.rs` leaves out
//! what a recording has of them). A dump asks `platform/shared_cpu.rs`. What is seen is too little all the same: who is
//! let in late misses some, and where our timer and the program's are on one CPU, one interrupt wakes up both, so that
//! it is never seen in its first microseconds. For what was missed others count that are like it (`sampler/strata.rs`).
//! The kernel's account of each thread's CPU time says how much is lacking then, as far as it is more than chance: for
//! that count those that were seen to wait for a CPU, and for an ordinary user on a busy machine whatever is taken, too
//! (`sampler/debt.rs`).

// The benchmarks' too: their floor keeps the same schedule.
#[doc(hidden)]
pub mod clock;
mod control;
mod debt;
mod ending;
mod governor;
mod interpreters;
mod native;
mod own;
mod presence;
mod punctual;
mod scout;
mod strata;
mod turns;
mod watched;

use crate::ids::Pid;
use crate::image::DebugSearch;
pub use control::{Control, End, Recording, Settings, TOO_FEW_FILES};
pub use scout::Follow;

use crate::attach::{AttachError, Target, unread_threads};
use crate::layout::Sources;
use crate::memory::ReadError;
use crate::platform::load::Load;
use crate::platform::{
    Arrival, CoSchedule, Gaps, HeldCpu, OwnWait, Priority, Testimony, allow_many_watches,
    thread_cpu_time, wake_at_once,
};
use crate::profile::{Sample, Sink};
use clock::{BothClocks, Clock};
use governor::Governor;
use native::NativeReader;
use own::Own;
use presence::{Admission, Looked, Presence, come, held};
use punctual::Punctual;
use scout::{Left, Report, Scout};
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};
use turns::Turn;
use watched::{Of, Watched};

/// New and ended threads are looked for this often.
const THREADS_EVERY: Duration = Duration::from_millis(100);
/// Threads that wait are looked at this often, even if none can have ended.
const LOOK_ANYWAY: Duration = Duration::from_secs(1);
/// So often a sample is put off that came late; then it is taken as it is.
const MOST_PUT_OFF: u32 = 12;
/// A round of more samples than this takes is not gone through to its end where everything ends.
const LONG_ROUND: Duration = Duration::from_millis(200);
/// The longest sleep, so that a request to stop is heard soon.
const NAP: Duration = Duration::from_millis(50);
/// A wake-up that comes later than this waited for the target's turn on the CPU to end.
const LATE: Duration = Duration::from_millis(1);

/// Samples targets until something ends it.
pub struct Sampler<S> {
    watched: Vec<Watched>,
    /// Where debug files are, for names of C.
    search: Option<DebugSearch>,
    scout: Scout,
    /// Processes that the scout was asked for.
    awaited: Vec<Pid>,
    roots: Vec<Pid>,
    nobody_since: Option<Instant>,
    /// The scout was asked who is left.
    counting: bool,
    /// Its last answer, since there is nobody to sample.
    left: Option<(Left, Instant)>,
    lost: Option<Box<AttachError>>,
    settings: Settings,
    own: Own,
    recording: Arc<Mutex<Recording<S>>>,
    control: Arc<Control>,
    schedule: CoSchedule,
    /// Our coming to the CPU that we are on.
    arrival: Option<Arrival>,
    /// When this round of samples was due: nanoseconds of CLOCK_MONOTONIC.
    tick: u64,
    /// So many samples each one of this round counts for.
    weight: u32,
    /// Somebody let us wait, and may have chosen the moment.
    is_late: bool,
    load: Load,
    turns: Vec<Turn>,
    /// When stacks of waiting threads are looked at next; `None` where they are not.
    glance_due: Option<Instant>,
    /// The machine's threads when each of ours was looked at last, and when that was.
    counted: (Option<u32>, Instant),
    /// Threads that run, or are ready to, at the last look.
    running: usize,
    cpus: usize,
    started: Instant,
    /// When it ends by itself.
    deadline: Option<Instant>,
    gaps: Gaps,
    /// There was a gap since the last sample.
    was_away: bool,
    /// Whoever we wait for may not let us in: samples count for what the kernel says was missed.
    priority: Priority,
    /// How soon after a sample is due its thread is set aside for us.
    usual: Punctual,
    /// For how long we waited for a CPU to take this round on; `None` where nobody can make us wait, or it is not known.
    waited: Option<Duration>,
}

impl<S: Sink> Sampler<S> {
    /// A sampler of attached targets. `roots` are the processes whose children are followed, the
    /// targets among them.
    pub fn new(
        targets: Vec<Target>,
        roots: Vec<Pid>,
        sources: Sources,
        settings: Settings,
        recording: Arc<Mutex<Recording<S>>>,
        control: Arc<Control>,
    ) -> Self {
        control.idle.store(settings.idle, Ordering::Relaxed);
        let search = sources.debug.clone();
        let scout = Scout::start(&roots, &targets, settings.follow, sources);
        let watched = targets.into_iter();
        let watched = watched.map(|target| watch(target, settings, search.as_ref()));
        Sampler {
            watched: watched.collect(),
            search,
            scout,
            awaited: Vec::new(),
            roots,
            nobody_since: None,
            counting: false,
            left: None,
            lost: None,
            settings,
            own: Own::default(),
            recording,
            control,
            schedule: CoSchedule::new(),
            arrival: None,
            tick: 0,
            weight: 1,
            is_late: false,
            load: Load::open(),
            turns: Vec::new(),
            glance_due: settings.glances.then(Instant::now),
            counted: (None, Instant::now()),
            running: 0,
            cpus: std::thread::available_parallelism().map_or(1, usize::from),
            started: Instant::now(),
            deadline: None,
            gaps: Gaps::watch(),
            was_away: false,
            priority: Priority::Ordinary,
            usual: Punctual::default(),
            waited: None,
        }
    }

    /// Samples on a thread of its own, which has the name `sampler`.
    ///
    /// # Errors
    /// That no thread can be started.
    pub fn spawn(self) -> std::io::Result<JoinHandle<End>>
    where
        S: 'static,
    {
        let thread = std::thread::Builder::new().name("sampler".into());
        thread.spawn(move || self.run())
    }

    /// Samples until the end. Must run on a thread of its own: it changes its CPU, and may never come
    /// back where a target's memory does not answer.
    pub fn run(mut self) -> End {
        let end = self.sample_on();
        for watched in &mut self.watched {
            let process = watched.target.process;
            let is_no_more = !process.is_alive() || watched.target.is_replaced();
            watched.close(is_no_more, &mut self.own.tally);
        }
        self.own.publish_all(&self.recording);
        end
    }

    fn sample_on(&mut self) -> End {
        self.started = Instant::now();
        self.gaps = Gaps::watch();
        self.deadline = self.settings.duration.map(|d| self.started + d);
        self.control.set_deadline(self.deadline);
        self.priority = wake_at_once();
        let is_ordinary = self.priority == Priority::Ordinary;
        let mut own_wait = is_ordinary.then(OwnWait::start);
        let mut punctual = Punctual::default();
        let mut put_off = 0;
        allow_many_watches();
        self.refresh_threads();
        let mut clock = Clock::new(self.settings.rate, self.started);
        let both = BothClocks::now();
        let mut threads_due = self.started + THREADS_EVERY;
        let most = self.settings.max_cpu;
        let mut governor = most.map(|share| Governor::new(share, self.settings.rate));
        let (mut spent, mut round) = (thread_cpu_time(), self.started);
        loop {
            if let Some(end) = self.sleep_until(clock.due()) {
                return end;
            }
            if self.take_gap() {
                own_wait = own_wait.map(|_| OwnWait::start());
                self.forget_debts();
                clock = Clock::new(self.settings.rate, Instant::now());
                continue;
            }
            if self.control.pause.load(Ordering::Relaxed) {
                if let Some(end) = self.wait_out_pause() {
                    return end;
                }
                self.forget_debts();
                clock = Clock::new(self.settings.rate, Instant::now());
                continue;
            }
            self.settings.idle = self.control.idle.load(Ordering::Relaxed);
            let now = Instant::now();
            let behind = now.saturating_duration_since(clock.due());
            self.waited = own_wait.as_mut().and_then(OwnWait::since_last);
            self.is_late = self
                .waited
                .is_some_and(|waited| !punctual.is_on_time(waited))
                && self.sees_the_present_only();
            if self.is_late && put_off < MOST_PUT_OFF {
                put_off += 1;
                clock.put_off(now);
                continue;
            }
            put_off = 0;
            let late = behind > LATE;
            self.weight = clock.counts_for();
            let missed = clock.advance(now);
            let all_due = now >= threads_due;
            if all_due {
                threads_due = now + THREADS_EVERY;
                self.watched.retain_mut(|w| {
                    let is_dead = w.may_be_dead() && !w.target.process.is_alive();
                    if is_dead {
                        w.close(true, &mut self.own.tally);
                    }
                    !is_dead
                });
                self.refresh_threads();
            }
            if missed > 0 || late {
                let threads = self.watched.iter().map(|w| w.threads.len()).sum::<usize>();
                self.own.tally.missed += missed * threads as u64;
                self.own.ticks += missed;
                self.own.tally.late += u64::from(late) * self.weighed(threads);
            }
            self.take_reports();
            self.tick = both.monotonic(now - behind);
            let cpu = self.schedule.pinned();
            self.arrival = cpu.map(Arrival::new);
            let look_at_all = all_due && self.may_have_ended();
            self.tick(look_at_all);
            for (due, weight) in clock.passed() {
                self.pass_by(both.monotonic(*due), *weight);
            }
            if let Some(end) = self.ended() {
                return end;
            }
            if let Some(governor) = &mut governor {
                let so_far = thread_cpu_time();
                let cost = so_far.saturating_sub(spent);
                clock.slow_down(governor.after(cost, now.saturating_duration_since(round)));
                (spent, round) = (so_far, now);
            }
        }
    }

    /// What programs did meanwhile was not to be sampled.
    fn forget_debts(&mut self) {
        let threads = self.watched.iter_mut().flat_map(|w| &mut w.threads);
        threads.for_each(|thread| thread.opens_account());
    }

    fn sleep_until(&mut self, due: Instant) -> Option<End> {
        loop {
            self.notice_gap();
            let deadline = self.deadline;
            if self.control.stop.load(Ordering::Relaxed) {
                return Some(End::Stopped);
            }
            let now = Instant::now();
            if deadline.is_some_and(|d| now >= d) {
                return Some(End::Duration);
            }
            let rest = due.checked_duration_since(now).filter(|r| !r.is_zero())?;
            let rest = deadline.map_or(rest, |d| rest.min(d.saturating_duration_since(now)));
            // A slow clock must not hide that there is nothing left to wait for.
            let alive = |w: &Watched| w.target.process.is_alive();
            let expected = !self.awaited.is_empty() || self.settings.follow != Follow::Nobody;
            if rest > NAP && !expected && !self.watched.iter().any(alive) {
                return Some(End::TargetEnded);
            }
            std::thread::sleep(rest.min(NAP));
        }
    }

    /// Whoever was stopped or asleep has missed nothing. The time does not count for the duration.
    fn notice_gap(&mut self) {
        let Some(gap) = self.gaps.since_last() else {
            return;
        };
        self.was_away = true;
        self.own.tally.away += gap.length();
        self.own.tally.slept += gap.slept;
        self.deadline = self.deadline.map(|d| d + gap.stopped);
        self.control.set_deadline(self.deadline);
    }

    /// True once after each gap.
    fn take_gap(&mut self) -> bool {
        std::mem::take(&mut self.was_away)
    }

    /// Takes no samples until it may again. The time does not count for the duration.
    fn wait_out_pause(&mut self) -> Option<End> {
        let begun = Instant::now();
        while self.control.pause.load(Ordering::Relaxed) {
            if self.control.stop.load(Ordering::Relaxed) {
                return Some(End::Stopped);
            }
            self.watched.retain(|w| w.target.process.is_alive());
            self.take_reports();
            if let Some(end) = self.ended() {
                return Some(end);
            }
            std::thread::sleep(NAP);
            let deadline = self.deadline;
            self.notice_gap();
            // It is part of the pause.
            self.deadline = deadline;
        }
        self.deadline = self.deadline.map(|d| d + begun.elapsed());
        self.control.set_deadline(self.deadline);
        None
    }

    /// True if nobody can tell where some thread was when its sample was due, only where it is.
    fn sees_the_present_only(&self) -> bool {
        let mut threads = self.watched.iter().flat_map(|w| &w.threads);
        threads.any(|thread| thread.testimony() == Testimony::Present)
    }

    /// True when each thread should be looked at even if none runs: one of them may have ended.
    fn may_have_ended(&mut self) -> bool {
        let (threads, since) = (self.load.threads(), self.counted.1);
        let same = threads.is_some() && threads == self.counted.0;
        if same && since.elapsed() < LOOK_ANYWAY {
            return false;
        }
        self.counted = (threads, Instant::now());
        true
    }

    /// Takes note of a moment that was missed: who had a CPU then.
    fn pass_by(&mut self, due: u64, weight: u32) {
        let threads = self.watched.iter_mut().flat_map(|w| &mut w.threads);
        threads.for_each(|thread| thread.missed_at(due, weight));
    }

    /// One sample of every thread.
    fn tick(&mut self, all: bool) {
        // By the wall: the machine's sleep is part of it.
        let at = self.started.elapsed() + self.own.tally.slept;
        let idle = self.whose_turn(all);
        self.own.tally.idle += self.weighed(idle);
        self.own.ticks += u64::from(self.weight);
        let threads = self.watched.iter().map(|w| w.threads.len()).sum::<usize>();
        self.own.tally.thinned += u64::from(self.weight.saturating_sub(1)) * threads as u64;
        let turns = std::mem::take(&mut self.turns);
        let begun = Instant::now();
        for (done, turn) in turns.iter().enumerate() {
            if begun.elapsed() >= LONG_ROUND && self.is_over() {
                let left = turns.iter().skip(done).filter(|t| !t.is_glance).count();
                self.own.tally.missed += self.weighed(left);
                break;
            }
            self.sample(*turn, at);
        }
        self.turns = turns;
        self.own.publish(&self.recording);
        self.sweep();
    }

    /// It was asked to end, or its time is over.
    fn is_over(&self) -> bool {
        let is_late = self.deadline.is_some_and(|d| Instant::now() >= d);
        is_late || self.control.stop.load(Ordering::Relaxed)
    }

    fn weighed(&self, samples: usize) -> u64 {
        samples as u64 * u64::from(self.weight)
    }

    fn sample(&mut self, turn: Turn, at: Duration) {
        let crowd = self.is_crowd();
        let Some(watched) = self.watched.get_mut(turn.process) else {
            return;
        };
        let Watched {
            target,
            names,
            interpreters,
            threads,
            native,
            ..
        } = watched;
        let Some(thread) = threads.get_mut(turn.thread) else {
            return;
        };
        let admission = Admission::of(self.priority, self.tick, self.waited);
        let schedule = &mut self.schedule;
        let arrival = &mut self.arrival;
        // From where we were when it was due, or from elsewhere.
        let is_here = turn.cpu == schedule.pinned();
        let looked = Looked {
            is_here,
            due: self.tick,
            at: turn.looked,
            admission,
        };
        let together = match turn.cpu {
            _ if !turn.running || turn.rests => true,
            Some(cpu) if !thread.real_time => come(schedule, arrival, cpu),
            _ => false,
        };
        // Before anything else is done here.
        let mut stint = turn.stint;
        let presence = match turn.running {
            true if turn.rests => Presence::Off,
            true if together => {
                let held = held(thread, schedule, arrival, looked);
                stint = held.and_then(HeldCpu::stint).unwrap_or_default();
                Presence::of(held, admission, &mut self.usual)
            }
            true => Presence::Unknown,
            false if turn.paused => Presence::OnCpu,
            false => Presence::Off,
        };
        let is_made_up = turn.running
            && presence == Presence::Off
            && !turn.rests
            && thread.is_owed(self.settings.rate, self.weight, self.priority);
        let on_cpu = presence != Presence::Off || is_made_up;
        let weight = u64::from(self.weight);
        if presence == Presence::Late {
            self.own.tally.missed += weight;
            thread.misses(stint, self.weight);
            return;
        }
        if turn.running && !on_cpu && !self.settings.idle {
            self.own.tally.ready += weight;
            return;
        }
        let mut follow = |cpu: usize| {
            if together && turn.running {
                schedule.follow(cpu);
            }
        };
        let seen = &mut self.own.seen;
        let mut taken = if turn.rests {
            Ok(thread.last_stack(target, seen, turn.waits_in))
        } else {
            let waits_in = turn.waits_in;
            let of = Of {
                native: native.as_mut(),
                shows_ops: self.settings.shows_ops,
                target,
                names,
                interpreters,
            };
            thread.take(of, seen, waits_in, together, &mut follow)
        };
        if turn.running && !on_cpu && matches!(taken, Ok(Some(_))) {
            taken = Ok(thread.ready_stack(seen));
        }
        if crowd && turn.running && together && !turn.rests {
            thread.settle(schedule.pinned());
        }
        if on_cpu && together {
            thread.learns();
        }
        let about = thread.about;
        let tally = &mut self.own.tally;
        let mut count = self.weight;
        let is_good = on_cpu && !turn.is_glance && matches!(taken, Ok(Some(_)));
        tally.made_up += weight * u64::from(is_good && is_made_up);
        if is_good && !is_made_up {
            let (rate, priority) = (self.settings.rate, self.priority);
            let more = thread.makes_up_for(rate, count, priority, stint, tally);
            tally.makes_up(more.into());
            count += more;
        }
        match taken {
            Ok(Some(stack)) if turn.is_glance => self.own.glances.push(Sample {
                stack,
                thread: about,
                running: false,
                at,
                count: self.weight,
            }),
            Ok(Some(stack)) => {
                *(match (turn.running, on_cpu) {
                    (_, true) => &mut tally.good,
                    (true, false) => &mut tally.ready,
                    (false, false) => &mut tally.idle,
                }) += weight;
                let is_unsure = presence == Presence::Unknown || (on_cpu && self.is_late);
                tally.unsure += weight * u64::from(is_unsure);
                tally.approximate += weight * u64::from(!together);
                tally.native += u64::from(count) * u64::from(on_cpu && thread.has_code);
                thread.counts_failures(tally);
                self.own.samples.push(Sample {
                    stack,
                    thread: about,
                    running: on_cpu,
                    at,
                    count,
                });
                watched.succeeded();
            }
            // The kernel says so a little before the thread is seen to be gone.
            Err(e) if e.read_error() == Some(ReadError::NoSuchProcess) => {
                thread.ended = true;
                tally.gone += weight * u64::from(!turn.is_glance);
            }
            Ok(None) | Err(_) if turn.is_glance => {}
            Ok(None) => tally.torn += weight,
            Err(e) if e.is_torn() => tally.torn += weight,
            Err(e) if e.is_about_stack() && thread.has_lost_interpreter(&watched.target) => {
                tally.gone += weight;
                watched.failed();
            }
            Err(e) => {
                thread.failed(e.kind(), weight, tally);
                watched.failed();
            }
        }
        if turn.rests {
            return;
        }
        let reads = watched.target.remote_reads();
        self.own.remote_reads += reads - watched.reads_counted;
        watched.reads_counted = reads;
    }

    /// Takes leave of threads and processes that ended, and of processes that became something else.
    fn sweep(&mut self) {
        let (scout, awaited, tally) = (&self.scout, &mut self.awaited, &mut self.own.tally);
        self.watched.retain_mut(|w| {
            let process = w.target.process;
            let some_ended = w.threads.iter().any(|t| t.ended);
            if some_ended {
                w.sweep(tally);
            }
            let is_in_doubt = some_ended || w.has_failed();
            if is_in_doubt && !process.is_alive() {
                w.close(true, tally);
                return false;
            }
            let is_replaced = is_in_doubt && w.target.is_replaced();
            if is_replaced || w.is_lost() {
                w.close(is_replaced, tally);
                awaited.push(process.pid());
                scout.attach_again(process.pid());
                return false;
            }
            true
        });
    }

    /// Keeps the lists of threads true to the targets'.
    fn refresh_threads(&mut self) {
        let begun = Instant::now();
        for at in 0..self.watched.len() {
            if begun.elapsed() >= LONG_ROUND && self.is_over() {
                break;
            }
            let Some(watched) = self.watched.get_mut(at) else {
                break;
            };
            watched.refresh_threads(&mut self.own.seen, &mut self.own.tally);
            if watched.unread > 0 {
                let unread = Arc::make_mut(&mut self.own.unread);
                unread.insert(
                    watched.target.process.pid(),
                    unread_threads(watched.unread).into(),
                );
            }
        }
        self.own.processes = self.watched.len();
        self.own.threads = self.watched.iter().map(|w| w.threads.len()).sum();
    }

    /// Takes over what the scout has found.
    fn take_reports(&mut self) {
        let mut found = false;
        while let Some(report) = self.scout.report() {
            match report {
                Report::Found(target) => {
                    let pid = target.process.pid();
                    self.awaited.retain(|awaited| *awaited != pid);
                    Arc::make_mut(&mut self.own.unread).remove(&pid);
                    self.watched.retain(|w| w.target.process.pid() != pid);
                    self.own.tally.unseen += u64::from(!target.process.is_alive());
                    let watched = watch(*target, self.settings, self.search.as_ref());
                    self.watched.push(watched);
                    found = true;
                }
                Report::Gone(pid, why) => {
                    self.awaited.retain(|awaited| *awaited != pid);
                    self.lost = why;
                }
                Report::Unread(pid, why) => {
                    Arc::make_mut(&mut self.own.unread).insert(pid, why);
                }
                Report::Left(left) => {
                    self.counting = false;
                    self.left = Some((left, Instant::now()));
                }
            }
        }
        self.own.unlooked = self.scout.unlooked();
        if found {
            self.refresh_threads();
        }
    }
}

fn watch(target: Target, settings: Settings, search: Option<&DebugSearch>) -> Watched {
    let native = settings
        .native
        .and_then(|level| NativeReader::of(&target, level, settings.shows_ops, search));
    Watched::new(target, settings.names, native)
}
