//! Whether the perl of a process may be run to learn its layout, how, and as whom.
//!
//! What is run is what the kernel says is running, held by its descriptor; no name of it is ever
//! looked up. A perl of ours runs as ourselves, one of another user's, if that is asked for at all,
//! as that user; both are confined (`platform/unix/sandbox/`).

use super::named::is_perl_name;
use crate::examine::Examiner;
use crate::image::Image;
use crate::layout::{Learn, Sources};
use crate::learn::{Learned, PerlStart, Program, learn};
use crate::platform::bytes::{path_of, word_of};
use crate::platform::execute::{LIBRARIES, Pinned, hindrance};
use crate::platform::sandbox::Owner;
use crate::platform::{MappedFile, PinnedFile, Process, effective_user};
use crate::remedy::{Notice, Remedy};
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

/// What learning from a process takes.
pub(super) struct Lesson<'a> {
    pub process: Process,
    pub examiner: &'a Examiner,
    /// The file that defines its perl.
    pub file: &'a MappedFile,
    pub sources: &'a Sources,
}

/// What is to be run.
struct Subject {
    path: PathBuf,
    program: PinnedFile,
    /// The perl, where the program is the loader that it was started through.
    loaded: Option<PinnedFile>,
}

impl Lesson<'_> {
    /// Learns, if that may be; the reason why not is told.
    pub fn learn(&self, image: &Image, warn: &mut dyn FnMut(Notice)) -> Option<Learned> {
        if self.sources.learn == Learn::Never {
            return None;
        }
        let start = match self.start() {
            Ok(start) => start,
            Err(why) => {
                warn(Notice {
                    text: format!("its layout was not learned: {}", why.text),
                    ..why
                });
                return None;
            }
        };
        let name = crate::text::from_utf8(start.name().as_os_str().as_encoded_bytes());
        let started = Instant::now();
        let learned = match learn(&start, &self.sources.tables) {
            Ok(learned) => learned,
            Err(e) => {
                warn(e.to_string().into());
                return None;
            }
        };
        warn(
            format!(
                "learned the layout of {name} by running it for {} ms",
                started.elapsed().as_millis()
            )
            .into(),
        );
        // A program that loads its perl from a library may have loaded another one.
        let (ran, runs) = (&learned.file, self.file);
        if (ran.inode, &ran.device) != (runs.inode, &runs.device) {
            warn(
                format!(
                    "but it now runs another perl ({}) than the process does: not used",
                    crate::text::from_utf8(ran.path.as_os_str().as_encoded_bytes())
                )
                .into(),
            );
            return None;
        }
        // Whoever's perl was run could have answered for it.
        if let Some(cache) = self
            .sources
            .cache
            .as_ref()
            .filter(|_| self.examiner.is_ours())
            && let Err(e) = cache.put(
                image,
                &learned.identity,
                &learned.resolved,
                &learned.symbols,
            )
        {
            warn(format!("what was learned could not be kept: {e}").into());
        }
        Some(learned)
    }

    /// How to start the same perl, or why that is not done.
    fn start(&self) -> Result<PerlStart, Notice> {
        let subject = self.subject()?;
        let shown = crate::text::from_utf8(subject.path.as_os_str().as_encoded_bytes());
        let owner =
            Owner::of(self.process).map_err(|e| Notice::from(format!("whose it is: {e}")))?;
        if let Some(why) = hindrance(&owner) {
            let why = format!("that means to run {shown}, and {why}");
            return Err(Notice::new(why, Remedy::LearnByHand));
        }
        if !self.examiner.is_ours() && self.sources.learn != Learn::Anybodys {
            let why = format!(
                "that means to run {shown}, and the process belongs to user id {} or is in a container",
                owner.rights.user
            );
            return Err(Notice::new(why, Remedy::LearnAsTheirs));
        }
        let mut users = vec![effective_user()];
        if !self.examiner.is_ours() {
            users = vec![owner.rights.user];
        }
        let all = [Some(&subject.program), subject.loaded.as_ref()];
        for file in all.into_iter().flatten() {
            if !file.is_safe_from_others(&users) {
                let why = format!(
                    "that means to run {shown}, which belongs to somebody else than root and its user, or which others may write"
                );
                return Err(Notice::new(why, Remedy::LearnByHand));
            }
        }
        if !subject.program.is_plain_program() {
            return Err(format!(
                "that means to run {shown}, which is no program, or one that takes its owner's rights"
            ).into());
        }
        Ok(self.like(subject, owner))
    }

    /// The program, if it takes perl's arguments: another one that has a perl in it does not.
    fn subject(&self) -> Result<Subject, Notice> {
        let failed =
            |e: std::io::Error| Notice::from(format!("its program cannot be looked at: {e}"));
        let program = self.process.pin_program().map_err(failed)?;
        let path = self.process.executable();
        let path = path.map_err(|e| Notice::from(e.to_string()))?;
        let file = self.examiner.pin(self.file).map_err(failed)?;
        let is_program = file.is_same(&program);
        if is_perl_name(&path) {
            return Ok(Subject {
                path,
                program,
                loaded: None,
            });
        }
        // Started through the dynamic loader, which is what the kernel calls the program.
        let perl = (!is_program).then(|| self.perl_beside(&program)).flatten();
        if let Some((path, loaded)) = perl {
            if self.examiner.is_ours() {
                return Ok(Subject {
                    path,
                    program,
                    loaded: Some(loaded),
                });
            }
            let shown = crate::text::from_utf8(path.as_os_str().as_encoded_bytes());
            let why = format!(
                "that means to run {shown} as the dynamic loader of another user's process was told to"
            );
            return Err(Notice::new(why, Remedy::LearnByHand));
        }
        let shown = crate::text::from_utf8(path.as_os_str().as_encoded_bytes());
        let why =
            format!("that means to run {shown}, which may be another program with a perl in it");
        Err(Notice::new(why, Remedy::LearnIfPerl(shown)))
    }

    /// A perl that is mapped though it is not the program that runs.
    fn perl_beside(&self, program: &PinnedFile) -> Option<(PathBuf, PinnedFile)> {
        let files = self.process.mapped_programs().ok()?;
        let perls = files.into_iter().filter(|file| is_perl_name(&file.path));
        let mut held = perls.filter_map(|file| Some((self.examiner.pin(&file).ok()?, file.path)));
        let (pinned, path) = held.find(|(pinned, _)| !pinned.is_same(program))?;
        Some((path, pinned))
    }

    /// For a process of our own user as it was started itself: through the same loader, with the same
    /// folders of libraries. What another user's process has on its command line and in its
    /// environment must not decide what we run.
    fn like(&self, subject: Subject, owner: Owner) -> PerlStart {
        let ours = self.examiner.is_ours();
        let mut start = PerlStart {
            environment: match ours {
                true => self.process.environment(LIBRARIES),
                false => Vec::new(),
            },
            is_ours: ours,
            ..PerlStart::default()
        };
        if subject.loaded.is_some() {
            start.arguments = self.words_before(&subject.path);
        }
        start.program = Program::Pinned(Pinned {
            name: subject.path,
            program: Arc::new(subject.program),
            loaded: subject.loaded.map(Arc::new),
            owner: Arc::new(owner),
        });
        start
    }

    /// What stands between the loader and the perl on the command line.
    fn words_before(&self, perl: &Path) -> Vec<OsString> {
        let words = self.process.command_line().unwrap_or_default();
        let is_perl = |word: &[u8]| {
            let word: &Path = &path_of(word);
            word == perl || word.file_name() == perl.file_name()
        };
        let at = words.iter().skip(1).position(|word| is_perl(word));
        let before = words.into_iter().skip(1).take(at.unwrap_or(0));
        before.map(word_of).collect()
    }
}
