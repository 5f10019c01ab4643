//! A profile as the page's script takes it: small tables that refer to each other by index. Of the
//! profile only what has samples is there.

use super::super::{Picture, stats};
use super::compared::Side;
use crate::frames::{FrameId, FrameKind, StackId, UNKNOWN};
use crate::ids::Pid;
use crate::perl::leaf::WAITING_FOR_CPU;
use crate::profile::{About, By, Entries, Profile, Run, Summary};
use indexmap::{IndexMap, IndexSet};
use serde::Serialize;
use std::time::Duration;

/// The time of a recording is cut into no more pieces.
const MAX_BUCKETS: u64 = 2000;
/// No piece is shorter.
const MIN_BUCKET: Duration = Duration::from_millis(1);

/// All of it.
#[derive(Debug, Serialize)]
pub(super) struct Data<'a> {
    title: &'a str,
    by: &'static str,
    /// The user asked for threads to be kept apart.
    by_thread: bool,
    about: &'a About,
    summary: &'a Summary,
    is_cut: bool,
    /// Why there is no sample; empty where there is one.
    nothing: String,
    files: Vec<SourceFile>,
    #[serde(skip)]
    texts: Vec<Option<&'a str>>,
    packages: Vec<String>,
    functions: Functions,
    frames: Frames,
    stacks: Stacks,
    threads: Vec<PageThread<'a>>,
    bucket_seconds: f64,
    samples: Samples,
    /// The earlier and the later profile, which then are the threads; absent where there is one.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    compared: Vec<Side<'a>>,
    /// Files whose text is another in the later one.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    changed: Vec<usize>,
    #[serde(skip)]
    names: Vec<String>,
}

/// A file in which something is.
#[derive(Debug, Serialize)]
struct SourceFile {
    name: String,
    /// Why its text is not there; `None` where it is.
    why: Option<String>,
}

#[derive(Debug, Default, Serialize)]
struct Functions {
    name: Vec<String>,
    kind: Vec<FrameKind>,
    /// What tells those of one name apart.
    place: Vec<String>,
    /// Index of its file; -1 for none.
    file: Vec<i64>,
    /// Its first line; 0 where that is not known.
    line: Vec<u32>,
    /// Index of its package; -1 where it has its caller's.
    package: Vec<i64>,
}

/// Functions at lines.
#[derive(Debug, Default, Serialize)]
struct Frames {
    function: Vec<u32>,
    /// Index of the file in which it is executing; -1 for none.
    file: Vec<i64>,
    line: Vec<u32>,
}

#[derive(Debug, Default, Serialize)]
struct Stacks {
    /// The index of the calling stack, which is lower, plus 1; 0 for none.
    caller: Vec<u32>,
    /// The index of the innermost frame.
    frame: Vec<u32>,
}

#[derive(Debug, Serialize)]
struct PageThread<'a> {
    name: String,
    pid: Pid,
    title: &'a str,
}

/// Samples, by bucket of time.
#[derive(Debug, Default, Serialize)]
struct Samples {
    /// Where each bucket begins in the columns, and behind the last where it ends.
    start: Vec<u32>,
    stack: Vec<u32>,
    /// Four times the index of the thread, plus 1 where it was running, 2 where it waited for a CPU.
    thread: Vec<u32>,
    count: Vec<u64>,
}

impl<'a> Data<'a> {
    /// What there is to know of a profile.
    pub(super) fn new(profile: &'a Profile, picture: &'a Picture) -> Self {
        let mut files = IndexSet::new();
        let used = Used::new(profile, &mut files);
        let files: Vec<String> = files.into_iter().collect();
        let source = |file: &String| profile.sources.get(file);
        let texts = files.iter().map(|f| source(f)?.as_deref().ok()).collect();
        let about_file = |name: &String| SourceFile {
            name: profile.shortener.path(name).into_owned(),
            why: match source(name) {
                Some(Ok(_)) => None,
                Some(Err(why)) => Some(why.clone()),
                None => Some("its text was not recorded".into()),
            },
        };
        let (bucket, samples) = samples(profile, &used.stack_of);
        Data {
            title: &picture.title,
            by: match picture.by {
                By::Function => "function",
                By::Line => "line",
                By::Package => "package",
            },
            by_thread: profile.frames.iter().any(|f| f.kind == FrameKind::Thread),
            about: &profile.about,
            summary: &profile.summary,
            is_cut: profile.is_cut,
            nothing: stats::nothing(profile).unwrap_or_default(),
            files: files.iter().map(about_file).collect(),
            texts,
            packages: used.packages,
            functions: used.functions,
            frames: used.frames,
            stacks: used.stacks,
            threads: threads(profile),
            bucket_seconds: bucket.as_secs_f64(),
            samples,
            compared: Vec::new(),
            changed: Vec::new(),
            names: files,
        }
    }

    /// Says that its threads are the sides of a comparison.
    pub(super) fn compare(&mut self, sides: [Side<'a>; 2], changed: &[String]) {
        let is_changed = |name: &String| changed.contains(name);
        let names = self.names.iter().enumerate();
        let found = names.filter(|(_, name)| is_changed(name)).map(|(at, _)| at);
        self.changed = found.collect();
        for (thread, name) in self.threads.iter_mut().zip(["before", "after"]) {
            thread.name = name.into();
        }
        self.compared = sides.into();
    }

    /// The texts of files, with the files' indices.
    pub(super) fn texts(&self) -> impl Iterator<Item = (usize, &'a str)> {
        let texts = self.texts.iter().enumerate();
        texts.filter_map(|(index, text)| Some((index, (*text)?)))
    }
}

fn threads(profile: &Profile) -> Vec<PageThread<'_>> {
    let threads = profile.threads.iter().map(|thread| PageThread {
        name: thread.name(),
        pid: thread.pid,
        title: &thread.title,
    });
    threads.collect()
}

fn short(index: usize) -> u32 {
    u32::try_from(index).unwrap_or(u32::MAX)
}

/// What has samples, and the new index of each stack.
#[derive(Default)]
struct Used {
    packages: Vec<String>,
    functions: Functions,
    frames: Frames,
    stacks: Stacks,
    stack_of: Vec<Option<u32>>,
}

impl Used {
    fn new(profile: &Profile, files: &mut IndexSet<String>) -> Self {
        let mut is_used = vec![false; profile.stacks.len()];
        for (_, stack) in profile.counts.keys() {
            if let Some(used) = is_used.get_mut(stack.index()) {
                *used = true;
            }
        }
        // Callers come before what they call.
        for (index, (caller, _)) in profile.stacks.iter().enumerate().rev() {
            if is_used.get(index) == Some(&true)
                && let Some(used) = caller.and_then(|c| is_used.get_mut(c.index()))
            {
                *used = true;
            }
        }
        let mut of_frame = FrameIndex::new(profile, files);
        let mut stacks: IndexSet<(u32, u32)> = IndexSet::new();
        let mut stack_of: Vec<Option<u32>> = Vec::with_capacity(is_used.len());
        for ((caller, frame), used) in profile.stacks.iter().zip(is_used) {
            let new = used.then(|| of_frame.get(frame)).flatten().map(|frame| {
                let caller = caller.and_then(|c| stack_of.get(c.index()).copied().flatten());
                let caller = caller.map_or(0, |c| c.saturating_add(1));
                short(stacks.insert_full((caller, frame)).0)
            });
            stack_of.push(new);
        }
        let (caller, frame) = stacks.into_iter().unzip();
        Used {
            packages: of_frame.packages.into_iter().collect(),
            functions: of_frame.functions,
            frames: of_frame.frames,
            stacks: Stacks { caller, frame },
            stack_of,
        }
    }
}

/// Gives frames and functions their places in the page's tables, when they are first used.
struct FrameIndex<'a> {
    profile: &'a Profile,
    files: &'a mut IndexSet<String>,
    by_function: Entries,
    by_package: Entries,
    functions: Functions,
    /// By index of [`Entries`].
    function_of: IndexMap<u32, u32>,
    frames: Frames,
    frame_of: IndexMap<(u32, i64, u32), u32>,
    packages: IndexSet<String>,
}

impl<'a> FrameIndex<'a> {
    fn new(profile: &'a Profile, files: &'a mut IndexSet<String>) -> Self {
        FrameIndex {
            profile,
            files,
            by_function: profile.entries(By::Function),
            by_package: profile.entries(By::Package),
            functions: Functions::default(),
            function_of: IndexMap::new(),
            frames: Frames::default(),
            frame_of: IndexMap::new(),
            packages: IndexSet::new(),
        }
    }

    fn get(&mut self, id: FrameId) -> Option<u32> {
        let function = self.function(id)?;
        let place = &self.profile.frames.get(id.index())?.place;
        let key = (function, self.file(&place.file), place.line);
        let frames = &mut self.frames;
        let index = *self.frame_of.entry(key).or_insert_with(|| {
            frames.function.push(key.0);
            frames.file.push(key.1);
            frames.line.push(key.2);
            short(frames.function.len() - 1)
        });
        Some(index)
    }

    fn function(&mut self, id: FrameId) -> Option<u32> {
        let entry = self.by_function.of(id)?;
        if let Some(known) = self.function_of.get(&entry) {
            return Some(*known);
        }
        let about = self.by_function.get(entry)?.clone();
        let package = self.by_package.of(id);
        let package = package.and_then(|p| self.by_package.get(p));
        let package = package.map(|p| self.packages.insert_full(p.name.to_string()).0);
        let file = self.file(&about.file);
        let functions = &mut self.functions;
        functions.name.push(about.name.to_string());
        functions.kind.push(about.kind);
        functions.place.push(about.place.to_string());
        functions.file.push(file);
        functions.line.push(about.line);
        functions.package.push(signed(package));
        let index = short(functions.name.len() - 1);
        self.function_of.insert(entry, index);
        Some(index)
    }

    fn file(&mut self, name: &str) -> i64 {
        if name.is_empty() || name == UNKNOWN {
            return -1;
        }
        if let Some(index) = self.files.get_index_of(name) {
            return signed(Some(index));
        }
        signed(Some(self.files.insert_full(name.to_owned()).0))
    }
}

fn signed(index: Option<usize>) -> i64 {
    index.and_then(|i| i64::try_from(i).ok()).unwrap_or(-1)
}

/// Of each stack whether its thread could run and had no CPU.
fn ready_stacks(profile: &Profile) -> Vec<bool> {
    let is_ready = |frame: FrameId| {
        let frame = profile.frames.get(frame.index());
        frame.is_some_and(|f| f.kind == FrameKind::Synthetic && &*f.label == WAITING_FOR_CPU)
    };
    let stacks = profile.stacks.iter();
    stacks.map(|(_, frame)| is_ready(frame)).collect()
}

/// How time is cut into pieces.
struct Buckets {
    /// All of it.
    span: Duration,
    length: Duration,
    period: Duration,
}

impl Buckets {
    fn new(profile: &Profile) -> Self {
        let period = profile.about.period().max(Duration::from_nanos(1));
        let span = Duration::try_from_secs_f64(profile.summary.duration_seconds);
        let last = profile.runs.iter().map(|run| end(run, period));
        let span = span.unwrap_or_default().max(last.max().unwrap_or_default());
        let length = span / u32::try_from(MAX_BUCKETS).unwrap_or(u32::MAX);
        Buckets {
            span,
            length: length.max(MIN_BUCKET),
            period,
        }
    }

    fn at(&self, at: Duration) -> u32 {
        let index = at.as_nanos() / self.length.as_nanos().max(1);
        index.min(u128::from(MAX_BUCKETS - 1)) as u32
    }
}

/// When the last sample of a run was taken.
fn end(run: &Run, period: Duration) -> Duration {
    let behind = run.count.saturating_sub(1);
    run.at.saturating_add(period.saturating_mul(behind))
}

/// How many rows the samples are, or a few more.
pub(super) fn rows(profile: &Profile) -> u64 {
    let buckets = Buckets::new(profile);
    let rows = profile.runs.iter().map(|run| {
        let last = buckets.at(end(run, buckets.period));
        let pieces = last.saturating_sub(buckets.at(run.at));
        u64::from(pieces.min(run.count.saturating_sub(1))) + 1
    });
    rows.fold(profile.counts.len() as u64, u64::saturating_add)
}

/// The length of a bucket, and the samples in them.
fn samples(profile: &Profile, stack_of: &[Option<u32>]) -> (Duration, Samples) {
    let mut rows: Vec<(u32, u32, u32, u64)> = Vec::new();
    let new = |stack: StackId| stack_of.get(stack.index()).copied().flatten();
    let ready = ready_stacks(profile);
    let is_ready = |stack: StackId| ready.get(stack.index()) == Some(&true);
    let who = |thread: u32, running: bool, stack: StackId| {
        let state = match running {
            true => 1,
            false if is_ready(stack) => 2,
            false => 0,
        };
        thread.saturating_mul(4).saturating_add(state)
    };
    let buckets = Buckets::new(profile);
    let (bucket, period) = (buckets.length, buckets.period);
    let bucket_at = |at: Duration| buckets.at(at);
    for run in &profile.runs {
        let Some(stack) = new(run.stack) else {
            continue;
        };
        let mut from = 0;
        while from < run.count {
            let at = run.at.saturating_add(period.saturating_mul(from));
            let index = bucket_at(at);
            // The samples of a run that fall into this bucket, counted without looking at each.
            let end = bucket.saturating_mul(index.saturating_add(1));
            let left = end
                .saturating_sub(at)
                .as_nanos()
                .div_ceil(period.as_nanos());
            let left = u32::try_from(left).unwrap_or(u32::MAX).max(1);
            let count = match index {
                last if u64::from(last) == MAX_BUCKETS - 1 => run.count - from,
                _ => left.min(run.count - from),
            };
            rows.push((
                index,
                who(run.thread, run.running, run.stack),
                stack,
                count.into(),
            ));
            from = from.saturating_add(count);
        }
    }
    if profile.runs.is_empty() {
        for ((thread, old), count) in &profile.counts {
            if let Some(stack) = new(*old) {
                rows.push((0, who(*thread, !is_ready(*old), *old), stack, *count));
            }
        }
    }
    rows.sort_unstable();
    rows.dedup_by(|next, kept| {
        let is_same = (next.0, next.1, next.2) == (kept.0, kept.1, kept.2);
        if is_same {
            kept.3 += next.3;
        }
        is_same
    });
    let mut samples = Samples::default();
    for (bucket, thread, stack, count) in rows {
        while samples.start.len() <= bucket as usize {
            samples.start.push(short(samples.stack.len()));
        }
        samples.stack.push(stack);
        samples.thread.push(thread);
        samples.count.push(count);
    }
    // Nothing may have run at the end, which is to be seen.
    let ends = bucket_at(buckets.span) as usize + 1;
    while samples.start.len() <= ends {
        samples.start.push(short(samples.stack.len()));
    }
    (bucket, samples)
}
