//! The file format of speedscope: a profile per thread, in order of time.
//!
//! A thread's axis is the time that was sampled of it, so that widths are the numbers of all other
//! formats; what it did while nothing was sampled takes no room.

use super::Picture;
use super::json::List;
use super::spots::Spots;
use super::timeline::Timeline;
use crate::frames::StackId;
use crate::profile::{Profile, ThreadAbout};
use indexmap::IndexMap;
use serde::{Serialize, Serializer};
use std::io::{self, Write};

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct File<'a, F: Serialize> {
    #[serde(rename = "$schema")]
    schema: &'static str,
    exporter: &'a str,
    name: &'a str,
    active_profile_index: u32,
    shared: Shared<F>,
    profiles: &'a [OneProfile<'a>],
}

#[derive(Serialize)]
struct Shared<F: Serialize> {
    frames: F,
}

#[derive(Serialize)]
struct Frame<'a> {
    name: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    file: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    line: Option<u32>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Sampled<S: Serialize, W: Serialize> {
    r#type: &'static str,
    name: String,
    unit: &'static str,
    start_value: f64,
    end_value: f64,
    samples: S,
    weights: W,
}

/// Writes the whole profile.
///
/// # Errors
/// When `to` does not take it.
pub fn write(profile: &Profile, picture: &Picture, to: &mut dyn Write) -> io::Result<()> {
    let spots = Spots::new(profile, picture.by);
    let timeline = Timeline::new(profile);
    let frames = List(|| {
        spots.iter().map(|(entry, title)| Frame {
            name: title,
            file: Some(&*entry.file).filter(|file| !file.is_empty()),
            line: Some(entry.line).filter(|line| *line != 0),
        })
    });
    let part = |whose| OneProfile {
        profile,
        spots: &spots,
        timeline: &timeline,
        whose,
    };
    let sampled = (0..)
        .zip(&profile.threads)
        .filter(|(index, _)| timeline.of(*index).next().is_some());
    let mut parts: Vec<OneProfile<'_>> = sampled
        .map(|(index, thread)| part(Whose::Thread(index, thread)))
        .collect();
    // What is seen first is what the other formats show.
    if parts.is_empty() || parts.len() > 1 && !profile.has_threads_apart() {
        parts.insert(0, part(Whose::All));
    }
    let file = File {
        schema: "https://www.speedscope.app/file-format-schema.json",
        exporter: &profile.about.made_by,
        name: &picture.title,
        active_profile_index: 0,
        shared: Shared { frames },
        profiles: &parts,
    };
    serde_json::to_writer(&mut *to, &file)?;
    writeln!(to)
}

/// Whose samples a profile has.
enum Whose<'a> {
    /// Everybody's, stack by stack: several threads have no order in time.
    All,
    /// The samples of one thread, by its index.
    Thread(u32, &'a ThreadAbout),
}

/// One of the profiles of a file.
struct OneProfile<'a> {
    profile: &'a Profile,
    spots: &'a Spots,
    timeline: &'a Timeline<'a>,
    whose: Whose<'a>,
}

impl Serialize for OneProfile<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let period = self.profile.about.period().as_secs_f64();
        let seconds = |count: u64| count as f64 * period;
        let stays = self.stays();
        let samples = List(|| {
            stays.iter().map(|(stack, _)| {
                let mut spots = self.spots.stack(self.profile.stacks.frames(*stack));
                spots.reverse();
                let entries: Vec<u32> = spots.into_iter().map(|spot| spot.entry).collect();
                entries
            })
        });
        let weights = List(|| stays.iter().map(|(_, count)| seconds(*count)));
        Sampled {
            r#type: "sampled",
            name: self.name(),
            unit: "seconds",
            start_value: 0.0,
            end_value: seconds(stays.iter().map(|(_, count)| count).sum()),
            samples,
            weights,
        }
        .serialize(serializer)
    }
}

impl OneProfile<'_> {
    fn name(&self) -> String {
        match self.whose {
            Whose::All => "all threads (not in order of time)".to_owned(),
            Whose::Thread(_, thread) => {
                format!("{} [{}], {}", thread.title, thread.pid, thread.name())
            }
        }
    }

    /// Stacks, each with how many samples in a row were of it.
    fn stays(&self) -> Vec<(StackId, u64)> {
        match self.whose {
            Whose::All => {
                let mut merged: IndexMap<StackId, u64> = IndexMap::new();
                for ((_, stack), count) in &self.profile.counts {
                    *merged.entry(*stack).or_insert(0) += count;
                }
                merged.into_iter().collect()
            }
            Whose::Thread(index, _) => {
                let mut stays: Vec<(StackId, u64)> = Vec::new();
                for run in self.timeline.of(index) {
                    match stays.last_mut() {
                        Some((stack, count)) if *stack == run.stack => {
                            *count += u64::from(run.count)
                        }
                        _ => stays.push((run.stack, u64::from(run.count))),
                    }
                }
                stays
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::output::{Picture, synthetic};

    fn written(profile: &Profile) -> String {
        let mut file = Vec::new();
        write(profile, &Picture::default(), &mut file).unwrap();
        String::from_utf8(file).unwrap()
    }

    #[test]
    fn each_thread_has_its_own_axis() {
        insta::assert_snapshot!(written(&synthetic::profile()));
    }

    #[test]
    fn threads_that_are_kept_apart_are_not_shown_together() {
        let mut profile = synthetic::busy();
        profile.keep_threads_apart();
        let file: serde_json::Value = serde_json::from_str(&written(&profile)).unwrap();
        let profiles = file["profiles"].as_array().unwrap();
        let names: Vec<&str> = profiles
            .iter()
            .map(|p| p["name"].as_str().unwrap())
            .collect();
        assert_eq!(
            names,
            [
                "perl shop.pl [100], thread 0 (OS 100)",
                "perl shop.pl [100], thread 1 (OS 101)",
                "worker [200], thread 200",
            ]
        );
    }

    #[test]
    fn nothing_is_a_profile_too() {
        let file: serde_json::Value = serde_json::from_str(&written(&Profile::default())).unwrap();
        assert_eq!(file["profiles"][0]["samples"], serde_json::json!([]));
    }
}
