//! The loop that samples: schedule, threads, accounting, and what to do when the target ends,
//! execs or grows threads.

// The two are the benchmarks' too: their floor keeps the same schedule on the same CPU.
#[doc(hidden)]
pub mod clock;
#[cfg(target_os = "linux")]
#[doc(hidden)]
pub mod coschedule;

use crate::attach::{AttachError, PerlThread, Target};
use crate::layout::Sources;
use crate::memory::ReadError;
use crate::perl::names::{FrameId, FrameTable, Names};
use crate::perl::sample::ThreadSampler;
use crate::process::{Process, ThreadState, ThreadWatch};
use crate::profile::{StackCounts, Tally};
use clock::Clock;
use coschedule::{CoSchedule, is_real_time, wake_at_once};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// How often, how long, and what counts.
#[derive(Debug, Clone, Copy)]
pub struct Settings {
    /// Samples per second.
    pub rate: f64,
    /// When to end by itself.
    pub duration: Option<Duration>,
    /// Record the stacks of waiting threads too.
    pub idle: bool,
}

/// Takes the stacks, innermost frame first.
pub trait Sink: Send {
    /// One stack. The table is that of the recording and only grows.
    fn add(&mut self, table: &FrameTable, stack: &[FrameId], running: bool);
}

/// What a recording has so far; shared with whoever shows it.
#[derive(Debug, Default)]
pub struct Recording<S> {
    /// Every frame seen.
    pub table: FrameTable,
    /// What became of the samples.
    pub tally: Tally,
    /// The stacks.
    pub sink: S,
    /// Threads that run Perl.
    pub threads: usize,
    /// System calls that read the target.
    pub remote_reads: u64,
}

/// Why a recording ended.
#[derive(Debug)]
pub enum End {
    /// It was told to.
    Stopped,
    /// Its time was over.
    Duration,
    /// The target ended.
    TargetEnded,
    /// The target can no longer be read as a perl: it became another program.
    Lost(Box<AttachError>),
}

/// New and ended threads are looked for this often.
const THREADS_EVERY: Duration = Duration::from_millis(100);
/// The longest sleep, so that a request to stop is heard soon.
const NAP: Duration = Duration::from_millis(50);
/// A wake-up that comes later than this waited for the target's turn on the CPU to end.
const LATE: Duration = Duration::from_millis(1);
/// So many failures in a row mean that the target has become something else.
const FAILURES: u32 = 20;
/// So does a time without any success.
const LOST_FOR: Duration = Duration::from_millis(100);
/// How long a target that cannot be read is tried again: an exec takes that long at most.
const EXEC_PATIENCE: Duration = Duration::from_secs(5);

struct Watched {
    thread: PerlThread,
    watch: ThreadWatch,
    sampler: ThreadSampler,
    real_time: bool,
    ended: bool,
}

/// Samples a target until something ends it.
pub struct Sampler<'r, S> {
    target: Target,
    sources: Sources,
    settings: Settings,
    recording: &'r Mutex<Recording<S>>,
    stop: &'r AtomicBool,
    names: Names,
    watched: Vec<Watched>,
    known_tids: Vec<i32>,
    schedule: CoSchedule,
    failures: u32,
    lost_since: Option<Instant>,
    reads_before: u64,
    stack: Vec<FrameId>,
}

impl<'r, S: Sink> Sampler<'r, S> {
    /// A sampler of an attached target.
    pub fn new(
        target: Target,
        sources: Sources,
        settings: Settings,
        recording: &'r Mutex<Recording<S>>,
        stop: &'r AtomicBool,
    ) -> Self {
        Sampler {
            target,
            sources,
            settings,
            recording,
            stop,
            names: Names::merging_evals(),
            watched: Vec::new(),
            known_tids: Vec::new(),
            schedule: CoSchedule::new(),
            failures: 0,
            lost_since: None,
            reads_before: 0,
            stack: Vec::new(),
        }
    }

    /// Samples until the end. Must run on a thread of its own: it changes its CPU.
    pub fn run(mut self) -> End {
        let started = Instant::now();
        wake_at_once();
        self.refresh_threads();
        let mut clock = Clock::new(self.settings.rate, started);
        let mut threads_due = started + THREADS_EVERY;
        loop {
            if let Some(end) = self.sleep_until(clock.due(), started) {
                return end;
            }
            let now = Instant::now();
            let late = now.saturating_duration_since(clock.due()) > LATE;
            let missed = clock.advance(now);
            if missed > 0 || late {
                let threads = self.watched.len().max(1) as u64;
                let mut recording = self.recording();
                recording.tally.missed += missed * threads;
                recording.tally.late += u64::from(late) * threads;
            }
            if let Err(end) = self.tick() {
                return end;
            }
            if now >= threads_due {
                threads_due = now + THREADS_EVERY;
                if !self.target.process.is_alive() {
                    return End::TargetEnded;
                }
                self.refresh_threads();
            }
        }
    }

    fn recording(&self) -> MutexGuard<'r, Recording<S>> {
        // A panic elsewhere must not cost the recording.
        self.recording
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    fn sleep_until(&self, due: Instant, started: Instant) -> Option<End> {
        let deadline = self.settings.duration.map(|d| started + d);
        loop {
            if self.stop.load(Ordering::Relaxed) {
                return Some(End::Stopped);
            }
            let now = Instant::now();
            if deadline.is_some_and(|d| now >= d) {
                return Some(End::Duration);
            }
            let rest = due.checked_duration_since(now).filter(|r| !r.is_zero())?;
            let rest = deadline.map_or(rest, |d| rest.min(d.saturating_duration_since(now)));
            if rest > NAP && !self.target.process.is_alive() {
                return Some(End::TargetEnded);
            }
            std::thread::sleep(rest.min(NAP));
        }
    }

    /// One sample of every thread.
    fn tick(&mut self) -> Result<(), End> {
        let mut watched = std::mem::take(&mut self.watched);
        let mut lost = false;
        for thread in &mut watched {
            lost |= !self.sample(thread);
        }
        let before = watched.len();
        watched.retain(|w| !w.ended);
        let some_ended = watched.len() < before;
        self.watched = watched;
        if (some_ended || lost) && !self.target.process.is_alive() {
            return Err(End::TargetEnded);
        }
        if some_ended {
            self.known_tids.clear();
        }
        if !lost {
            self.lost_since = None;
            return Ok(());
        }
        let since = *self.lost_since.get_or_insert_with(Instant::now);
        if self.failures >= FAILURES || since.elapsed() >= LOST_FOR {
            self.failures = 0;
            self.lost_since = None;
            return self.attach_again();
        }
        Ok(())
    }

    /// False when the target could not be read.
    fn sample(&mut self, watched: &mut Watched) -> bool {
        let state = watched.watch.state();
        if state == ThreadState::Ended {
            watched.ended = true;
            return true;
        }
        let running = state == ThreadState::Running;
        if !running && !self.settings.idle {
            self.recording().tally.idle += 1;
            return true;
        }
        let mut together = !running;
        if running
            && !watched.real_time
            && let Some(cpu) = watched.watch.cpu()
        {
            together = self.schedule.follow(cpu);
        }
        let mut recording = self
            .recording
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let recording = &mut *recording;
        let schedule = &mut self.schedule;
        let watch = &mut watched.watch;
        // The target runs elsewhere by now: go there.
        let mut again = || {
            if together && let Some(cpu) = watch.cpu() {
                schedule.follow(cpu);
            }
        };
        let taken = watched.sampler.take(
            self.target.name_context(0),
            self.target.db_sub,
            &mut self.names,
            &mut recording.table,
            &mut self.stack,
            &mut again,
        );
        recording.remote_reads = self.reads_before + self.target.remote_reads();
        match taken {
            Ok(()) => {
                recording.sink.add(&recording.table, &self.stack, running);
                let tally = &mut recording.tally;
                *(if running {
                    &mut tally.good
                } else {
                    &mut tally.idle
                }) += 1;
                tally.approximate += u64::from(!together);
                self.failures = 0;
            }
            Err(e) if e.is_torn() => recording.tally.torn += 1,
            // The kernel says so a little before the thread is seen to be gone.
            Err(e) if e.read_error() == Some(ReadError::NoSuchProcess) => watched.ended = true,
            Err(e) => {
                *recording.tally.errors.entry(e.kind()).or_insert(0) += 1;
                self.failures += 1;
                return false;
            }
        }
        true
    }

    /// Keeps the list of threads true to the target's.
    fn refresh_threads(&mut self) {
        let Ok(tids) = self.target.process.thread_ids() else {
            return;
        };
        if tids == self.known_tids {
            return;
        }
        // A thread that is being made has no interpreter yet: it is looked for again next time.
        let Ok(threads) = self.target.threads() else {
            return;
        };
        if threads.len() == tids.len() || self.known_tids.len() == tids.len() {
            self.known_tids = tids;
        }
        self.watched.retain(|w| threads.contains(&w.thread));
        for thread in threads {
            if self.watched.iter().all(|w| w.thread != thread) {
                self.watched.push(Watched {
                    watch: ThreadWatch::new(self.target.process.pid(), thread.os_tid),
                    sampler: ThreadSampler::new(&thread.variables, thread.compiling),
                    real_time: is_real_time(thread.os_tid),
                    ended: false,
                    thread,
                });
            }
        }
        self.recording().threads = self.watched.len();
    }

    /// After an exec the process is another program, and perhaps another perl.
    fn attach_again(&mut self) -> Result<(), End> {
        let pid = self.target.process.pid();
        let deadline = Instant::now() + EXEC_PATIENCE;
        loop {
            if self.stop.load(Ordering::Relaxed) {
                return Err(End::Stopped);
            }
            if !self.target.process.is_alive() {
                return Err(End::TargetEnded);
            }
            let attached = Process::open(pid)
                .map_err(AttachError::from)
                .and_then(|process| Target::attach(process, &self.sources, &mut |_| {}));
            match attached {
                Ok(target) => {
                    self.reads_before += self.target.remote_reads();
                    self.target = target;
                    self.names = Names::merging_evals();
                    self.watched.clear();
                    self.known_tids.clear();
                    self.refresh_threads();
                    return Ok(());
                }
                Err(e) if Instant::now() >= deadline || !e.is_temporary() => {
                    return Err(if self.target.process.is_alive() {
                        End::Lost(Box::new(e))
                    } else {
                        End::TargetEnded
                    });
                }
                Err(_) => std::thread::sleep(Duration::from_millis(20)),
            }
        }
    }
}

impl Sink for StackCounts {
    fn add(&mut self, _table: &FrameTable, stack: &[FrameId], _running: bool) {
        StackCounts::add(self, stack);
    }
}
