//! pprof: gzipped protocol buffers, as profile.proto of the project pprof describes them.

use super::spots::{Spot, Spots};
use super::{Picture, stats};
use crate::profile::{Profile, ThreadAbout};
use flate2::Compression;
use flate2::write::GzEncoder;
use indexmap::IndexSet;
use prost::Message;
use std::io::{self, Write};

/// A profile, or a part of one: parts written one after the other are one profile.
#[derive(Clone, PartialEq, Message)]
pub struct Proto {
    /// What each value of a sample is.
    #[prost(message, repeated, tag = "1")]
    pub sample_type: Vec<ValueType>,
    /// Stacks with their values.
    #[prost(message, repeated, tag = "2")]
    pub sample: Vec<Sample>,
    /// The program.
    #[prost(message, repeated, tag = "3")]
    pub mapping: Vec<Mapping>,
    /// Lines of functions.
    #[prost(message, repeated, tag = "4")]
    pub location: Vec<Location>,
    /// What lines belong to.
    #[prost(message, repeated, tag = "5")]
    pub function: Vec<Function>,
    /// All texts; the first is empty.
    #[prost(string, repeated, tag = "6")]
    pub string_table: Vec<String>,
    /// When it began, in nanoseconds since 1970.
    #[prost(int64, tag = "9")]
    pub time_nanos: i64,
    /// How long it took.
    #[prost(int64, tag = "10")]
    pub duration_nanos: i64,
    /// What `period` is.
    #[prost(message, optional, tag = "11")]
    pub period_type: Option<ValueType>,
    /// From one sample to the next.
    #[prost(int64, tag = "12")]
    pub period: i64,
    /// For people; indices of texts.
    #[prost(int64, repeated, tag = "13")]
    pub comment: Vec<i64>,
    /// The value to show first; index of a text.
    #[prost(int64, tag = "14")]
    pub default_sample_type: i64,
}

/// A kind of value; indices of texts.
#[derive(Clone, Copy, PartialEq, Message)]
pub struct ValueType {
    /// What it is.
    #[prost(int64, tag = "1")]
    pub r#type: i64,
    /// The unit in which it is counted.
    #[prost(int64, tag = "2")]
    pub unit: i64,
}

/// A stack of a thread and how often it was seen.
#[derive(Clone, PartialEq, Message)]
pub struct Sample {
    /// Innermost first.
    #[prost(uint64, repeated, tag = "1")]
    pub location_id: Vec<u64>,
    /// One for each `sample_type`.
    #[prost(int64, repeated, tag = "2")]
    pub value: Vec<i64>,
    /// Whose it is.
    #[prost(message, repeated, tag = "3")]
    pub label: Vec<Label>,
}

/// Something to tell samples apart by.
#[derive(Clone, Copy, PartialEq, Message)]
pub struct Label {
    /// Its name; index of a text.
    #[prost(int64, tag = "1")]
    pub key: i64,
    /// Index of a text.
    #[prost(int64, tag = "2")]
    pub str: i64,
    /// Or a number.
    #[prost(int64, tag = "3")]
    pub num: i64,
}

/// What functions belong to.
#[derive(Clone, Copy, PartialEq, Message)]
pub struct Mapping {
    /// Not 0.
    #[prost(uint64, tag = "1")]
    pub id: u64,
    /// Its name; index of a text.
    #[prost(int64, tag = "5")]
    pub filename: i64,
    /// No function is left to be looked up.
    #[prost(bool, tag = "7")]
    pub has_functions: bool,
    /// Nor a name of a file.
    #[prost(bool, tag = "8")]
    pub has_filenames: bool,
    /// Nor a line.
    #[prost(bool, tag = "9")]
    pub has_line_numbers: bool,
    /// Nor a function that was compiled into another.
    #[prost(bool, tag = "10")]
    pub has_inline_frames: bool,
}

/// A line of a function.
#[derive(Clone, PartialEq, Message)]
pub struct Location {
    /// Not 0.
    #[prost(uint64, tag = "1")]
    pub id: u64,
    /// Whose.
    #[prost(uint64, tag = "2")]
    pub mapping_id: u64,
    /// One: nothing is inlined.
    #[prost(message, repeated, tag = "4")]
    pub line: Vec<Line>,
}

/// The line of a location.
#[derive(Clone, Copy, PartialEq, Message)]
pub struct Line {
    /// Of [`Function`], from 1 on.
    #[prost(uint64, tag = "1")]
    pub function_id: u64,
    /// 0 where there is none.
    #[prost(int64, tag = "2")]
    pub line: i64,
}

/// A function; indices of texts.
#[derive(Clone, Copy, PartialEq, Message)]
pub struct Function {
    /// Not 0.
    #[prost(uint64, tag = "1")]
    pub id: u64,
    /// For people.
    #[prost(int64, tag = "2")]
    pub name: i64,
    /// What else it is called.
    #[prost(int64, tag = "3")]
    pub system_name: i64,
    /// The file that its lines are of.
    #[prost(int64, tag = "4")]
    pub filename: i64,
    /// Where it begins.
    #[prost(int64, tag = "5")]
    pub start_line: i64,
}

/// The only mapping.
const PERL: u64 = 1;

/// Writes the whole profile.
///
/// # Errors
/// When `to` does not take it.
pub fn write(profile: &Profile, picture: &Picture, to: &mut dyn Write) -> io::Result<()> {
    let mut out = GzEncoder::new(to, Compression::default());
    let spots = Spots::new(profile, picture.by);
    let mut names = PprofTables {
        spots: &spots,
        texts: Texts::default(),
        locations: IndexSet::new(),
        functions: IndexSet::new(),
    };
    let head = head(profile, &picture.title, &mut names.texts);
    put(&head, &mut out)?;
    let period = nanos(profile.about.period().as_nanos());
    for ((thread, stack), count) in &profile.counts {
        let frames = spots.stack(profile.stacks.frames(*stack));
        let location_id = frames
            .into_iter()
            .map(|spot| names.location(spot))
            .collect();
        let count = i64::try_from(*count).unwrap_or(i64::MAX);
        let thread = profile.threads.get(*thread as usize);
        let sample = Sample {
            location_id,
            value: vec![count, count.saturating_mul(period)],
            label: thread.map_or_else(Vec::new, |t| labels(t, &mut names.texts)),
        };
        put(
            &Proto {
                sample: vec![sample],
                ..Proto::default()
            },
            &mut out,
        )?;
    }
    names.put(&mut out)?;
    out.finish()?.flush()
}

/// Writes one part of a profile.
fn put(part: &Proto, out: &mut impl Write) -> io::Result<()> {
    out.write_all(&part.encode_to_vec())
}

fn nanos(nanos: u128) -> i64 {
    i64::try_from(nanos).unwrap_or(i64::MAX)
}

/// All that is said once.
fn head(profile: &Profile, title: &str, texts: &mut Texts) -> Proto {
    let about = &profile.about;
    let time = ValueType {
        r#type: texts.of(if profile.has_waiting() { "wall" } else { "cpu" }),
        unit: texts.of("nanoseconds"),
    };
    let samples = ValueType {
        r#type: texts.of("samples"),
        unit: texts.of("count"),
    };
    let honest = stats::text(&profile.summary, about.rate);
    let says = [title, &about.made_by, &about.perl].into_iter();
    let says = says.chain(honest.lines()).filter(|text| !text.is_empty());
    let started = std::time::Duration::from_millis(about.started_ms);
    let took = std::time::Duration::try_from_secs_f64(profile.summary.duration_seconds);
    Proto {
        sample_type: vec![samples, time],
        mapping: vec![Mapping {
            id: PERL,
            filename: texts.of("perl"),
            has_functions: true,
            has_filenames: true,
            has_line_numbers: true,
            has_inline_frames: true,
        }],
        time_nanos: nanos(started.as_nanos()),
        duration_nanos: nanos(took.unwrap_or_default().as_nanos()),
        period_type: Some(time),
        period: nanos(about.period().as_nanos()),
        comment: says.map(|text| texts.of(text)).collect(),
        default_sample_type: time.r#type,
        ..Proto::default()
    }
}

fn labels(thread: &ThreadAbout, texts: &mut Texts) -> Vec<Label> {
    let text = |key: &str, text: &str, texts: &mut Texts| Label {
        key: texts.of(key),
        str: texts.of(text),
        num: 0,
    };
    let number = |key: &str, num: i64, texts: &mut Texts| Label {
        key: texts.of(key),
        str: 0,
        num,
    };
    vec![
        text("process", &thread.title, texts),
        text("thread", &thread.name(), texts),
        number("pid", thread.pid.number(), texts),
        number("tid", thread.os_tid.number(), texts),
    ]
}

/// The table of texts.
struct Texts(IndexSet<String>);

impl Default for Texts {
    fn default() -> Self {
        Texts(IndexSet::from([String::new()]))
    }
}

impl Texts {
    fn of(&mut self, text: &str) -> i64 {
        let index = match self.0.get_index_of(text) {
            Some(index) => index,
            None => self.0.insert_full(text.to_owned()).0,
        };
        i64::try_from(index).unwrap_or_default()
    }
}

/// What samples refer to.
struct PprofTables<'a> {
    spots: &'a Spots,
    texts: Texts,
    /// The id of a location is its index plus one.
    locations: IndexSet<Spot>,
    /// An entry and a file: where `#line` is at work a function has lines of several.
    functions: IndexSet<(u32, u32)>,
}

impl PprofTables<'_> {
    fn location(&mut self, spot: Spot) -> u64 {
        self.functions.insert((spot.entry, spot.file));
        id(self.locations.insert_full(spot).0)
    }

    /// Writes them, one by one.
    fn put(mut self, out: &mut impl Write) -> io::Result<()> {
        for (index, spot) in self.locations.iter().enumerate() {
            let function = self.functions.get_index_of(&(spot.entry, spot.file));
            let line = Line {
                function_id: function.map_or(0, id),
                line: spot.line.into(),
            };
            let location = Location {
                id: id(index),
                mapping_id: PERL,
                line: vec![line],
            };
            put(
                &Proto {
                    location: vec![location],
                    ..Proto::default()
                },
                out,
            )?;
        }
        for (index, (entry, file)) in self.functions.iter().enumerate() {
            let file = self.spots.file(*file);
            let start = self.spots.entry(*entry).filter(|e| &*e.file == file);
            let function = Function {
                id: id(index),
                name: self.texts.of(self.spots.title(*entry)),
                // The same name here would make pprof take what is in parentheses for C++.
                system_name: 0,
                filename: self.texts.of(file),
                start_line: start.map_or(0, |e| e.line.into()),
            };
            put(
                &Proto {
                    function: vec![function],
                    ..Proto::default()
                },
                out,
            )?;
        }
        for text in self.texts.0 {
            put(
                &Proto {
                    string_table: vec![text],
                    ..Proto::default()
                },
                out,
            )?;
        }
        Ok(())
    }
}

fn id(index: usize) -> u64 {
    u64::try_from(index).map_or(0, |index| index.saturating_add(1))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::output::synthetic;
    use std::fmt::Write as _;
    use std::io::Read;

    /// What a file says, in words.
    fn described(profile: &Profile) -> String {
        let mut file = Vec::new();
        write(profile, &Picture::default(), &mut file).unwrap();
        let mut plain = Vec::new();
        flate2::read::GzDecoder::new(&*file)
            .read_to_end(&mut plain)
            .unwrap();
        let proto = Proto::decode(&*plain).unwrap();
        let text = |index: i64| &proto.string_table[usize::try_from(index).unwrap()];
        let mut said = String::new();
        for sample in &proto.sample {
            let frames: Vec<String> = sample
                .location_id
                .iter()
                .map(|id| {
                    let location = proto.location.iter().find(|l| l.id == *id).unwrap();
                    let [line] = location.line[..] else { panic!() };
                    let function = |f: &&Function| f.id == line.function_id;
                    let function = proto.function.iter().find(function).unwrap();
                    let (name, file) = (text(function.name), text(function.filename));
                    let start = function.start_line;
                    format!("{name} ({file}:{} from {start})", line.line)
                })
                .collect();
            let labels: Vec<String> = sample
                .label
                .iter()
                .map(|l| format!("{}={}{}", text(l.key), text(l.str), l.num))
                .collect();
            writeln!(said, "{:?} {}", sample.value, labels.join(" ")).unwrap();
            writeln!(said, "    {}", frames.join("\n    ")).unwrap();
        }
        for comment in &proto.comment {
            writeln!(said, "# {}", text(*comment)).unwrap();
        }
        let value = |v: &ValueType| format!("{}/{}", text(v.r#type), text(v.unit));
        let types: Vec<String> = proto.sample_type.iter().map(value).collect();
        let period = proto.period_type.as_ref().map(value).unwrap();
        writeln!(
            said,
            "{types:?}, {} {period} from {} for {}",
            proto.period, proto.time_nanos, proto.duration_nanos
        )
        .unwrap();
        said
    }

    #[test]
    fn samples_with_their_lines_and_threads() {
        insta::assert_snapshot!(described(&synthetic::profile()));
    }

    #[test]
    fn without_waiting_it_is_cpu_time() {
        let said = described(&synthetic::busy());
        assert!(said.contains("\"cpu/nanoseconds\""), "{said}");
        assert!(!said.contains("\"wall/nanoseconds\""), "{said}");
    }
}
