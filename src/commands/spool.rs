//! What a recording has so far, as a raw recording on disk, and the pictures made of it.

use super::haven::{Haven, Store, around, folders, keep, name_for};
use crate::cli::hints::{self, SamePicture};
use crate::cli::{By, Output};
use crate::examine::read_source;
use crate::frames::Frame;
use crate::ids::Pid;
use crate::output::stats::nothing;
use crate::output::{Format, Picture, render, write_whole};
use crate::platform::Process;
use crate::platform::{FileKind as Kind, files::Named};
use crate::profile::{
    About, Filter, Fold, Profile, Room, Run, SampleLog, Seen, Source, Summary, TooLarge,
};
use crate::recording::{Recorder, load};
use crate::sampler::Recording;
use anyhow::{Context, bail};
use std::collections::HashSet;
use std::io::{self, BufReader, Read, Seek, SeekFrom};
use std::path::Path;
use std::sync::{Mutex, PoisonError};

/// Where the recording comes from that pictures are made of.
#[derive(Debug, Clone, Copy)]
pub enum RecordingOrigin {
    /// It was made just now.
    Own,
    /// It is a file, of which nobody knows who made it. It may take so many bytes of memory, if the
    /// user said so.
    File(Option<u64>),
}

impl RecordingOrigin {
    /// What a recording of so many bytes may take.
    pub fn room(self, length: u64) -> Room {
        match self {
            RecordingOrigin::Own => Room::of_own(length),
            RecordingOrigin::File(asked) => Room::of_file(length, asked),
        }
    }
}

/// How pictures are made of a recording.
pub struct Pictures {
    /// The files.
    pub outputs: Vec<Output>,
    /// What a frame stands for.
    pub by: By,
    /// Whether threads are kept apart.
    pub threads: bool,
    /// Whether names of files are whole.
    pub full_filenames: bool,
    /// What counts.
    pub filter: Filter,
    /// Which frames vanish.
    pub fold: Fold,
    /// Where the recording comes from.
    pub origin: RecordingOrigin,
}

impl Pictures {
    /// The outputs that are raw recordings themselves.
    pub fn raw(&self) -> impl Iterator<Item = &Output> {
        let outputs = self.outputs.iter();
        outputs.filter(|output| output.format == Format::P5spy)
    }

    fn same(&self, needs_memory: bool) -> SamePicture<'_> {
        SamePicture {
            by: self.by,
            fold: &self.fold,
            threads: self.threads,
            full_filenames: self.full_filenames,
            filter: &self.filter,
            needs_memory,
        }
    }

    /// Makes all but the raw ones of a raw recording.
    ///
    /// # Errors
    /// The first problem; the other pictures are made all the same. `done` is told of each file.
    pub fn make(
        &self,
        from: &mut (impl Read + Seek),
        done: &mut dyn FnMut(&Output, &Profile),
    ) -> anyhow::Result<()> {
        let mut problem = Ok(());
        // Times cost memory, so that they are kept only for those that show them. What may block for
        // good, because nobody reads it, comes last.
        for (plain, needs_times) in [(true, false), (true, true), (false, false), (false, true)] {
            let wanted = |o: &&Output| {
                o.format != Format::P5spy
                    && o.format.needs_times() == needs_times
                    && is_plain(&o.file) == plain
            };
            let outputs: Vec<&Output> = self.outputs.iter().filter(wanted).collect();
            if outputs.is_empty() {
                continue;
            }
            let room = self.origin.room(from.seek(SeekFrom::End(0))?);
            from.seek(SeekFrom::Start(0))?;
            let reader = BufReader::new(&mut *from);
            let mut profile = load(reader, &self.filter, needs_times, &room)?;
            if let RecordingOrigin::File(_) = self.origin
                && let Some(why) = nothing(&profile)
            {
                bail!("no samples: {why}{}", hints::emptiness(&profile));
            }
            profile.fold(&self.fold);
            if !self.full_filenames {
                profile.shorten_files();
            }
            if self.threads {
                profile.keep_threads_apart();
            }
            let picture = Picture {
                by: self.by,
                title: format!("perl profile of {}", profile.about.title),
            };
            for output in outputs {
                let written = write_whole(&output.file, &mut |to| {
                    render(output.format, &profile, &picture, to)
                });
                match written {
                    Ok(()) => done(output, &profile),
                    Err(e) => problem = problem.and(Err(e)),
                }
            }
        }
        problem
    }
}

/// A raw recording in the making.
pub struct Spool {
    recorder: Recorder<Box<dyn Store>>,
    /// The texts of files are wanted.
    keeps_sources: bool,
    known_files: HashSet<String>,
}

impl Spool {
    /// Begins a recording, in the first file that is to be raw if there is one.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn new(about: About, outputs: &[Output]) -> anyhow::Result<Self> {
        let raw = outputs.iter().find(|o| is_raw_file(o));
        let recorder: Recorder<Box<dyn Store>> = match raw {
            // What is there stays until the new one has its beginning.
            Some(output) => {
                let problem = || format!("cannot write {}", output.file.display());
                let named = Named::find(&output.file).with_context(problem)?;
                let temporary = named.temporary().with_context(problem)?;
                let file = temporary.file.try_clone().with_context(problem)?;
                let recorder = Recorder::new(Box::new(file) as _, about).with_context(problem)?;
                temporary.keep(named.name()).with_context(problem)?;
                recorder
            }
            None => {
                let around = outputs.first().map(|output| around(&output.file));
                let haven = Haven::new(folders(around.as_deref(), true));
                Recorder::new(Box::new(haven) as _, about)?
            }
        };
        Ok(Spool {
            recorder,
            keeps_sources: outputs.iter().any(|o| o.format.needs_sources()),
            known_files: HashSet::new(),
        })
    }

    /// Takes over what was sampled since the last call.
    ///
    /// # Errors
    /// When the recording cannot be written to its file.
    pub fn take(
        &mut self,
        recording: &Mutex<Recording<SampleLog>>,
        summary: impl FnOnce(&Recording<SampleLog>) -> Summary,
    ) -> anyhow::Result<()> {
        let mut locked = recording.lock().unwrap_or_else(PoisonError::into_inner);
        let runs: Vec<Run> = locked.sink.drain();
        let so_far = summary(&locked);
        let chunk = self.recorder.chunk(&locked.seen, &runs, so_far);
        let pids = self.keeps_sources.then(|| pids(&locked.seen));
        drop(locked);
        let problem = "cannot write the raw recording";
        let sources = pids.map(|pids| self.sources(&chunk.frames, &pids));
        self.recorder.add(chunk).context(problem)?;
        for source in sources.into_iter().flatten() {
            self.recorder.source(source).context(problem)?;
        }
        Ok(())
    }

    /// The texts of files that were not met before.
    fn sources(&mut self, frames: &[Frame], pids: &[Pid]) -> Vec<Source> {
        let files = frames.iter().flat_map(|f| [&f.place.file, &f.start.file]);
        let mut new: Vec<String> = Vec::new();
        for file in files {
            if !self.known_files.contains(&**file) {
                self.known_files.insert(file.to_string());
                new.push(file.to_string());
            }
        }
        let mut found = Vec::new();
        for pid in pids {
            let Ok(process) = Process::open(*pid) else {
                continue;
            };
            let texts = new.iter().map(|file| {
                let bytes = read_source(process, Path::new(file));
                bytes.map(|b| decoded(&b)).map_err(|e| e.to_string())
            });
            let texts: Vec<Result<String, String>> = texts.collect();
            let is_last = Some(pid) == pids.last();
            let mut left = Vec::new();
            for (file, text) in new.into_iter().zip(texts) {
                if text.is_ok() || is_last {
                    found.push(Source { file, text });
                } else {
                    left.push(file);
                }
            }
            new = left;
            if new.is_empty() {
                return found;
            }
        }
        let gone = "the program had ended before it could be read";
        found.extend(new.into_iter().map(|file| Source {
            file,
            text: Err(gone.into()),
        }));
        found
    }

    /// Makes the pictures of what there is so far; the recording goes on.
    ///
    /// # Errors
    /// When the recording cannot be read back, or a picture cannot be written.
    pub fn picture(
        &mut self,
        pictures: &Pictures,
        done: &mut dyn FnMut(&Output, &Profile),
    ) -> anyhow::Result<()> {
        let made = make(self.recorder.store(), pictures, done);
        self.recorder.store().seek(SeekFrom::End(0))?;
        made
    }

    /// Ends the recording and makes the pictures.
    ///
    /// # Errors
    /// When the recording cannot be written to its end, or a picture cannot be written.
    pub fn finish(
        self,
        summary: Summary,
        pictures: &Pictures,
        done: &mut dyn FnMut(&Output, &Profile),
    ) -> anyhow::Result<()> {
        let mut store = self.recorder.finish(summary)?;
        let restored = restore(&mut store, pictures);
        let is_there = restored.is_ok();
        let mut done = |output: &Output, profile: &Profile| {
            if is_there || !is_raw_file(output) {
                done(output, profile);
            }
        };
        let made = make(&mut store, pictures, &mut done);
        made.and(restored)
            .map_err(|e| saved(&mut store, pictures, e))
    }

    /// Makes the pictures of a recording that cannot be written to its end.
    ///
    /// # Errors
    /// Those of the files; otherwise `why` it cannot.
    pub fn give_up(
        mut self,
        pictures: &Pictures,
        done: &mut dyn FnMut(&Output, &Profile),
        why: anyhow::Error,
    ) -> anyhow::Error {
        let store = self.recorder.store();
        match make(store, pictures, done) {
            Ok(()) => why,
            Err(e) => saved(store, pictures, e),
        }
    }
}

/// True for a raw recording that can be written as it grows, which a pipe cannot: pictures are made
/// of the file itself.
fn is_raw_file(output: &Output) -> bool {
    let is_file = || match Named::find(&output.file) {
        Ok(named) => matches!(named.kind, Kind::Missing | Kind::File),
        // The problem is said when it is opened.
        Err(_) => true,
    };
    output.format == Format::P5spy && output.file.as_os_str() != "-" && is_file()
}

/// An ordinary file, there or not: writing it waits for nobody.
fn is_plain(file: &Path) -> bool {
    file.as_os_str() != "-" && file.metadata().map_or(true, |about| about.is_file())
}

/// Perl's files are Latin-1 unless they are UTF-8.
fn decoded(bytes: &[u8]) -> String {
    match std::str::from_utf8(bytes) {
        Ok(text) => text.to_owned(),
        Err(_) => bytes.iter().map(|b| char::from(*b)).collect(),
    }
}

/// Processes that were sampled, the latest first: they may still be there.
fn pids(seen: &Seen) -> Vec<Pid> {
    /// A file that none of so many can read is left out.
    const ASKED: usize = 4;
    let mut pids: Vec<Pid> = seen.threads.iter().rev().map(|t| t.pid).collect();
    pids.dedup();
    pids.truncate(ASKED);
    pids
}

/// Makes all files but the one that is the store itself.
fn make(
    store: &mut Box<dyn Store>,
    pictures: &Pictures,
    done: &mut dyn FnMut(&Output, &Profile),
) -> anyhow::Result<()> {
    let itself = pictures.outputs.iter().find(|o| is_raw_file(o));
    // What may block for good, because nobody reads it, comes last.
    let (plain, special): (Vec<&Output>, Vec<&Output>) =
        pictures.raw().partition(|output| is_plain(&output.file));
    let mut problem = copy_all(&plain, itself, store, done);
    problem = problem.and(pictures.make(store, done));
    problem.and(copy_all(&special, itself, store, done))
}

fn copy_all(
    outputs: &[&Output],
    itself: Option<&Output>,
    store: &mut Box<dyn Store>,
    done: &mut Done<'_>,
) -> anyhow::Result<()> {
    let mut problem = Ok(());
    for output in outputs {
        let written = match Some(*output) == itself {
            true => Ok(()),
            false => copy(store, &output.file),
        };
        match written {
            Ok(()) => done(output, &Profile::default()),
            Err(e) => problem = problem.and(Err(e)),
        }
    }
    problem
}

/// Who is told of each file that was written.
type Done<'a> = dyn FnMut(&Output, &Profile) + 'a;

/// Writes the raw recording once more where somebody has removed the file meanwhile.
fn restore(store: &mut Box<dyn Store>, pictures: &Pictures) -> anyhow::Result<()> {
    let is_gone = |output: &&Output| {
        let about = output.file.metadata();
        about.is_err_and(|e| e.kind() == io::ErrorKind::NotFound)
    };
    let mut raw = pictures.outputs.iter().filter(|o| is_raw_file(o));
    let Some(output) = raw.next().filter(is_gone) else {
        return Ok(());
    };
    store.rewind()?;
    copy(store, &output.file)
}

/// Sees to it that a recording outlives a picture that could not be made: says where it is, and how
/// to make the picture of it.
fn saved(store: &mut Box<dyn Store>, pictures: &Pictures, why: anyhow::Error) -> anyhow::Error {
    let raw = pictures.outputs.iter().find(|o| is_raw_file(o));
    let place = match raw.filter(|o| o.file.is_file()) {
        Some(output) => Ok(output.file.clone()),
        None => {
            let first = pictures.outputs.first().map(|o| o.file.as_path());
            let first = first.unwrap_or(Path::new("-"));
            keep(
                store,
                &folders(Some(&around(first)), false),
                &name_for(first),
            )
        }
    };
    let place = match place {
        Ok(place) => place,
        Err(e) => {
            let e = anyhow::Error::from(e);
            return e.context(format!("{why:#}; the samples could not be kept elsewhere"));
        }
    };
    let same = pictures.same(why.is::<TooLarge>());
    let commands: Vec<String> = pictures
        .outputs
        .iter()
        .filter(|output| output.format != Format::P5spy)
        .map(|output| same.command(&place, output))
        .collect();
    let how = match commands.as_slice() {
        [] => String::new(),
        commands => format!(". To make the picture of them: {}", commands.join("; ")),
    };
    anyhow::anyhow!("{why:#}. The samples are in {}{how}", place.display())
}

fn copy(store: &mut Box<dyn Store>, file: &Path) -> anyhow::Result<()> {
    store.seek(SeekFrom::Start(0))?;
    write_whole(file, &mut |to| io::copy(store, to).map(|_| ()))
}
