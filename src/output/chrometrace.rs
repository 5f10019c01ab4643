//! Trace events, for Perfetto and `chrome://tracing`: when each call was seen to begin and to end.
//!
//! Times are those of the clock: a call begins at the first sample that has it and ends at the
//! first that has not. Samples are taken at random distances, so that only on average a sample is
//! as long as the period; every call says exactly how many samples it had.

use super::Picture;
use super::spots::{Spot, Spots};
use super::timeline::APART;
use crate::ids::{Pid, Tid};
use crate::profile::{Profile, Run, ThreadAbout};
use indexmap::IndexMap;
use serde::Serialize;
use std::io::{self, Write};
use std::time::Duration;

#[derive(Serialize)]
struct Event<'a, A: Serialize> {
    ph: &'static str,
    name: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    cat: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    ts: Option<f64>,
    pid: Pid,
    tid: Tid,
    #[serde(skip_serializing_if = "Option::is_none")]
    args: Option<A>,
}

#[derive(Serialize)]
struct Where<'a> {
    file: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    line: Option<u32>,
}

/// How many samples a call had, and in how many of them it was innermost.
#[derive(Debug, Clone, Copy, Default, Serialize)]
struct CallSamples {
    samples: u64,
    own: u64,
}

#[derive(Serialize)]
struct Name<'a> {
    name: &'a str,
}

/// A call that has not ended yet.
#[derive(Debug)]
struct Open {
    entry: u32,
    samples: CallSamples,
}

/// What a thread of the system is doing.
#[derive(Debug, Default)]
struct Track {
    /// Index of the thread whose calls these are.
    thread: u32,
    open: Vec<Open>,
    /// When the last sample was taken.
    last: Duration,
    /// The last samples were this many in a row, whose times are not known one by one.
    in_a_row: u32,
}

impl Track {
    /// When the next sample is so late that what was seen before may have ended.
    fn patience(&self, period: Duration) -> Duration {
        let end = self.last.saturating_add(period.saturating_mul(APART));
        // The sum of many random distances is off by about the root of their number.
        end.saturating_add(period.saturating_mul(self.in_a_row.isqrt()))
    }
}

/// Writes the whole profile.
///
/// # Errors
/// When `to` does not take it.
pub fn write(profile: &Profile, picture: &Picture, to: &mut dyn Write) -> io::Result<()> {
    let spots = Spots::new(profile, picture.by);
    let title = serde_json::to_string(&picture.title)?;
    let maker = serde_json::to_string(&profile.about.made_by)?;
    write!(
        to,
        "{{\"displayTimeUnit\":\"ms\",\"otherData\":{{\"title\":{title},\"creator\":{maker},\"period_us\":{},\"started_ms\":{}}},\n\"traceEvents\":[",
        micros(profile.about.period()),
        profile.about.started_ms
    )?;
    let mut events = Events {
        to,
        spots: &spots,
        is_first: true,
    };
    let mut tracks: IndexMap<(Pid, Tid), Track> = IndexMap::new();
    let period = profile.about.period();
    for run in &profile.runs {
        let Some(thread) = profile.threads.get(run.thread as usize) else {
            continue;
        };
        let key = (thread.pid, thread.os_tid);
        let is_new = !tracks.contains_key(&key);
        let track = tracks.entry(key).or_default();
        if is_new || track.thread != run.thread {
            // An exec makes another program of a process.
            let end = track.last.saturating_add(period).min(run.at);
            events.close(key, track, 0, end)?;
            track.thread = run.thread;
            events.introduce(thread)?;
        }
        let mut stack = spots.stack(profile.stacks.frames(run.stack));
        stack.reverse();
        events.advance(key, track, run, &stack, period)?;
    }
    for (key, mut track) in tracks {
        let end = track.last.saturating_add(period);
        events.close(key, &mut track, 0, end)?;
    }
    writeln!(to, "\n]}}")
}

fn micros(time: Duration) -> f64 {
    time.as_nanos() as f64 / 1000.0
}

struct Events<'a, 'b> {
    to: &'b mut dyn Write,
    spots: &'a Spots,
    is_first: bool,
}

impl Events<'_, '_> {
    /// Takes a run of samples into account, whose stack is given outermost first.
    fn advance(
        &mut self,
        key: (Pid, Tid),
        track: &mut Track,
        run: &Run,
        stack: &[Spot],
        period: Duration,
    ) -> io::Result<()> {
        let same = |(open, spot): &(&Open, &Spot)| open.entry == spot.entry;
        let (kept, end) = if run.at > track.patience(period) {
            (0, track.last.saturating_add(period))
        } else {
            let kept = track.open.iter().zip(stack).take_while(same).count();
            (kept, run.at)
        };
        self.close(key, track, kept, end)?;
        for spot in stack.get(kept..).unwrap_or_default() {
            self.open(key, spot.entry, run.at)?;
            track.open.push(Open {
                entry: spot.entry,
                samples: CallSamples::default(),
            });
        }
        let count = u64::from(run.count);
        for open in &mut track.open {
            open.samples.samples = open.samples.samples.saturating_add(count);
        }
        if let Some(innermost) = track.open.last_mut() {
            innermost.samples.own = innermost.samples.own.saturating_add(count);
        }
        track.in_a_row = run.count;
        let others = run.count.saturating_sub(1);
        track.last = run.at.saturating_add(period.saturating_mul(others));
        Ok(())
    }

    fn open(&mut self, (pid, tid): (Pid, Tid), entry: u32, at: Duration) -> io::Result<()> {
        let about = self.spots.entry(entry);
        let place = about.filter(|e| !e.file.is_empty()).map(|e| Where {
            file: &e.file,
            line: Some(e.line).filter(|line| *line != 0),
        });
        self.event(&Event {
            ph: "B",
            name: self.spots.title(entry),
            cat: Some("perl"),
            ts: Some(micros(at)),
            pid,
            tid,
            args: place,
        })
    }

    /// Ends all calls but the outermost `kept`.
    fn close(
        &mut self,
        (pid, tid): (Pid, Tid),
        track: &mut Track,
        kept: usize,
        at: Duration,
    ) -> io::Result<()> {
        while track.open.len() > kept
            && let Some(ended) = track.open.pop()
        {
            self.event(&Event {
                ph: "E",
                // Not asked for by the format, but some viewers close nothing without it.
                name: self.spots.title(ended.entry),
                cat: None,
                ts: Some(micros(at)),
                pid,
                tid,
                args: Some(ended.samples),
            })?;
        }
        Ok(())
    }

    /// Says what a thread and its process are called.
    fn introduce(&mut self, thread: &ThreadAbout) -> io::Result<()> {
        let (pid, tid) = (thread.pid, thread.os_tid);
        for (what, name) in [
            ("process_name", &*thread.title),
            ("thread_name", &*thread.name()),
        ] {
            self.event(&Event {
                ph: "M",
                name: what,
                cat: None,
                ts: None,
                pid,
                tid,
                args: Some(Name { name }),
            })?;
        }
        Ok(())
    }

    fn event<A: Serialize>(&mut self, event: &Event<'_, A>) -> io::Result<()> {
        self.to
            .write_all(if self.is_first { b"\n" } else { b",\n" })?;
        self.is_first = false;
        Ok(serde_json::to_writer(&mut *self.to, event)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::output::synthetic;

    fn written(profile: &Profile) -> String {
        let mut file = Vec::new();
        write(profile, &Picture::default(), &mut file).unwrap();
        String::from_utf8(file).unwrap()
    }

    #[test]
    fn calls_of_three_threads() {
        insta::assert_snapshot!(written(&synthetic::profile()));
    }

    #[test]
    fn on_every_thread_calls_are_nested_and_time_goes_on() {
        let file: serde_json::Value =
            serde_json::from_str(&written(&synthetic::profile())).unwrap();
        let mut open: IndexMap<i64, (u32, f64)> = IndexMap::new();
        for event in file["traceEvents"].as_array().unwrap() {
            let (depth, last) = open.entry(event["tid"].as_i64().unwrap()).or_default();
            match event["ph"].as_str().unwrap() {
                "B" => *depth += 1,
                "E" => *depth = depth.checked_sub(1).unwrap(),
                _ => continue,
            }
            let ts = event["ts"].as_f64().unwrap();
            assert!(ts >= *last, "{event}");
            *last = ts;
        }
        assert!(open.values().all(|(depth, _)| *depth == 0));
        assert_eq!(open.len(), 3);
    }
}
