//! Who reads files in our stead. Windows has nothing that would give a thread or a process the rights
//! of another user without his password, so that it is a thread of ours, with our rights. What it is
//! for is that files which do not answer make nobody else wait.

use super::opened::Handle;
use super::regular::Ground;
use super::users;
use crate::ids::Pid;
use crate::platform::{MappedFile, OpenError, Process};
use std::fs::File;
use std::io;
use std::path::Path;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// What a child may use; a thread has no limits.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Bytes.
    pub memory: u64,
    /// Seconds.
    pub cpu: u64,
}

/// Whose rights a process has.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Rights {
    /// Number of the user in this run (`users.rs`).
    pub user: u32,
}

/// A process, and whose it is.
#[derive(Debug)]
pub struct Owner {
    /// The process.
    pub pid: Pid,
    /// Whose it is.
    pub rights: Rights,
    key: OwnerKey,
}

/// What two processes have in common that may share a reader.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct OwnerKey(Rights);

impl Owner {
    /// Asks the system about a process.
    ///
    /// # Errors
    /// When it has ended, or may not be asked.
    pub fn of(process: Process) -> io::Result<Self> {
        let rights = Rights {
            user: users::user_of(process.pid())?,
        };
        Ok(Owner {
            pid: process.pid(),
            key: OwnerKey(rights.clone()),
            rights,
        })
    }

    /// What says whether two may share a reader.
    pub fn key(&self) -> &OwnerKey {
        &self.key
    }
}

/// Why a question has no answer.
#[derive(Debug, thiserror::Error)]
pub enum AskError {
    /// No thread can be started.
    #[error("no thread can be started that would read it: {0}")]
    Start(io::Error),
    /// It did not answer in time.
    #[error("the thread that reads it for us: it did not answer in time")]
    TimedOut,
    /// It has ended.
    #[error("the thread that reads it for us: it has ended")]
    Ended,
    /// What it said is no answer.
    #[error("the thread that reads it for us answered what cannot be understood")]
    Nonsense,
}

impl AskError {
    /// It took too long.
    pub fn is_time_out(&self) -> bool {
        matches!(self, AskError::TimedOut)
    }
}

type SentQuestion = (Vec<u8>, Option<File>);

/// A thread that answers. Dropped, it ends after its last answer.
#[derive(Debug)]
pub struct Confined {
    ends: Mutex<(Sender<SentQuestion>, Receiver<Vec<u8>>)>,
}

/// What the thread has.
pub struct Post<'a> {
    questions: &'a Receiver<SentQuestion>,
    answers: &'a Sender<Vec<u8>>,
}

impl Post<'_> {
    /// Answers questions until nobody asks any more.
    pub fn serve(&self, mut answer: impl FnMut(&Self, &[u8], Option<File>) -> Vec<u8>) {
        while let Ok((question, file)) = self.questions.recv() {
            if self.answers.send(answer(self, &question, file)).is_err() {
                return;
            }
        }
    }

    /// A file that is ours: none is elsewhere.
    pub fn ours(&self, _: &Path) -> Option<File> {
        None
    }

    /// The file as it was sent.
    ///
    /// # Errors
    /// None.
    pub fn readable(&self, file: File) -> Result<File, OpenError> {
        Ok(file)
    }

    /// The file of that name: the system lets nobody replace one that is mapped.
    ///
    /// # Errors
    /// [`OpenError`] when we may not read it, or it is no ordinary file.
    pub fn mapped(&self, file: &MappedFile) -> Result<File, OpenError> {
        Ground::OURS.open(&file.path)
    }

    /// Opens a file of the target.
    ///
    /// # Errors
    /// [`OpenError`] when there is none, we may not read it, or it is no ordinary file.
    pub fn open(&self, path: &Path) -> Result<File, OpenError> {
        Ground::OURS.open(path)
    }
}

impl Confined {
    /// Starts a thread; `serve` is all that it does.
    ///
    /// # Errors
    /// When the system has none left.
    pub fn start(_: &Owner, _: Limits, serve: fn(&Post<'_>)) -> io::Result<Self> {
        let (ask, questions) = channel();
        let (answers, hear) = channel();
        std::thread::Builder::new()
            .name("reader".into())
            .spawn(move || {
                serve(&Post {
                    questions: &questions,
                    answers: &answers,
                });
            })?;
        Ok(Confined {
            ends: Mutex::new((ask, hear)),
        })
    }

    /// Asks it something, with a file if there is one.
    ///
    /// # Errors
    /// [`AskError`]. It is of no use any more then.
    pub fn ask(
        &self,
        question: &[u8],
        file: Option<Handle<'_>>,
        patience: Duration,
        _fetch: &mut dyn FnMut(&[u8]) -> Option<File>,
    ) -> Result<Vec<u8>, AskError> {
        let ends = self.ends.lock().unwrap_or_else(PoisonError::into_inner);
        let (ask, hear) = &*ends;
        let file = file
            .map(File::try_clone)
            .transpose()
            .map_err(AskError::Start)?;
        ask.send((question.to_vec(), file))
            .map_err(|_| AskError::Ended)?;
        hear.recv_timeout(patience).map_err(|e| match e {
            RecvTimeoutError::Timeout => AskError::TimedOut,
            RecvTimeoutError::Disconnected => AskError::Ended,
        })
    }
}
