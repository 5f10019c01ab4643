//! A finished profile, as the output formats take it.

use super::{By, Entries, Filter, Room, Run, Seen, Source, StackCounts, Summary, ThreadAbout};
use crate::frames::paths::Shortener;
use crate::frames::{Frame, FrameId, FrameKind, FrameTable, StackId, StackTree, UNKNOWN};
use indexmap::IndexMap;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::time::Duration;

/// How a recording was made.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct About {
    /// The p5-spy that made it.
    pub made_by: String,
    /// What was recorded: a command line, or how many processes.
    pub title: String,
    /// The perl of the first process; empty where none was known at the start.
    pub perl: String,
    /// The working directory of the first process; empty where that is not known.
    pub folder: String,
    /// Samples per second and thread that were asked for.
    pub rate: f64,
    /// The user asked for waiting threads to count too.
    pub idle: bool,
    /// The user asked for ops and system calls.
    pub ops: bool,
    /// When it started, in milliseconds since 1970.
    pub started_ms: u64,
}

impl About {
    /// The time that one sample stands for.
    pub fn period(&self) -> Duration {
        let seconds = if self.rate > 0.0 {
            1.0 / self.rate
        } else {
            0.0
        };
        Duration::try_from_secs_f64(seconds).unwrap_or_default()
    }
}

/// Parts of a profile that do not fit together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a {0} refers to one that is not there")]
pub struct BadProfile(&'static str);

/// A stack of a profile, with its samples.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stack {
    /// Outermost first.
    pub frames: Vec<FrameId>,
    /// Its samples.
    pub count: u64,
}

/// What a recording has, before anything is left out.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Recorded {
    /// Samples of running threads.
    pub running: u64,
    /// Samples of waiting ones.
    pub waiting: u64,
    /// When the last one was taken.
    pub until: Duration,
}

impl Recorded {
    fn add(&mut self, run: &Run) {
        let count = match run.running {
            true => &mut self.running,
            false => &mut self.waiting,
        };
        *count = count.saturating_add(run.count.into());
        self.until = self.until.max(run.at);
    }
}

/// Why a profile has no samples.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Emptiness {
    /// There is none in the recording.
    NoSample,
    /// The user picked others.
    Filtered,
    /// All threads were waiting, which does not count.
    Waiting,
    /// Their stacks are of ops alone, which were not asked for.
    Nameless,
}

/// A finished profile: the samples of a recording that passed a [`Filter`].
#[derive(Debug, Default)]
pub struct Profile {
    /// How it was recorded.
    pub about: About,
    /// The account of the whole recording.
    pub summary: Summary,
    /// The recording was cut off.
    pub is_cut: bool,
    /// The frames, by [`FrameId::index`].
    pub frames: Vec<Frame>,
    /// The stacks; not all need have samples.
    pub stacks: StackTree,
    /// The threads; not all need have samples.
    pub threads: Vec<ThreadAbout>,
    /// The samples by thread and stack.
    pub counts: IndexMap<(u32, StackId), u64>,
    /// The samples by time; empty unless asked for.
    pub runs: Vec<Run>,
    /// The texts of files.
    pub sources: BTreeMap<String, Result<String, String>>,
    /// What the file has, whatever passes the filter.
    pub recorded: Recorded,
    /// What people are shown instead of the whole names of files.
    pub shortener: Shortener,
    /// What may be made of it.
    pub room: Room,
    /// What stands below the stacks of each thread, innermost first.
    roots: Vec<Vec<FrameId>>,
    filter: Filter,
    keeps_runs: bool,
    period: Duration,
    /// By stack: what is counted for it, unless it does not pass the filter.
    counted_as: Vec<Option<StackId>>,
    /// By frame: it passes the filter.
    passes: Vec<bool>,
    /// By stack: a frame of it passes the filter.
    stack_passes: Vec<bool>,
}

impl Profile {
    /// An empty profile. `keeps_runs` asks for the samples by time.
    pub fn picked(about: About, filter: Filter, keeps_runs: bool) -> Self {
        Profile {
            period: about.period(),
            about,
            filter,
            keeps_runs,
            ..Profile::default()
        }
    }

    /// The profile of stacks that were counted.
    pub fn new(seen: Seen, counts: &StackCounts) -> Self {
        Profile {
            frames: seen.frames.iter().cloned().collect(),
            stacks: seen.stacks,
            threads: seen.threads.into_iter().collect(),
            counts: counts.iter().collect(),
            ..Profile::default()
        }
    }

    /// Adds a frame, which takes the next index.
    pub fn add_frame(&mut self, frame: Frame) {
        self.passes.push(self.filter.takes_frame(&frame));
        self.frames.push(frame);
    }

    /// Adds a stack: the indices of its caller and of its innermost frame. It takes the next index.
    ///
    /// # Errors
    /// When one of them was not added before, or the stack was.
    pub fn add_stack(&mut self, caller: Option<u32>, frame: u32) -> Result<(), BadProfile> {
        let bad = BadProfile("stack");
        let caller = caller.map(StackId::at);
        let innermost = self.frames.get(frame as usize).ok_or(bad)?;
        let frame = FrameId::at(frame);
        if caller.is_some_and(|c| c.index() >= self.stacks.len()) {
            return Err(bad);
        }
        let below = |list: &[bool]| caller.is_some_and(|c| list.get(c.index()) == Some(&true));
        let passes = below(&self.stack_passes) || self.passes.get(frame.index()) == Some(&true);
        let is_left_out = match innermost.kind {
            FrameKind::Op | FrameKind::Syscall => !self.filter.ops,
            FrameKind::Native => self.filter.without_native,
            _ => false,
        };
        let stack = self.stacks.intern(caller, frame);
        if stack.index() != self.stack_passes.len() {
            return Err(bad);
        }
        let as_caller = caller.and_then(|c| self.counted_as.get(c.index()).copied().flatten());
        self.counted_as.push(match is_left_out {
            true => as_caller,
            false => Some(stack),
        });
        self.stack_passes.push(passes);
        Ok(())
    }

    /// Adds a thread, which takes the next index.
    pub fn add_thread(&mut self, thread: ThreadAbout) {
        self.threads.push(thread);
    }

    /// Adds samples; those that do not pass are left out.
    ///
    /// # Errors
    /// When their stack or thread was not added before.
    pub fn add_run(&mut self, run: Run) -> Result<(), BadProfile> {
        let thread = self.threads.get(run.thread as usize);
        let thread = thread.ok_or(BadProfile("sample"))?;
        self.recorded.add(&run);
        let passes = self.stack_passes.get(run.stack.index()).copied();
        if !passes.ok_or(BadProfile("sample"))? || !self.filter.takes_thread(thread) {
            return Ok(());
        }
        let counted_as = self.counted_as.get(run.stack.index()).copied().flatten();
        let Some(stack) = counted_as else {
            return Ok(());
        };
        let Some(run) = self.filter.part(Run { stack, ..run }, self.period) else {
            return Ok(());
        };
        *self.counts.entry((run.thread, stack)).or_insert(0) += u64::from(run.count);
        if self.keeps_runs {
            self.runs.push(run);
        }
        Ok(())
    }

    /// Adds the text of a file.
    pub fn add_source(&mut self, source: Source) {
        self.sources.insert(source.file, source.text);
    }

    /// From now on people are shown names of files relative to @INC or the working folder.
    pub fn shorten_files(&mut self) {
        self.shortener = Shortener::of(&self.frames, [&*self.about.folder]);
    }

    /// What the frames stand for.
    pub fn entries(&self, by: By) -> Entries {
        Entries::new(&self.frames, by, &self.shortener)
    }

    /// From now on each stack begins with its process, if there are several, and its thread.
    pub fn keep_threads_apart(&mut self) {
        if !self.roots.is_empty() {
            return;
        }
        let first = self.threads.first().map(|t| t.pid);
        let several_processes = self.threads.iter().any(|t| Some(t.pid) != first);
        let mut table = FrameTable::default();
        let before = self.frames.len();
        let mut root = |kind, name: String| {
            let frame = Frame::new(kind, name.into(), UNKNOWN.into(), 0);
            let index = before.saturating_add(table.intern(frame).index());
            FrameId::at(u32::try_from(index).unwrap_or(u32::MAX))
        };
        let roots = self.threads.iter().map(|thread| {
            let mut frames = vec![root(FrameKind::Thread, thread.name())];
            if several_processes {
                let name = format!("process {} ({})", thread.pid, thread.title);
                frames.push(root(FrameKind::Process, name));
            }
            frames
        });
        self.roots = roots.collect();
        self.frames.extend(table.iter().cloned());
    }

    /// Each stack begins with its thread.
    pub fn has_threads_apart(&self) -> bool {
        !self.roots.is_empty()
    }

    /// What stands below the stacks of a thread, innermost first; nothing unless threads are apart.
    pub fn roots(&self, thread: u32) -> &[FrameId] {
        self.roots.get(thread as usize).map_or(&[], Vec::as_slice)
    }

    /// Waiting threads count too, so that the times are those of a clock and not of a CPU.
    pub fn has_waiting(&self) -> bool {
        self.filter.idle
    }

    /// The distinct stacks.
    pub fn stacks(&self) -> impl Iterator<Item = Stack> {
        let mut merged: IndexMap<(Option<u32>, StackId), u64> = IndexMap::new();
        for ((thread, stack), count) in &self.counts {
            let thread = (!self.roots.is_empty()).then_some(*thread);
            *merged.entry((thread, *stack)).or_insert(0) += count;
        }
        merged.into_iter().map(|((thread, stack), count)| {
            let root = thread.and_then(|t| self.roots.get(t as usize));
            let mut frames: Vec<FrameId> = self.stacks.frames(stack).collect();
            frames.extend(root.into_iter().flatten());
            frames.reverse();
            Stack { frames, count }
        })
    }

    /// Why it has no samples; `None` where it has some.
    pub fn emptiness(&self) -> Option<Emptiness> {
        let Recorded {
            running, waiting, ..
        } = self.recorded;
        match (running, waiting, self.filter.picks(), self.filter.idle) {
            _ if !self.counts.is_empty() => None,
            // Without --idle they are only counted.
            (0, 0, ..) if self.summary.idle + self.summary.ready > 0 && self.summary.good == 0 => {
                Some(Emptiness::Waiting)
            }
            (0, 0, ..) => Some(Emptiness::NoSample),
            (_, _, true, _) => Some(Emptiness::Filtered),
            (0, _, false, false) => Some(Emptiness::Waiting),
            _ => Some(Emptiness::Nameless),
        }
    }

    /// How long it took, or until when it goes where it was cut off.
    pub fn duration(&self) -> Duration {
        let said = Duration::try_from_secs_f64(self.summary.duration_seconds);
        said.unwrap_or_default().max(self.recorded.until)
    }

    /// All counted samples.
    pub fn total(&self) -> u64 {
        self.counts.values().sum()
    }
}
