//! All contact with the sampler under test: attach, run, count. Whoever changes the sampler's
//! interface changes this file and nothing else of the benchmarks.

use super::rules::{File, Place};
use indexmap::IndexSet;
use p5_spy::attach::{Attach, Target};
use p5_spy::frames::{Frame, FrameKind, StackId};
use p5_spy::ids::Pid;
use p5_spy::layout::Sources;
use p5_spy::perl::names::NameOptions;
use p5_spy::platform::Process;
use p5_spy::profile::{Sample, Seen, Sink, Tally};
use p5_spy::sampler::{Control, Follow, Recording, Sampler, Settings};
use std::path::Path;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

/// What the commands use, without the user's cache and tables.
pub fn sources() -> Sources {
    Sources {
        learn: p5_spy::layout::Learn::Ours,
        ..Sources::built_in()
    }
}

/// What a sampling run gave. Stacks are outermost frame first.
#[derive(Debug, Default)]
pub struct Samples {
    /// Every distinct stack.
    pub stacks: Vec<Vec<Place>>,
    /// Which of them, sample by sample.
    pub order: Vec<u32>,
    /// Good + torn + failed, of running threads.
    pub attempted: u64,
    pub torn: u64,
    pub missed: u64,
    pub failed: u64,
    pub approximate: u64,
    /// CPU time of the sampling threads, and reads of the target, for so many samples: those of
    /// the steady state, the first ones excluded.
    pub steady: Cost,
    /// The kinds of failures.
    pub errors: Vec<String>,
}

/// What some samples cost.
#[derive(Debug, Default, Clone, Copy)]
pub struct Cost {
    pub samples: u64,
    pub cpu: Duration,
    pub reads: u64,
}

/// Keeps every stack in the order of their coming.
#[derive(Default)]
struct Trace {
    stacks: IndexSet<StackId>,
    order: Vec<u32>,
    cpu_when_warm: Option<Duration>,
    warm: usize,
    running_only: bool,
}

impl Trace {
    fn keep(&mut self, stack: StackId) {
        self.order.push(self.stacks.insert_full(stack).0 as u32);
    }

    fn named(&self, seen: &Seen, program: &Path) -> Vec<Vec<Place>> {
        let places: Vec<Option<Place>> = seen.frames.iter().map(|f| place(f, program)).collect();
        let stack = |id: &StackId| {
            let mut frames: Vec<Place> = seen
                .stacks
                .frames(*id)
                .filter_map(|id| places[id.index()].clone())
                .collect();
            frames.reverse();
            frames
        };
        self.stacks.iter().map(stack).collect()
    }
}

impl Sink for Trace {
    fn add(&mut self, _seen: &Seen, sample: Sample) {
        if self.running_only && !sample.running {
            return;
        }
        self.keep(sample.stack);
        if self.order.len() == self.warm {
            self.cpu_when_warm = Some(thread_cpu());
        }
    }
}

/// A frame for the judge; `None` for one that `caller` does not give.
fn place(frame: &Frame, program: &Path) -> Option<Place> {
    let name = match frame.kind {
        FrameKind::Eval | FrameKind::Require => "(eval)".to_owned(),
        FrameKind::Main | FrameKind::Sub | FrameKind::Format => frame.name.to_string(),
        _ => return None,
    };
    let file = match Path::new(&*frame.file) {
        file if file == program => File::Program,
        _ if frame.file.starts_with("(eval") => File::Eval,
        _ => File::Other,
    };
    Some(Place {
        name,
        file,
        line: frame.line,
    })
}

/// What a recording shows by default.
fn names() -> NameOptions {
    NameOptions {
        merge_evals: true,
        ..NameOptions::default()
    }
}

/// CPU time of the calling thread.
pub fn thread_cpu() -> Duration {
    let mut time = libc::timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    // SAFETY: `time` is a valid place for the result.
    unsafe { libc::clock_gettime(libc::CLOCK_THREAD_CPUTIME_ID, &mut time) };
    Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
}

/// Attaches as the commands do.
pub fn attach(pid: i32, sources: &Sources) -> Target {
    let process = Process::open(Pid::from(pid)).expect("the program runs");
    let attached = Attach::with(sources).to(process, &mut |w| eprintln!("attaching: {}", w.text));
    attached.unwrap_or_else(|e| panic!("cannot attach: {e}"))
}

/// How long and how fast to sample.
#[derive(Debug, Clone, Copy)]
pub struct Wanted {
    pub rate: f64,
    /// End after so many stacks.
    pub samples: usize,
    /// End after so long in any case.
    pub at_most: Duration,
    /// So many stacks first, whose cost does not count.
    pub warm: usize,
}

/// Samples processes that run, each by a sampler of its own, all together at the wanted rate.
pub fn sample(pids: &[i32], sources: &Sources, program: &Path, wanted: Wanted) -> Vec<Samples> {
    let share = |n: usize| n.div_ceil(pids.len());
    let wanted = Wanted {
        rate: wanted.rate / pids.len() as f64,
        samples: share(wanted.samples),
        warm: share(wanted.warm),
        ..wanted
    };
    std::thread::scope(|scope| {
        let one = |pid: &i32| {
            let target = attach(*pid, sources);
            scope.spawn(move || sample_one(target, sources.clone(), program, wanted))
        };
        let all: Vec<_> = pids.iter().map(one).collect();
        let joined = all.into_iter().map(|s| s.join().expect("a sampler"));
        joined.collect()
    })
}

fn sample_one(target: Target, sources: Sources, program: &Path, wanted: Wanted) -> Samples {
    let mut recording = Recording::<Trace>::default();
    recording.sink.warm = wanted.warm.max(1);
    recording.sink.running_only = true;
    let recording = Arc::new(Mutex::new(recording));
    let control = Arc::new(Control::default());
    let settings = Settings {
        rate: wanted.rate,
        duration: Some(wanted.at_most),
        idle: false,
        glances: false,
        follow: Follow::Nobody,
        names: names(),
        max_cpu: None,
        shows_ops: true,
        native: None,
    };
    let root = target.process.pid();
    let sampler = Sampler::new(
        vec![target],
        vec![root],
        sources,
        settings,
        recording.clone(),
        control.clone(),
    );
    let (reads_when_warm, cpu_at_end) = std::thread::scope(|scope| {
        let sampling = scope.spawn(|| {
            sampler.run();
            thread_cpu()
        });
        let mut reads_when_warm = None;
        while !sampling.is_finished() {
            std::thread::sleep(Duration::from_millis(5));
            let recording = recording.lock().expect("no panic");
            let have = recording.sink.order.len();
            if have >= wanted.warm && reads_when_warm.is_none() {
                reads_when_warm = Some((have, recording.remote_reads));
            }
            if have >= wanted.samples {
                control.stop.store(true, Ordering::Relaxed);
            }
        }
        (reads_when_warm, sampling.join().expect("the sampler"))
    });
    let recording = taken(&recording);
    let trace = &recording.sink;
    let tally = &recording.tally;
    let have = trace.order.len();
    let (from, reads) = reads_when_warm.unwrap_or((0, 0));
    let steady = (have - trace.warm.min(have)) as u64;
    // The two are counted from different samples on; as shares of one they are the same thing.
    let reads = (recording.remote_reads - reads) as f64 / (have - from).max(1) as f64;
    Samples {
        stacks: trace.named(&recording.seen, program),
        order: trace.order.clone(),
        attempted: tally.good + tally.torn + tally.failed(),
        torn: tally.torn,
        missed: tally.missed,
        failed: tally.failed(),
        approximate: tally.approximate,
        errors: errors(tally),
        steady: Cost {
            samples: steady,
            cpu: trace
                .cpu_when_warm
                .map_or(Duration::ZERO, |warm| cpu_at_end.saturating_sub(warm)),
            reads: (reads * steady as f64) as u64,
        },
    }
}

/// What a sampler that has ended left behind.
fn taken<S: Default>(recording: &Mutex<Recording<S>>) -> Recording<S> {
    std::mem::take(&mut *recording.lock().expect("no panic"))
}

fn errors(tally: &Tally) -> Vec<String> {
    let errors = tally.errors.iter();
    errors.map(|(kind, n)| format!("{kind}: {n}")).collect()
}

/// What passes between a sampler and whoever stops its target.
#[derive(Default)]
struct Turns {
    state: Mutex<Turn>,
    changed: Condvar,
}

#[derive(Default)]
struct Turn {
    /// Stacks that are asked for, one of each thread.
    wanted: usize,
    /// The sampler waits to be asked.
    parked: bool,
    over: bool,
}

impl Turns {
    /// Waits a while for a state; false if it did not come.
    fn wait(&self, holds: impl Fn(&Turn) -> bool) -> bool {
        const PATIENCE: Duration = Duration::from_millis(200);
        let state = self.state.lock().expect("no panic");
        let waited = self
            .changed
            .wait_timeout_while(state, PATIENCE, |t| !holds(t));
        !waited.expect("no panic").1.timed_out()
    }

    fn change(&self, change: impl FnOnce(&mut Turn)) {
        change(&mut self.state.lock().expect("no panic"));
        self.changed.notify_all();
    }
}

/// Keeps what it is asked for, and otherwise holds the sampler up: what it read before the target
/// stood still is not kept, and the target runs undisturbed.
#[derive(Default)]
struct Gate {
    trace: Trace,
    turns: Arc<Turns>,
    /// The round of the sample that was held up: its others were read before, too.
    held_at: Option<Duration>,
    /// The one after that was due while it was held up, when the target ran: who did is missed, and who did not is not.
    late_at: Option<Duration>,
}

impl Sink for Gate {
    fn add(&mut self, _seen: &Seen, sample: Sample) {
        let turns = self.turns.clone();
        let mut state = turns.state.lock().expect("no panic");
        if state.wanted > 0
            && (self.held_at == Some(sample.at)
                || *self.late_at.get_or_insert(sample.at) == sample.at)
        {
            return;
        }
        if state.wanted > 0 {
            self.trace.keep(sample.stack);
            state.wanted -= 1;
            if state.wanted > 0 {
                return;
            }
        }
        state.parked = true;
        self.held_at = Some(sample.at);
        self.late_at = None;
        turns.changed.notify_all();
        let asked = turns
            .changed
            .wait_while(state, |t| t.wanted == 0 && !t.over);
        asked.expect("no panic").parked = false;
    }
}

/// Reads a process that stands still whenever `moments` calls what it is given.
pub fn look(
    pid: i32,
    threads: usize,
    sources: &Sources,
    program: &Path,
    moments: impl FnOnce(&mut dyn FnMut()),
) -> Samples {
    let target = attach(pid, sources);
    let turns = Arc::new(Turns::default());
    let mut recording = Recording::<Gate>::default();
    recording.sink.turns = turns.clone();
    let recording = Arc::new(Mutex::new(recording));
    let control = Arc::new(Control::default());
    let settings = Settings {
        rate: 10_000.0,
        duration: None,
        // To the kernel a stopped thread is none that runs.
        idle: true,
        glances: false,
        follow: Follow::Nobody,
        names: names(),
        max_cpu: None,
        shows_ops: true,
        native: None,
    };
    let sampler = Sampler::new(
        vec![target],
        vec![Pid::from(pid)],
        sources.clone(),
        settings,
        recording.clone(),
        control.clone(),
    );
    let mut unread = 0;
    std::thread::scope(|scope| {
        let sampling = scope.spawn(|| sampler.run());
        turns.wait(|t| t.parked);
        moments(&mut || {
            let ready = turns.wait(|t| t.parked);
            turns.change(|t| t.wanted = threads);
            if !(ready && turns.wait(|t| t.wanted == 0)) {
                turns.change(|t| t.wanted = 0);
                unread += 1;
            }
        });
        control.stop.store(true, Ordering::Relaxed);
        turns.change(|t| t.over = true);
        sampling.join().expect("the sampler");
    });
    let recording = taken(&recording);
    Samples {
        stacks: recording.sink.trace.named(&recording.seen, program),
        order: recording.sink.trace.order.clone(),
        failed: unread,
        errors: errors(&recording.tally),
        ..Samples::default()
    }
}
