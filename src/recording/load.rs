//! From a raw recording to a profile.

use super::parts::Parts;
use super::read::RecordingReader;
use super::{Block, RawError};
use crate::frames::{Frame, StackId};
use crate::profile::{
    About, BadProfile, Filter, MemoryBudget, NEW_NUMBERS, Profile, Room, Run, Source, Summary,
    ThreadAbout,
};
use crate::text::from_utf8;
use std::io::Read;
use std::time::Duration;

/// No name is longer, nor is any line about the whole.
const LONGEST: usize = 64 << 10;
/// Failures have no more kinds.
const KINDS: usize = 256;

/// What things take of memory, with what pictures need to know of each.
const OF_FRAME: usize = 512;
/// Each text of a frame is there up to so many times, shortened or with others.
const COPIES: usize = 4;
const OF_STACK: u64 = 96;
const OF_THREAD: usize = 512;
const OF_COUNT: u64 = 64;
const OF_RUN: u64 = 64;

/// The shortest that a file can say of one.
const FRAME: usize = 10;
const STACK: usize = 2;
const THREAD: usize = 4;
const PAIR: usize = 2;

/// Reads what passes the filter. `keeps_runs` asks for the samples by time, not only for counts.
/// A recording that was cut off gives what it has, and says so.
///
/// # Errors
/// [`RawError`] when it is none, or of another version, a whole block makes no sense, or it stands for more
/// than `room` has.
pub fn load(
    from: impl Read,
    filter: &Filter,
    keeps_runs: bool,
    room: &Room,
) -> Result<Profile, RawError> {
    let mut reader = RecordingReader::new(from)?;
    let mut budget = MemoryBudget::new(room.profile);
    let first = reader.block(&mut budget)?;
    let mut parts = Parts::new(first.as_deref().unwrap_or_default());
    let (Some(_), Ok(ABOUT)) = (&first, parts.take()) else {
        return Err(RawError::Damaged("it has no beginning"));
    };
    let about = checked(parts.take()?)?;
    let mut loader = Loader {
        profile: Profile::picked(about, filter.clone(), keeps_runs),
        budget,
        last: Duration::ZERO,
    };
    loader.profile.is_cut = true;
    loader.profile.room = *room;
    while let Some(block) = reader.block(&mut loader.budget)? {
        let mut parts = Parts::new(&block);
        match parts.take::<u32>() {
            Ok(ABOUT) => return Err(RawError::Damaged("it begins twice")),
            Ok(SAMPLES) => loader.samples(&mut parts)?,
            Ok(SOURCE) => loader.source(parts.take()?)?,
            Ok(INTERPRETERS) => loader.interpreters(&mut parts)?,
            Ok(END) => {
                loader.profile.summary = summary(&mut parts)?;
                loader.profile.is_cut = false;
                break;
            }
            // A later p5-spy may know more.
            _ => break,
        }
        loader.budget.give_back(block.len() as u64);
    }
    Ok(loader.profile)
}

/// Which [`Block`] it is, as the file has it.
const ABOUT: u32 = 0;
const SAMPLES: u32 = 1;
const SOURCE: u32 = 2;
const END: u32 = 3;
const INTERPRETERS: u32 = 4;

/// A new kind of block must be read here, too.
const _: fn(&Block) -> u32 = |block| match block {
    Block::About(_) => ABOUT,
    Block::Samples(_) => SAMPLES,
    Block::Source(_) => SOURCE,
    Block::End(_) => END,
    Block::Interpreters(_) => INTERPRETERS,
};

/// Everything that is said of the whole recording is said again in every picture.
fn checked(mut about: About) -> Result<About, RawError> {
    let texts = [
        &mut about.made_by,
        &mut about.title,
        &mut about.perl,
        &mut about.folder,
    ];
    for text in texts {
        if let Some(harmless) = harmless(text)? {
            *text = harmless;
        }
    }
    match about.rate == 0.0 || (1e-6..=1e9).contains(&about.rate) {
        true => Ok(about),
        false => Err(RawError::Damaged("its rate makes no sense")),
    }
}

/// Whoever wrote the file, nothing in it reaches a terminal that the terminal would obey. `None`
/// where the text can stay as it is.
fn harmless(text: &str) -> Result<Option<String>, RawError> {
    if text.len() > LONGEST {
        return Err(RawError::Damaged("a name in it is too long"));
    }
    let is_plain = text.bytes().all(|b| matches!(b, b' '..=b'~'));
    Ok((!is_plain).then(|| from_utf8(text.as_bytes())))
}

fn summary(parts: &mut Parts<'_>) -> Result<Summary, RawError> {
    let mut summary: Summary = parts.take_last(NEW_NUMBERS)?;
    let shown = |(kind, count): (String, u64)| (from_utf8(kind.as_bytes()), count);
    summary.errors = summary.errors.into_iter().map(shown).collect();
    let mut kinds = summary.errors.keys();
    let is_finite = summary.duration_seconds.is_finite() && summary.cpu_seconds.is_finite();
    match is_finite && summary.errors.len() <= KINDS && kinds.all(|kind| kind.len() <= LONGEST) {
        true => Ok(summary),
        false => Err(RawError::Damaged("its account makes no sense")),
    }
}

/// Puts a profile together from what the blocks have.
struct Loader {
    profile: Profile,
    budget: MemoryBudget,
    last: Duration,
}

impl Loader {
    fn samples(&mut self, parts: &mut Parts<'_>) -> Result<(), RawError> {
        for _ in 0..parts.length(FRAME)? {
            self.frame(parts.take()?)?;
        }
        for _ in 0..parts.length(STACK)? {
            let (caller, frame) = parts.take::<(u32, u32)>()?;
            self.budget.take(OF_STACK)?;
            fitting(self.profile.add_stack(caller.checked_sub(1), frame))?;
        }
        for _ in 0..parts.length(THREAD)? {
            self.thread(parts.take()?)?;
        }
        self.runs(parts)?;
        self.profile.summary = summary(parts)?;
        Ok(())
    }

    fn frame(&mut self, mut frame: Frame) -> Result<(), RawError> {
        let texts = [
            Some(&mut frame.name),
            Some(&mut frame.label),
            frame.detail.as_mut(),
            Some(&mut frame.file),
            Some(&mut frame.place.file),
            Some(&mut frame.start.file),
        ];
        let mut took = OF_FRAME;
        for text in texts.into_iter().flatten() {
            if let Some(harmless) = harmless(text)? {
                *text = harmless.into();
            }
            took += COPIES * text.len();
        }
        self.budget.take(took as u64)?;
        self.profile.add_frame(frame);
        Ok(())
    }

    fn thread(&mut self, mut thread: ThreadAbout) -> Result<(), RawError> {
        if let Some(harmless) = harmless(&thread.title)? {
            thread.title = harmless.into();
        }
        // The process and the thread may each become a frame of that name.
        let took = 2 * COPIES * thread.title.len() + OF_THREAD;
        self.budget.take(took as u64)?;
        self.profile.add_thread(thread);
        Ok(())
    }

    fn interpreters(&mut self, parts: &mut Parts<'_>) -> Result<(), RawError> {
        for _ in 0..parts.length(PAIR)? {
            let (thread, number) = parts.take::<(u32, u32)>()?;
            let thread = usize::try_from(thread).ok();
            let thread = thread.and_then(|index| self.profile.threads.get_mut(index));
            let thread = thread.ok_or(RawError::Damaged("its parts do not fit together"))?;
            thread.interpreter = Some(number);
        }
        Ok(())
    }

    fn runs(&mut self, parts: &mut Parts<'_>) -> Result<(), RawError> {
        let before = self.budget.left();
        let stack: Vec<u32> = parts.column(&mut self.budget)?;
        let thread: Vec<u32> = parts.column(&mut self.budget)?;
        let count: Vec<u32> = parts.column(&mut self.budget)?;
        let running: Vec<u8> = parts.column(&mut self.budget)?;
        let after: Vec<u64> = parts.column(&mut self.budget)?;
        let columns = before.saturating_sub(self.budget.left());
        let lengths = [thread.len(), count.len(), running.len(), after.len()];
        if lengths.iter().any(|length| *length != stack.len()) {
            return Err(RawError::Damaged("its parts do not fit together"));
        }
        let runs = stack.into_iter().zip(thread).zip(count).zip(running);
        for ((((stack, thread), count), running), after) in runs.zip(after) {
            self.last = self.last.saturating_add(Duration::from_micros(after));
            self.run(Run {
                stack: StackId::at(stack),
                thread,
                count,
                running: running != 0,
                at: self.last,
            })?;
        }
        self.budget.give_back(columns);
        Ok(())
    }

    fn run(&mut self, run: Run) -> Result<(), RawError> {
        let before = (self.profile.counts.len(), self.profile.runs.len());
        fitting(self.profile.add_run(run))?;
        if self.profile.counts.len() > before.0 {
            self.budget.take(OF_COUNT)?;
        }
        if self.profile.runs.len() > before.1 {
            self.budget.take(OF_RUN)?;
        }
        Ok(())
    }

    fn source(&mut self, mut source: Source) -> Result<(), RawError> {
        if let Some(harmless) = harmless(&source.file)? {
            source.file = harmless;
        }
        // The text itself has lines, and whoever draws it escapes each.
        if let Err(reason) = &mut source.text
            && let Some(harmless) = harmless(reason)?
        {
            *reason = harmless;
        }
        let text = source.text.as_ref().map_or_else(String::len, String::len);
        let took = source.file.len().saturating_add(text);
        self.budget.take((COPIES * took + OF_FRAME) as u64)?;
        self.profile.add_source(source);
        Ok(())
    }
}

fn fitting(added: Result<(), BadProfile>) -> Result<(), RawError> {
    added.map_err(|_| RawError::Damaged("its parts do not fit together"))
}
