//! A flame chart in SVG: the stacks of each thread in the order of time, from the left to the right.

use super::Picture;
use super::flamegraph::{empty, options};
use super::spots::titles;
use super::timeline::{APART, Timeline};
use crate::frames::StackId;
use crate::profile::{Entries, MemoryBudget, Profile};
use inferno::flamegraph::from_lines;
use std::io::{self, Write};
use std::time::Duration;

/// The time is cut into so many pieces, which is finer than the picture's dots.
const PIECES: u32 = 2400;

/// Draws the whole profile, which must have its times. Threads follow one another.
///
/// # Errors
/// When `to` does not take it, or the lines take more memory than [`Profile::room`] has.
pub fn write(profile: &Profile, picture: &Picture, to: &mut dyn Write) -> io::Result<()> {
    let Some(span) = Span::of(profile) else {
        return to.write_all(empty(&picture.title, profile).as_bytes());
    };
    let entries = profile.entries(picture.by);
    let titles: Vec<String> = titles(&entries, profile)
        .into_iter()
        .map(|title| title.replace(';', "\\x{3b}"))
        .collect();
    let timeline = Timeline::new(profile);
    let busy = |thread: &u32| timeline.of(*thread).next().is_some();
    let threads: Vec<u32> = (0..).take(profile.threads.len()).filter(busy).collect();
    let mut budget = MemoryBudget::new(profile.room.held);
    let mut lines = Vec::new();
    // inferno adds them all up.
    let most = u128::from(u64::MAX) / (u128::from(PIECES) * (threads.len() as u128 + 1));
    for thread in &threads {
        let name = (threads.len() > 1).then(|| name(profile, *thread));
        for (stack, pieces) in stretches(&span.pieces(profile, &timeline, *thread)) {
            let mut words: Vec<&str> = name.as_deref().into_iter().collect();
            match stack {
                Some(stack) => words.extend(path(profile, &entries, &titles, stack)),
                None => words.push("(no sample)"),
            }
            let line = format!("{} {}", words.join(";"), span.units(pieces).min(most));
            // inferno keeps the line, and something for each of its frames.
            budget
                .take(2 * line.len() as u64)
                .map_err(io::Error::other)?;
            lines.push(line);
        }
    }
    let mut options = options(picture);
    let direction = "Time goes from the left to the right";
    options.subtitle = Some(match options.subtitle.take() {
        Some(more) => format!("{more} ({direction})"),
        None => direction.into(),
    });
    // inferno reads charts from their ends.
    options.flame_chart = true;
    lines.reverse();
    options.count_name = span.unit().into();
    from_lines(&mut options, lines.iter().map(String::as_str), to)
}

/// What a thread is called, which stands below its stacks.
fn name(profile: &Profile, thread: u32) -> String {
    let about = profile.threads.get(thread as usize);
    about.map_or_else(String::new, |t| {
        format!("process {}, {}", t.pid, t.name()).replace(';', "\\x{3b}")
    })
}

/// The words of a stack, outermost first.
fn path<'a>(
    profile: &Profile,
    entries: &Entries,
    titles: &'a [String],
    stack: StackId,
) -> Vec<&'a str> {
    let mut frames: Vec<_> = profile.stacks.frames(stack).collect();
    frames.reverse();
    let stack = entries.stack(frames.into_iter());
    let title = |entry: u32| titles.get(entry as usize).map(String::as_str);
    stack.into_iter().filter_map(title).collect()
}

/// Equal neighbours as one, with how many they are.
fn stretches(pieces: &[Option<StackId>]) -> impl Iterator<Item = (Option<StackId>, usize)> {
    let stretches = pieces.chunk_by(|a, b| a == b);
    stretches.filter_map(|stretch| Some((*stretch.first()?, stretch.len())))
}

/// The time that is shown.
struct Span {
    from: Duration,
    piece: Duration,
    period: Duration,
}

impl Span {
    /// From the first sample to the end of the last; `None` where there is none.
    fn of(profile: &Profile) -> Option<Self> {
        let period = profile.about.period().max(Duration::from_nanos(1));
        let from = profile.runs.iter().map(|run| run.at).min()?;
        let ends = profile.runs.iter().map(|run| {
            let length = period.saturating_mul(run.count);
            run.at.saturating_add(length)
        });
        let length = ends.max()?.saturating_sub(from);
        let piece = (length / PIECES).max(Duration::from_nanos(1));
        Some(Span {
            from,
            piece,
            period,
        })
    }

    fn index(&self, at: Duration) -> usize {
        let since = at.saturating_sub(self.from).as_nanos();
        let index = (since + self.piece.as_nanos() / 2) / self.piece.as_nanos();
        usize::try_from(index).map_or(PIECES as usize, |index| index.min(PIECES as usize))
    }

    /// Which stack a thread had in each piece. A sample stands for the time up to the next one, if
    /// that came soon.
    fn pieces(
        &self,
        profile: &Profile,
        timeline: &Timeline<'_>,
        thread: u32,
    ) -> Vec<Option<StackId>> {
        let mut pieces = vec![None; PIECES as usize];
        let mut runs = timeline.of(thread).peekable();
        while let Some(run) = runs.next() {
            let several = self.period.saturating_mul(run.count.saturating_sub(1));
            let last = run.at.saturating_add(several);
            let end = match runs.peek() {
                Some(next) => last
                    .saturating_add(self.period.saturating_mul(APART))
                    .min(next.at),
                None => last.saturating_add(self.period),
            };
            let covered = pieces.get_mut(self.index(run.at)..self.index(end));
            covered.into_iter().flatten().for_each(|piece| {
                *piece = Some(run.stack).filter(|s| s.index() < profile.stacks.len());
            });
        }
        pieces
    }

    /// What times are told in.
    fn unit(&self) -> &'static str {
        match self.piece >= Duration::from_millis(10) {
            true => "ms",
            false => "µs",
        }
    }

    fn units(&self, pieces: usize) -> u128 {
        let nanoseconds = self.piece.as_nanos().saturating_mul(pieces as u128);
        let unit = if self.unit() == "ms" { 1_000_000 } else { 1000 };
        (nanoseconds / unit).max(1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::frames::{Frame, FrameKind};
    use crate::ids::Pid;
    use crate::ids::Tid;
    use crate::profile::{About, Filter, Run, ThreadAbout};

    fn profile(runs: &[(u64, u32, u32)], threads: i32) -> Profile {
        let about = About {
            rate: 100.0,
            ..About::default()
        };
        let mut profile = Profile::picked(about, Filter::everything(), true);
        for name in ["(main)", "main::a", "main::b"] {
            let frame = Frame::new(FrameKind::Sub, name.into(), "x.pl".into(), 1);
            profile.add_frame(frame);
        }
        for (caller, frame) in [(None, 0), (Some(0), 1), (Some(0), 2)] {
            profile.add_stack(caller, frame).unwrap();
        }
        for os_tid in 1..=threads {
            profile.add_thread(ThreadAbout {
                pid: Pid::from(1),
                title: "".into(),
                os_tid: Tid::from(os_tid),
                perl_tid: None,
                interpreter: None,
            });
        }
        for (at, thread, stack) in runs {
            let run = Run {
                stack: StackId::at(*stack),
                thread: *thread,
                count: 1,
                running: true,
                at: Duration::from_millis(*at),
            };
            profile.add_run(run).unwrap();
        }
        profile
    }

    fn order(profile: &Profile, thread: u32) -> Vec<(Option<usize>, u64)> {
        let span = Span::of(profile).unwrap();
        let pieces = span.pieces(profile, &Timeline::new(profile), thread);
        let milliseconds = |pieces: usize| (span.piece.as_micros() * pieces as u128 / 1000) as u64;
        stretches(&pieces)
            .map(|(stack, pieces)| (stack.map(StackId::index), milliseconds(pieces)))
            .collect()
    }

    #[test]
    fn stacks_stand_where_they_were_seen() {
        // a twice, b, a gap of more than some periods, a.
        let profile = profile(&[(100, 0, 1), (110, 0, 1), (118, 0, 2), (300, 0, 1)], 1);
        let found = order(&profile, 0);
        let expected = [(Some(1), 18), (Some(2), 30), (None, 152), (Some(1), 10)];
        assert_eq!(found.len(), expected.len(), "{found:?}");
        for (found, expected) in found.iter().zip(expected) {
            assert_eq!(found.0, expected.0);
            assert!(found.1.abs_diff(expected.1) <= 1, "{found:?} {expected:?}");
        }
    }

    #[test]
    fn threads_follow_one_another_under_their_names() {
        let profile = profile(&[(0, 0, 1), (5, 1, 2), (10, 0, 2), (15, 1, 1)], 2);
        let mut picture = Vec::new();
        write(&profile, &Picture::default(), &mut picture).unwrap();
        let picture = String::from_utf8(picture).unwrap();
        for text in ["thread 1", "thread 2", "main::a", "main::b", "µs"] {
            assert!(picture.contains(text), "{text}");
        }
        let mut nothing = Vec::new();
        let empty = Profile::default();
        write(&empty, &Picture::default(), &mut nothing).unwrap();
        assert!(String::from_utf8(nothing).unwrap().contains("No samples"));
    }
}
