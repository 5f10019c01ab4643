//! All formats but pictures and pages give every function the same numbers of samples, read back from what they write.

use super::pprof::{Function, Proto};
use super::spots::Spots;
use super::{Format, Picture, render, synthetic};
use crate::frames::{Frame, FrameKind, Place, StackId};
use crate::ids::{Pid, Tid};
use crate::profile::{About, By, Filter, Profile, Run, ThreadAbout};
use proptest::prelude::*;
use prost::Message;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::io::Read;
use std::time::Duration;

/// Own and total samples by title.
#[derive(Debug, Default, PartialEq)]
struct SamplesByTitle(BTreeMap<String, (u64, u64)>);

impl SamplesByTitle {
    /// Counts a stack, outermost first.
    fn add(&mut self, stack: &[String], count: u64) {
        if let Some(innermost) = stack.last() {
            self.0.entry(innermost.clone()).or_default().0 += count;
        }
        for title in stack.iter().collect::<BTreeSet<_>>() {
            self.0.entry(title.clone()).or_default().1 += count;
        }
    }
}

/// What the profile itself has.
fn expected(profile: &Profile, spots: &Spots) -> SamplesByTitle {
    let mut numbers = SamplesByTitle::default();
    for ((_, stack), count) in &profile.counts {
        let stack = spots.stack(profile.stacks.frames(*stack)).into_iter().rev();
        let titles: Vec<String> = stack.map(|s| spots.title(s.entry).to_owned()).collect();
        numbers.add(&titles, *count);
    }
    numbers
}

fn written(format: Format, profile: &Profile, by: By) -> Vec<u8> {
    let picture = Picture {
        by,
        title: "x".into(),
    };
    let mut file = Vec::new();
    render(format, profile, &picture, &mut file).unwrap();
    file
}

fn plain(gzipped: &[u8]) -> Vec<u8> {
    let mut plain = Vec::new();
    flate2::read::GzDecoder::new(gzipped)
        .read_to_end(&mut plain)
        .unwrap();
    plain
}

fn number(value: &Value) -> u64 {
    value.as_u64().unwrap()
}

fn place(value: &Value) -> usize {
    usize::try_from(number(value)).unwrap()
}

fn collapsed(file: &[u8], spots: &Spots) -> SamplesByTitle {
    let titles: HashMap<String, &str> = spots.iter().map(|(e, title)| (e.text(), title)).collect();
    let mut numbers = SamplesByTitle::default();
    for line in std::str::from_utf8(file).unwrap().lines() {
        let (stack, count) = line.rsplit_once(' ').unwrap();
        let frames = stack.split(';').filter(|f| !f.is_empty());
        let unescaped = frames.map(|f| f.replace("\\x{3b}", ";"));
        let stack: Vec<String> = unescaped.map(|f| titles[&f].to_owned()).collect();
        numbers.add(&stack, count.parse().unwrap());
    }
    numbers
}

fn speedscope(file: &[u8], period: Duration) -> SamplesByTitle {
    let file: Value = serde_json::from_slice(file).unwrap();
    let frames = file["shared"]["frames"].as_array().unwrap();
    let of_thread = |p: &&Value| !p["name"].as_str().unwrap().starts_with("all threads");
    let mut numbers = SamplesByTitle::default();
    for profile in file["profiles"]
        .as_array()
        .unwrap()
        .iter()
        .filter(of_thread)
    {
        let weights = profile["weights"].as_array().unwrap();
        for (stack, weight) in profile["samples"].as_array().unwrap().iter().zip(weights) {
            let stack: Vec<String> = stack
                .as_array()
                .unwrap()
                .iter()
                .map(|frame| frames[place(frame)]["name"].as_str().unwrap().to_owned())
                .collect();
            let count = weight.as_f64().unwrap() / period.as_secs_f64();
            assert!((count - count.round()).abs() < 1e-6, "{count}");
            numbers.add(&stack, count.round() as u64);
        }
    }
    numbers
}

fn pprof(file: &[u8], period: Duration) -> SamplesByTitle {
    let proto = Proto::decode(&*plain(file)).unwrap();
    let functions: HashMap<u64, &Function> = proto.function.iter().map(|f| (f.id, f)).collect();
    let locations: HashMap<u64, &str> = proto
        .location
        .iter()
        .map(|l| {
            let name = functions[&l.line[0].function_id].name;
            (l.id, &*proto.string_table[usize::try_from(name).unwrap()])
        })
        .collect();
    let mut numbers = SamplesByTitle::default();
    for sample in &proto.sample {
        let stack = sample.location_id.iter().rev();
        let stack: Vec<String> = stack.map(|id| locations[id].to_owned()).collect();
        let [count, nanos] = sample.value[..] else {
            panic!("{sample:?}")
        };
        assert_eq!(
            i128::from(nanos),
            i128::from(count) * period.as_nanos() as i128
        );
        numbers.add(&stack, u64::try_from(count).unwrap());
    }
    numbers
}

/// What a function costs with all that it calls is added up as KCachegrind does it.
fn callgrind(file: &[u8], period: Duration) -> SamplesByTitle {
    let mut names: HashMap<String, String> = HashMap::new();
    let mut name = |text: &str| {
        let (id, name) = text.split_once(' ').unwrap_or((text, ""));
        if !name.is_empty() {
            names.insert(id.to_owned(), name.to_owned());
        }
        names[id].clone()
    };
    let mut numbers = SamplesByTitle::default();
    let (mut function, mut called, mut sum) = (String::new(), false, 0);
    let (mut summary, mut is_body) = (None, false);
    for line in std::str::from_utf8(file).unwrap().lines() {
        let pair = |text: &str| {
            let (samples, nanos) = text.split_once(' ').unwrap();
            let samples: u64 = samples.parse().unwrap();
            assert_eq!(nanos, (u128::from(samples) * period.as_nanos()).to_string());
            samples
        };
        if let Some(total) = line.strip_prefix("summary: ") {
            (summary, is_body) = (Some(pair(total)), true);
        } else if let Some(total) = line.strip_prefix("totals: ") {
            assert_eq!(Some(pair(total)), summary);
        } else if let Some(text) = line.strip_prefix("fn=") {
            function = name(text);
        } else if let Some(text) = line.strip_prefix("cfn=") {
            name(text);
        } else if line.starts_with("calls=") {
            called = true;
        } else if is_body && line.starts_with(|c: char| c.is_ascii_digit()) {
            let samples = pair(line.split_once(' ').unwrap().1);
            let numbers = numbers.0.entry(function.clone()).or_default();
            if !std::mem::take(&mut called) {
                numbers.0 += samples;
                sum += samples;
            }
            numbers.1 += samples;
        }
    }
    assert_eq!(Some(sum), summary);
    numbers
}

fn firefox(file: &[u8]) -> SamplesByTitle {
    let file: Value = serde_json::from_slice(&plain(file)).unwrap();
    let mut numbers = SamplesByTitle::default();
    for thread in file["threads"].as_array().unwrap() {
        let name = |frame: &Value| {
            let function = place(&thread["frameTable"]["func"][place(frame)]);
            let name = place(&thread["funcTable"]["name"][function]);
            thread["stringArray"][name].as_str().unwrap().to_owned()
        };
        let samples = &thread["samples"];
        for index in 0..place(&samples["length"]) {
            let mut stack = Vec::new();
            let mut at = &samples["stack"][index];
            while !at.is_null() {
                stack.push(name(&thread["stackTable"]["frame"][place(at)]));
                at = &thread["stackTable"]["prefix"][place(at)];
            }
            stack.reverse();
            numbers.add(&stack, number(&samples["weight"][index]));
        }
    }
    numbers
}

fn chrometrace(file: &[u8]) -> SamplesByTitle {
    let file: Value = serde_json::from_slice(file).unwrap();
    let mut open: HashMap<(u64, u64), Vec<String>> = HashMap::new();
    let mut numbers = SamplesByTitle::default();
    for event in file["traceEvents"].as_array().unwrap() {
        let open = open
            .entry((number(&event["pid"]), number(&event["tid"])))
            .or_default();
        match event["ph"].as_str().unwrap() {
            "B" => open.push(event["name"].as_str().unwrap().to_owned()),
            "E" => {
                let title = open.pop().unwrap();
                let is_outermost = !open.contains(&title);
                let (own, total) = numbers.0.entry(title).or_default();
                *own += number(&event["args"]["own"]);
                if is_outermost {
                    *total += number(&event["args"]["samples"]);
                }
            }
            _ => {}
        }
    }
    assert!(open.values().all(Vec::is_empty));
    numbers
}

/// Reads back what every format makes of a profile.
fn check(profile: &Profile) {
    for by in [By::Function, By::Line, By::Package] {
        let spots = Spots::new(profile, by);
        let period = profile.about.period();
        let expected = expected(profile, &spots);
        let file = |format| written(format, profile, by);
        for format in Format::ALL {
            let numbers = match format {
                Format::Collapsed => collapsed(&file(format), &spots),
                Format::Speedscope => speedscope(&file(format), period),
                Format::Pprof => pprof(&file(format), period),
                Format::Callgrind => callgrind(&file(format), period),
                Format::Firefox => firefox(&file(format)),
                Format::Chrometrace => chrometrace(&file(format)),
                // Pictures and pages; a recording is no picture of a profile.
                Format::Flamegraph | Format::Flamechart | Format::Html | Format::P5spy => continue,
            };
            assert_eq!(numbers, expected, "{format:?} {by:?}");
        }
    }
}

#[test]
fn all_formats_agree_about_the_example() {
    check(&synthetic::profile());
    check(&synthetic::busy());
}

#[test]
fn the_same_profile_is_the_same_file() {
    for format in Format::ALL.into_iter().filter(|f| *f != Format::P5spy) {
        let file = || written(format, &synthetic::profile(), By::Function);
        assert_eq!(file(), file(), "{format:?}");
    }
}

#[test]
fn nothing_is_written_as_nothing() {
    check(&Profile::picked(About::default(), Filter::default(), true));
}

const KINDS: [FrameKind; 5] = [
    FrameKind::Main,
    FrameKind::Sub,
    FrameKind::Eval,
    FrameKind::Xsub,
    FrameKind::Synthetic,
];

/// What a run is made of: thread, stack, samples, whether the thread ran, and milliseconds since
/// the run before.
type Spell = (usize, usize, u32, bool, u64);

fn profile(
    frames: Vec<(usize, u8, u8, u32, u32)>,
    stacks: Vec<(usize, usize)>,
    spells: Vec<Spell>,
) -> Profile {
    let about = About {
        rate: 300.0,
        folder: "/srv".into(),
        ..About::default()
    };
    let mut profile = Profile::picked(about, Filter::everything(), true);
    for (kind, name, file, line, start) in frames {
        let file = ["a.pl", "lib/B.pm", "(eval)[a.pl:3]", "(unknown)"][usize::from(file) % 4];
        // As in a program, what is of another kind is called otherwise.
        let name = format!("P{}::f;{name}.{kind}", name % 3);
        let mut frame = Frame::new(KINDS[kind % KINDS.len()], name.into(), file.into(), line);
        let home = ["a.pl", "lib/B.pm", "(eval)", "(unknown)"][start as usize % 4];
        frame.start = Place {
            file: home.into(),
            line: if home == "(unknown)" { 0 } else { start },
        };
        profile.add_frame(frame);
    }
    let mut added: Vec<(Option<u32>, u32)> = Vec::new();
    for (caller, frame) in stacks {
        let caller = caller % (added.len() + 1);
        let caller = u32::try_from(caller).unwrap().checked_sub(1);
        let stack = (caller, u32::try_from(frame % profile.frames.len()).unwrap());
        if !added.contains(&stack) {
            profile.add_stack(stack.0, stack.1).unwrap();
            added.push(stack);
        }
    }
    for (pid, os_tid) in [(1, 1), (1, 2), (3, 3), (3, 3)] {
        profile.add_thread(ThreadAbout {
            pid: Pid::from(pid),
            title: format!("t{}", profile.threads.len()).into(),
            os_tid: Tid::from(os_tid),
            perl_tid: None,
            interpreter: None,
        });
    }
    let mut at = Duration::ZERO;
    for (thread, stack, count, running, after) in spells {
        at += Duration::from_millis(after);
        let run = Run {
            stack: StackId::at(u32::try_from(stack % added.len()).unwrap()),
            thread: u32::try_from(thread % 4).unwrap(),
            count: if running { 1 } else { count },
            running,
            at,
        };
        profile.add_run(run).unwrap();
    }
    profile
}

proptest! {
    #[test]
    fn all_formats_agree(
        frames in prop::collection::vec((0..5usize, 0..5u8, 0..4u8, 0..4u32, 0..6u32), 1..12),
        stacks in prop::collection::vec((0..40usize, 0..12usize), 1..40),
        spells in prop::collection::vec(
            (0..4usize, 0..40usize, 1..30u32, any::<bool>(), 0..12u64),
            0..60,
        ),
    ) {
        let mut frames = frames;
        let distinct: BTreeSet<_> = frames.drain(..).collect();
        check(&profile(distinct.into_iter().collect(), stacks, spells));
    }
}
