//! Two profiles as one, whose threads are the earlier and the later one: then everything that the page
//! knows of a thread it knows of either side.

use crate::frames::{Frame, FrameId, FrameKind, FrameTable, StackId};
use crate::ids::{Pid, Tid};
use crate::profile::{Profile, Summary, ThreadAbout};
use serde::Serialize;
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

/// What the page says of either side.
#[derive(Debug, Serialize)]
pub(super) struct Side<'a> {
    pub(super) title: &'a str,
    pub(super) samples: u64,
    pub(super) summary: &'a Summary,
}

impl<'a> Side<'a> {
    pub(super) fn of(profile: &'a Profile) -> Self {
        Side {
            title: &profile.about.title,
            samples: profile.total(),
            summary: &profile.summary,
        }
    }
}

/// More lines are not compared with each other.
const MOST_LINES: usize = 200_000;

/// Both in one. Where a file has changed, the earlier samples stand where their lines are now.
pub(super) fn merged(before: &Profile, after: &Profile) -> (Profile, Vec<String>) {
    let mut both = Profile::default();
    both.about = after.about.clone();
    both.summary = after.summary.clone();
    both.is_cut = before.is_cut || after.is_cut;
    both.shortener = after.shortener.clone();
    both.room = after.room;
    both.sources = before.sources.clone();
    both.sources.extend(after.sources.clone());
    let moved = moved_lines(before, after);
    let begins = begins(before, after);
    let mut table = FrameTable::default();
    for (side, profile) in [before, after].into_iter().enumerate() {
        let name = ["before", "after"].get(side).copied().unwrap_or_default();
        both.threads.push(ThreadAbout {
            pid: Pid::default(),
            title: name.into(),
            os_tid: Tid::default(),
            perl_tid: None,
            interpreter: None,
        });
        let frames: Vec<FrameId> = profile
            .frames
            .iter()
            .map(|frame| match side {
                0 => table.intern(settled(frame, &moved, &begins)),
                _ => table.intern(frame.clone()),
            })
            .collect();
        let mut now: Vec<Option<StackId>> = Vec::with_capacity(profile.stacks.len());
        for (caller, frame) in profile.stacks.iter() {
            let caller = caller.and_then(|c| now.get(c.index()).copied().flatten());
            let frame = frames.get(frame.index());
            now.push(frame.map(|frame| both.stacks.intern(caller, *frame)));
        }
        let side = u32::try_from(side).unwrap_or(u32::MAX);
        for ((_, stack), count) in &profile.counts {
            if let Some(stack) = now.get(stack.index()).copied().flatten() {
                *both.counts.entry((side, stack)).or_default() += count;
            }
        }
    }
    both.frames = table.iter().cloned().collect();
    (both, moved.into_keys().collect())
}

/// By file, for each line of its earlier text the line that it is now.
type Moved = BTreeMap<String, Vec<u32>>;

/// What tells functions of one file apart, but for where they begin.
type FunctionKey = (FrameKind, Arc<str>, Arc<str>);

/// Where functions begin that are alone with their names in both.
fn begins(before: &Profile, after: &Profile) -> HashMap<FunctionKey, u32> {
    let [was, is] = [before, after].map(|profile| {
        let mut lines: HashMap<FunctionKey, Option<u32>> = HashMap::new();
        for frame in &profile.frames {
            lines
                .entry(function(frame))
                .and_modify(|line| *line = line.filter(|line| *line == frame.start.line))
                .or_insert(Some(frame.start.line));
        }
        lines
    });
    let both = is.into_iter().filter_map(|(function, line)| {
        was.get(&function).copied().flatten()?;
        Some((function, line?))
    });
    both.collect()
}

fn function(frame: &Frame) -> FunctionKey {
    (frame.kind, frame.label.clone(), frame.start.file.clone())
}

fn settled(frame: &Frame, moved: &Moved, begins: &HashMap<FunctionKey, u32>) -> Frame {
    let begin = begins.get(&function(frame)).copied();
    let start = frame.start.to_string();
    let mut frame = frame.clone();
    for place in [&mut frame.place, &mut frame.start] {
        let lines = moved.get(&*place.file);
        let index = (place.line as usize).checked_sub(1);
        if let Some(line) = lines.and_then(|lines| lines.get(index?)) {
            place.line = *line;
        }
    }
    match begin {
        Some(line) => frame.start.line = line,
        // What has no name has its place in its label.
        None => {
            let (was, is) = (format!("[{start}]"), format!("[{}]", frame.start));
            if was != is && frame.label.contains(&was) {
                frame.label = frame.label.replacen(&was, &is, 1).into();
            }
        }
    }
    frame
}

/// Files whose text has changed.
fn moved_lines(before: &Profile, after: &Profile) -> Moved {
    let texts = before.sources.iter().filter_map(|(file, was)| {
        let is = after.sources.get(file)?.as_ref().ok()?;
        let was = was.as_ref().ok().filter(|was| *was != is)?;
        let (was, is): (Vec<&str>, Vec<&str>) = (was.lines().collect(), is.lines().collect());
        let is_small = was.len().max(is.len()) <= MOST_LINES;
        is_small.then(|| (file.clone(), lines_now(&was, &is)))
    });
    texts.collect()
}

/// For each line of a text the line that it is in another: the same one, found from both ends and from
/// lines that stand once in both; else that of its neighbour above.
fn lines_now(was: &[&str], is: &[&str]) -> Vec<u32> {
    let mut found: Vec<Option<usize>> = vec![None; was.len()];
    let mut set = |at: usize, to: usize| {
        if let Some(slot) = found.get_mut(at) {
            *slot = Some(to);
        }
    };
    let same =
        |at: usize, to: usize| matches!((was.get(at), is.get(to)), (Some(a), Some(b)) if a == b);
    let shorter = was.len().min(is.len());
    let head = (0..shorter).take_while(|at| same(*at, *at)).count();
    let from_end = |n: &usize| same(was.len() - 1 - n, is.len() - 1 - n);
    let tail = (0..shorter - head).take_while(from_end).count();
    (0..head).for_each(|at| set(at, at));
    (0..tail).for_each(|n| set(was.len() - 1 - n, is.len() - 1 - n));
    let once = |text: &[&str], range: std::ops::Range<usize>| {
        let mut places: HashMap<String, Option<usize>> = HashMap::new();
        for at in range {
            let line = text.get(at).copied().unwrap_or_default().to_owned();
            places
                .entry(line)
                .and_modify(|p| *p = None)
                .or_insert(Some(at));
        }
        places
    };
    let (ours, theirs) = (
        once(was, head..was.len() - tail),
        once(is, head..is.len() - tail),
    );
    let mut anchors: Vec<(usize, usize)> = ours
        .iter()
        .filter_map(|(line, at)| Some(((*at)?, (*theirs.get(line)?)?)))
        .collect();
    anchors.sort_unstable();
    // In order in both: what was moved past its neighbours is left out.
    let mut last = None;
    for (at, to) in anchors {
        if last.is_some_and(|last| to <= last) {
            continue;
        }
        // Lines around it that stand more than once are the same, too.
        let mut step = 1;
        let room = at.min(to - last.map_or(0, |last| last + 1));
        while step <= room && at - step >= head && same(at - step, to - step) {
            set(at - step, to - step);
            step += 1;
        }
        last = Some(to);
        set(at, to);
        let mut step = 1;
        while same(at + step, to + step) && at + step < was.len() - tail {
            set(at + step, to + step);
            step += 1;
        }
    }
    // Between what is the same stands what was replaced: line by line, as far as there are as many.
    let mut lines = Vec::with_capacity(found.len());
    let mut above = 0;
    for (at, to) in found.iter().enumerate() {
        let line = to.unwrap_or_else(|| {
            let next = found.get(at..).unwrap_or_default().iter().flatten().next();
            let end = next.copied().unwrap_or(is.len());
            above.min(end.saturating_sub(1))
        });
        above = line + 1;
        lines.push(u32::try_from(line + 1).unwrap_or(u32::MAX));
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::output::synthetic;

    #[test]
    fn lines_are_found_again() {
        let was = [
            "use x;", "", "sub a {", "}", "", "sub b {", "1;", "}", "end",
        ];
        let is = [
            "use x;", "use y;", "", "sub a {", "}", "", "sub c {", "}", "sub b {", "2;", "}", "end",
        ];
        let now = lines_now(&was, &is);
        assert_eq!(now, [1, 3, 4, 5, 6, 9, 10, 11, 12]);
        assert_eq!(lines_now(&was, &was), [1, 2, 3, 4, 5, 6, 7, 8, 9]);
        assert_eq!(lines_now(&was, &[]), [1; 9]);
        assert!(lines_now(&[], &is).is_empty());
    }

    #[test]
    fn a_profile_and_itself_have_one_tree() {
        let profile = synthetic::profile();
        let (both, changed) = merged(&profile, &profile);
        assert_eq!(changed, [""; 0]);
        assert_eq!(both.stacks.len(), profile.stacks.len());
        assert_eq!(both.total(), 2 * profile.total());
        for ((side, stack), count) in &both.counts {
            assert_eq!(both.counts.get(&(1 - side, *stack)), Some(count));
        }
    }
}
