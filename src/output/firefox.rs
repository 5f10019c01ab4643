//! The processed profile format of the Firefox Profiler, gzipped.
//!
//! It is written here and not by the crate fxprof-processed-profile, whose version 0.8 has no place
//! for files and lines; a test holds it against what that crate writes.

use super::json::List;
use super::spots::{Spot, Spots};
use super::timeline::{APART, Timeline};
use super::{Picture, stats};
use crate::frames::{FrameKind, StackId};
use crate::ids::{Pid, Tid};
use crate::profile::{Profile, ThreadAbout};
use flate2::Compression;
use flate2::write::GzEncoder;
use indexmap::IndexSet;
use serde::ser::{Serialize, SerializeMap, Serializer};
use serde_json::{Value, json};
use std::collections::HashMap;
use std::io::{self, BufWriter, Write};
use std::time::Duration;

/// The version of the format; the Firefox Profiler brings older ones up to date.
const VERSION: u32 = 55;

/// Names and colours of what frames are, by [`category`].
const CATEGORIES: [(&str, &str); 6] = [
    ("Perl", "blue"),
    ("Native (XS)", "orange"),
    ("Op", "green"),
    ("Waiting", "transparent"),
    ("Other", "grey"),
    ("Native (C)", "lightblue"),
];
/// The place of what waits among them.
const WAITING: u32 = 3;

/// The place of what a frame is among [`CATEGORIES`].
fn category(kind: FrameKind) -> u32 {
    match kind {
        FrameKind::Xsub => 1,
        FrameKind::Op => 2,
        FrameKind::Syscall => WAITING,
        FrameKind::Main
        | FrameKind::Sub
        | FrameKind::Format
        | FrameKind::Eval
        | FrameKind::Require
        | FrameKind::Synthetic => 0,
        FrameKind::Thread | FrameKind::Process => 4,
        FrameKind::Native => 5,
    }
}

/// Writes the whole profile.
///
/// # Errors
/// When `to` does not take it.
pub fn write(profile: &Profile, picture: &Picture, to: &mut dyn Write) -> io::Result<()> {
    // Every number of the JSON is a write of its own.
    let mut out = BufWriter::new(GzEncoder::new(to, Compression::default()));
    write_json(profile, picture, &mut out)?;
    out.into_inner()?.finish()?.flush()
}

#[derive(serde::Serialize)]
#[serde(rename_all = "camelCase")]
struct ProfileFile<T: Serialize> {
    meta: Value,
    libs: [(); 0],
    threads: T,
    pages: [(); 0],
    profiler_overhead: [(); 0],
    counters: [(); 0],
}

fn write_json(profile: &Profile, picture: &Picture, to: &mut impl Write) -> io::Result<()> {
    let spots = Spots::new(profile, picture.by);
    let timeline = Timeline::new(profile);
    let ids = Ids::new(&profile.threads);
    let mut starts: HashMap<&str, Duration> = HashMap::new();
    for (index, (pid, _)) in (0..).zip(&ids.0) {
        if let Some(run) = timeline.of(index).next() {
            let start = starts.entry(&**pid).or_insert(run.at);
            *start = run.at.min(*start);
        }
    }
    let threads = List(|| {
        let sampled = (0..)
            .zip(profile.threads.iter().zip(&ids.0))
            .filter(|(index, _)| timeline.of(*index).next().is_some());
        sampled.map(|(index, (about, (pid, tid)))| Thread {
            about,
            pid,
            tid,
            process_starts: starts.get(&**pid).copied().unwrap_or_default(),
            tables: Tables::new(profile, &spots, &timeline, index),
        })
    });
    let file = ProfileFile {
        meta: meta(profile, &picture.title),
        libs: [],
        threads,
        pages: [],
        profiler_overhead: [],
        counters: [],
    };
    Ok(serde_json::to_writer(to, &file)?)
}

/// Process and thread ids as texts, each thread's its own: an exec makes a new program of a process.
struct Ids(Vec<(String, String)>);

impl Ids {
    fn new(threads: &[ThreadAbout]) -> Self {
        let mut titles: HashMap<Pid, IndexSet<&str>> = HashMap::new();
        let mut tids: HashMap<Tid, u32> = HashMap::new();
        let numbered = |id: i64, number: usize| match number {
            0 => id.to_string(),
            _ => format!("{id}.{number}"),
        };
        let ids = threads.iter().map(|thread| {
            let titles = titles.entry(thread.pid).or_default();
            let pid = numbered(thread.pid.number(), titles.insert_full(&thread.title).0);
            let before = tids.entry(thread.os_tid).or_insert(0);
            let tid = numbered(thread.os_tid.number(), *before as usize);
            *before = before.saturating_add(1);
            (pid, tid)
        });
        Ids(ids.collect())
    }
}

fn meta(profile: &Profile, title: &str) -> Value {
    let about = &profile.about;
    let categories: Vec<Value> = CATEGORIES
        .iter()
        .map(|(name, color)| json!({"name": name, "color": color, "subcategories": ["Other"]}))
        .collect();
    let honest = stats::text(&profile.summary, about.rate);
    let entry =
        |(label, value): (&str, &str)| json!({"label": label, "format": "string", "value": value});
    let says = [
        ("Made by", &*about.made_by),
        ("Perl", &about.perl),
        ("Account", &honest),
    ];
    let entries: Vec<Value> = says.into_iter().map(entry).collect();
    json!({
        "categories": categories,
        "debug": false,
        "extensions": {"length": 0, "baseURL": [], "id": [], "name": []},
        "interval": millis(about.period()),
        "preprocessedProfileVersion": VERSION,
        "processType": 0,
        "product": title,
        "sampleUnits": {"time": "ms", "eventDelay": "ms", "threadCPUDelta": "µs"},
        "startTime": about.started_ms,
        "symbolicated": true,
        "pausedRanges": [],
        "version": 24,
        "usesOnlyOneStackType": true,
        "sourceCodeIsNotOnSearchfox": true,
        "markerSchema": [],
        "extra": [{"label": "Recording", "entries": entries}],
    })
}

fn millis(time: Duration) -> f64 {
    time.as_nanos() as f64 / 1e6
}

/// A thread with all its samples.
struct Thread<'a> {
    about: &'a ThreadAbout,
    pid: &'a str,
    tid: &'a str,
    process_starts: Duration,
    tables: Tables<'a>,
}

impl Serialize for Thread<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let tables = &self.tables;
        let is_main = self.about.os_tid == self.about.pid;
        let starts = tables.samples.first().map_or(Duration::ZERO, |s| s.at);
        let name = match is_main {
            true => self.about.title.to_string(),
            false => self.about.name(),
        };
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("frameTable", &FrameTable(tables))?;
        map.serialize_entry("funcTable", &FuncTable(tables))?;
        map.serialize_entry("markers", &no_rows(&MARKER_COLUMNS))?;
        map.serialize_entry("name", &name)?;
        map.serialize_entry("isMainThread", &is_main)?;
        map.serialize_entry("nativeSymbols", &no_rows(&SYMBOL_COLUMNS))?;
        map.serialize_entry("pausedRanges", &[(); 0])?;
        map.serialize_entry("pid", self.pid)?;
        map.serialize_entry("processName", &self.about.title)?;
        map.serialize_entry("processShutdownTime", &())?;
        map.serialize_entry("processStartupTime", &millis(self.process_starts))?;
        map.serialize_entry("processType", "default")?;
        map.serialize_entry("registerTime", &millis(starts))?;
        map.serialize_entry("resourceTable", &no_rows(&RESOURCE_COLUMNS))?;
        map.serialize_entry("samples", &SampleTable(tables))?;
        map.serialize_entry("stackTable", &StackTable(tables))?;
        map.serialize_entry("stringArray", &List(|| &tables.strings))?;
        map.serialize_entry("tid", self.tid)?;
        map.serialize_entry("unregisterTime", &())?;
        map.serialize_entry("showMarkersInTimeline", &false)?;
        map.end()
    }
}

const MARKER_COLUMNS: [&str; 6] = ["category", "data", "endTime", "name", "phase", "startTime"];
const SYMBOL_COLUMNS: [&str; 4] = ["address", "functionSize", "libIndex", "name"];
const RESOURCE_COLUMNS: [&str; 4] = ["lib", "name", "host", "type"];

/// A table of these columns without a row.
fn no_rows(columns: &[&str]) -> Value {
    let columns = columns
        .iter()
        .map(|column| ((*column).to_owned(), json!([])));
    let length = ("length".to_owned(), json!(0));
    Value::Object(std::iter::once(length).chain(columns).collect())
}

/// A line of a function, and what kind of thing it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct Frame {
    function: u32,
    line: u32,
    category: u32,
}

#[derive(Debug, Clone, Copy)]
struct Sample {
    at: Duration,
    stack: Option<u32>,
    weight: u32,
    cpu: Duration,
}

/// What the samples of a thread refer to. Strings are names of functions and files.
#[derive(Debug)]
struct Tables<'a> {
    spots: &'a Spots,
    strings: IndexSet<&'a str>,
    /// An entry and a file: where `#line` is at work a function has lines of several.
    functions: IndexSet<(u32, u32)>,
    frames: IndexSet<Frame>,
    /// Callers and innermost frames.
    stacks: IndexSet<(Option<u32>, u32)>,
    samples: Vec<Sample>,
}

impl<'a> Tables<'a> {
    fn new(profile: &Profile, spots: &'a Spots, timeline: &Timeline<'_>, thread: u32) -> Self {
        let mut tables = Tables {
            spots,
            strings: IndexSet::new(),
            functions: IndexSet::new(),
            frames: IndexSet::new(),
            stacks: IndexSet::new(),
            samples: Vec::new(),
        };
        let period = profile.about.period();
        let mut known: HashMap<(StackId, bool), Option<u32>> = HashMap::new();
        let mut runs = timeline.of(thread).peekable();
        while let Some(run) = runs.next() {
            let stack = *known
                .entry((run.stack, run.running))
                .or_insert_with(|| tables.stack(profile, run.stack, run.running));
            let others = run.count.saturating_sub(1);
            if others == 0 {
                tables.sample(run.at, stack, 1, run.running, period);
                continue;
            }
            // Of samples in a row only the time of the first is known; the graph needs the last.
            let last = run.at.saturating_add(period.saturating_mul(others));
            let last = runs.peek().map_or(last, |next| last.min(next.at));
            tables.sample(run.at, stack, others, run.running, period);
            tables.sample(last, stack, 1, run.running, period);
        }
        tables
    }

    fn sample(
        &mut self,
        at: Duration,
        stack: Option<u32>,
        weight: u32,
        running: bool,
        period: Duration,
    ) {
        let before = self.samples.last().map(|s| at.saturating_sub(s.at));
        let ran = before.unwrap_or(period).min(period.saturating_mul(APART));
        self.samples.push(Sample {
            at,
            stack,
            weight,
            cpu: if running { ran } else { Duration::ZERO },
        });
    }

    /// The index of a stack; `None` for an empty one.
    fn stack(&mut self, profile: &Profile, stack: StackId, running: bool) -> Option<u32> {
        let spots = self.spots.stack(profile.stacks.frames(stack));
        let mut caller = None;
        for (outwards, spot) in spots.into_iter().enumerate().rev() {
            let waits = outwards == 0 && !running;
            let frame = self.frame(spot, waits);
            caller = Some(index(self.stacks.insert_full((caller, frame)).0));
        }
        caller
    }

    fn frame(&mut self, spot: Spot, waits: bool) -> u32 {
        let kind = self.spots.entry(spot.entry).map(|e| e.kind);
        let category = match kind {
            _ if waits => WAITING,
            kind => kind.map_or(0, category),
        };
        self.strings.insert(self.spots.title(spot.entry));
        self.strings.insert(self.spots.file(spot.file));
        let function = self.functions.insert_full((spot.entry, spot.file)).0;
        let frame = Frame {
            function: index(function),
            line: spot.line,
            category,
        };
        index(self.frames.insert_full(frame).0)
    }

    /// The index of a text that was met.
    fn string(&self, text: &str) -> Option<usize> {
        self.strings.get_index_of(text).filter(|_| !text.is_empty())
    }
}

fn index(index: usize) -> u32 {
    u32::try_from(index).unwrap_or(u32::MAX)
}

/// A line as tables have it.
fn known(line: u32) -> Option<u32> {
    Some(line).filter(|line| *line != 0)
}

struct FrameTable<'a>(&'a Tables<'a>);

impl Serialize for FrameTable<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let frames = &self.0.frames;
        let all = |value: Value| List(move || std::iter::repeat_n(value.clone(), frames.len()));
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("length", &frames.len())?;
        map.serialize_entry("address", &all(json!(-1)))?;
        map.serialize_entry("inlineDepth", &all(json!(0)))?;
        map.serialize_entry("category", &List(|| frames.iter().map(|f| f.category)))?;
        map.serialize_entry("subcategory", &all(json!(0)))?;
        map.serialize_entry("func", &List(|| frames.iter().map(|f| f.function)))?;
        map.serialize_entry("nativeSymbol", &all(Value::Null))?;
        map.serialize_entry("innerWindowID", &all(json!(0)))?;
        map.serialize_entry("line", &List(|| frames.iter().map(|f| known(f.line))))?;
        map.serialize_entry("column", &all(Value::Null))?;
        map.end()
    }
}

struct FuncTable<'a>(&'a Tables<'a>);

impl Serialize for FuncTable<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Tables {
            functions, spots, ..
        } = self.0;
        let all = |value: Value| List(move || std::iter::repeat_n(value.clone(), functions.len()));
        let name = |&(entry, _): &(u32, u32)| self.0.string(spots.title(entry)).unwrap_or(0);
        let file = |&(_, file): &(u32, u32)| self.0.string(spots.file(file));
        let start = |&(entry, file): &(u32, u32)| {
            let at_home = spots.entry(entry).filter(|e| &*e.file == spots.file(file));
            at_home.and_then(|e| known(e.line))
        };
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("length", &functions.len())?;
        map.serialize_entry("name", &List(|| functions.iter().map(name)))?;
        map.serialize_entry("isJS", &all(json!(false)))?;
        map.serialize_entry("relevantForJS", &all(json!(false)))?;
        map.serialize_entry("resource", &all(json!(-1)))?;
        map.serialize_entry("fileName", &List(|| functions.iter().map(file)))?;
        map.serialize_entry("lineNumber", &List(|| functions.iter().map(start)))?;
        map.serialize_entry("columnNumber", &all(Value::Null))?;
        map.end()
    }
}

struct StackTable<'a>(&'a Tables<'a>);

impl Serialize for StackTable<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let stacks = &self.0.stacks;
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("length", &stacks.len())?;
        map.serialize_entry("prefix", &List(|| stacks.iter().map(|(caller, _)| caller)))?;
        map.serialize_entry("frame", &List(|| stacks.iter().map(|(_, frame)| frame)))?;
        map.end()
    }
}

struct SampleTable<'a>(&'a Tables<'a>);

impl Serialize for SampleTable<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let samples = &self.0.samples;
        let distances = || {
            let mut last = Duration::ZERO;
            samples.iter().map(move |sample| {
                let before = std::mem::replace(&mut last, sample.at);
                millis(sample.at.saturating_sub(before))
            })
        };
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("length", &samples.len())?;
        map.serialize_entry("weightType", "samples")?;
        map.serialize_entry("stack", &List(|| samples.iter().map(|s| s.stack)))?;
        map.serialize_entry("timeDeltas", &List(distances))?;
        map.serialize_entry("weight", &List(|| samples.iter().map(|s| s.weight)))?;
        let cpu = || samples.iter().map(|s| s.cpu.as_micros());
        map.serialize_entry("threadCPUDelta", &List(cpu))?;
        map.end()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::output::synthetic;
    use fxprof_processed_profile as crates;
    use std::io::Read;

    fn written(profile: &Profile) -> Value {
        let mut file = Vec::new();
        write(profile, &Picture::default(), &mut file).unwrap();
        let mut plain = String::new();
        flate2::read::GzDecoder::new(&*file)
            .read_to_string(&mut plain)
            .unwrap();
        serde_json::from_str(&plain).unwrap()
    }

    #[test]
    fn samples_with_lines_times_and_states() {
        let file = written(&synthetic::profile());
        insta::assert_snapshot!(serde_json::to_string_pretty(&file["threads"]).unwrap());
    }

    /// A profile of one sample, as the crate writes it.
    fn by_the_crate() -> Value {
        use crates::{
            CategoryHandle, CpuDelta, FrameFlags, FrameInfo, SamplingInterval, Timestamp,
        };
        let start = crates::ReferenceTimestamp::from_millis_since_unix_epoch(1.7e12);
        let mut profile = crates::Profile::new("x", start, SamplingInterval::from_millis(10));
        let at = Timestamp::from_millis_since_reference(0.0);
        let process = profile.add_process("x", 1, at);
        let thread = profile.add_thread(process, 1, at, true);
        let frame = FrameInfo {
            frame: crates::Frame::Label(profile.intern_string("f")),
            category_pair: CategoryHandle::OTHER.into(),
            flags: FrameFlags::empty(),
        };
        let stack = profile.intern_stack_frames(thread, [frame].into_iter());
        profile.add_sample(thread, at, stack, CpuDelta::ZERO, 1);
        profile.set_symbolicated(true);
        serde_json::to_value(&profile).unwrap()
    }

    /// Everything that `theirs` has is in `ours`, and of the same type.
    fn covers(ours: &Value, theirs: &Value, path: &str) {
        match (ours, theirs) {
            (Value::Object(ours), Value::Object(theirs)) => {
                for (key, theirs) in theirs {
                    let ours = ours.get(key);
                    let ours = ours.unwrap_or_else(|| panic!("{path}.{key} is missing"));
                    covers(ours, theirs, &format!("{path}.{key}"));
                }
            }
            (Value::Array(ours), Value::Array(theirs)) => {
                if let (Some(ours), Some(theirs)) = (ours.first(), theirs.first()) {
                    covers(ours, theirs, &format!("{path}[]"));
                }
            }
            // These are what the crate cannot say.
            (Value::Number(_), Value::Null) => {}
            (ours, theirs) => assert_eq!(
                std::mem::discriminant(ours),
                std::mem::discriminant(theirs),
                "{path}: {ours} and {theirs}"
            ),
        }
    }

    #[test]
    fn the_shape_is_the_one_that_the_crate_writes() {
        let (ours, theirs) = (written(&synthetic::profile()), by_the_crate());
        covers(&ours, &theirs, "");
        let version = |file: &Value| file["meta"]["preprocessedProfileVersion"].clone();
        assert_eq!(version(&ours), version(&theirs));
        for table in [
            "frameTable",
            "funcTable",
            "stackTable",
            "samples",
            "markers",
        ] {
            let columns = |file: &Value| {
                let table = file["threads"][0][table].as_object().unwrap().clone();
                table.keys().cloned().collect::<Vec<_>>()
            };
            assert_eq!(columns(&ours), columns(&theirs), "{table}");
        }
    }

    #[test]
    fn a_program_that_became_another_has_ids_of_its_own() {
        let thread = |pid, title: &str, os_tid| ThreadAbout {
            pid,
            title: title.into(),
            os_tid,
            perl_tid: None,
            interpreter: None,
        };
        let threads = [
            thread(Pid::from(7), "sh", Tid::from(7)),
            thread(Pid::from(7), "perl", Tid::from(7)),
            thread(Pid::from(7), "perl", Tid::from(8)),
        ];
        let ids = Ids::new(&threads).0;
        let ids: Vec<(&str, &str)> = ids.iter().map(|(p, t)| (&**p, &**t)).collect();
        assert_eq!(ids, [("7", "7"), ("7.1", "7.1"), ("7.1", "8")]);
    }
}
