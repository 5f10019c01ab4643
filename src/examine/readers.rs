//! The children: one for each user and root whose files are read, for as long as they are of use.

use super::serve::serve;
use crate::platform::Process;
use crate::platform::bytes::path_of;
use crate::platform::opened::{self, Handle};
use crate::platform::sandbox::{AskError, Confined, Limits, Owner, OwnerKey};
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// As many are kept.
const MOST: usize = 4;
/// No perl's debug information takes more, nor does a source file that anybody reads.
const LIMITS: Limits = Limits {
    memory: 256 << 20,
    cpu: 20,
};
/// Debug information on a machine with far more to do than it can takes a second.
const PATIENCE: Duration = Duration::from_millis(4500);
/// Files that did not answer so often are not asked for again for a while.
const STRIKES: u32 = 2;
const BAN: Duration = Duration::from_secs(30);

static READERS: Mutex<Readers> = Mutex::new(Readers {
    kept: Vec::new(),
    silent: Vec::new(),
});

struct Readers {
    /// The one that was used last is the last.
    kept: Vec<(OwnerKey, Arc<Confined>)>,
    /// Owners whose files did not answer: how often, and when last.
    silent: Vec<(OwnerKey, u32, Instant)>,
}

/// A child and who it stands for.
#[derive(Clone)]
pub(super) struct ReaderChild {
    child: Arc<Confined>,
    key: OwnerKey,
    /// It served others before.
    pub(super) is_used: bool,
}

/// The child that reads for a process.
///
/// # Errors
/// In words, why there is none.
pub(super) fn reader(process: Process) -> Result<ReaderChild, String> {
    let owner = Owner::of(process).map_err(|e| match opened::is_gone(&e) {
        true => "the process has ended".to_owned(),
        false => format!("whose rights count cannot be told: {e}"),
    })?;
    let mut readers = READERS.lock().unwrap_or_else(PoisonError::into_inner);
    readers.silent.retain(|(_, _, when)| when.elapsed() < BAN);
    let is_silent =
        |(key, strikes, _): &(OwnerKey, u32, Instant)| key == owner.key() && *strikes >= STRIKES;
    if readers.silent.iter().any(is_silent) {
        return Err("files of this process did not answer before".into());
    }
    let known = readers.kept.iter().position(|(key, _)| key == owner.key());
    if let Some((key, child)) = known.map(|at| readers.kept.remove(at)) {
        readers.kept.push((key.clone(), child.clone()));
        return Ok(ReaderChild {
            child,
            key,
            is_used: true,
        });
    }
    let child = Confined::start(&owner, LIMITS, serve);
    let child = Arc::new(child.map_err(|e| AskError::Start(e).to_string())?);
    let key = owner.key().clone();
    readers.kept.push((key.clone(), child.clone()));
    if readers.kept.len() > MOST {
        readers.kept.remove(0);
    }
    Ok(ReaderChild {
        child,
        key,
        is_used: false,
    })
}

impl ReaderChild {
    /// Asks it.
    ///
    /// # Errors
    /// In words. The child is of no use any more then.
    pub(super) fn ask(
        &self,
        request: &super::request::FileRequest,
        file: Option<Handle<'_>>,
        fetch: &mut dyn FnMut(&Path) -> Option<std::fs::File>,
    ) -> Result<Vec<u8>, AskError> {
        let message = postcard::to_stdvec(request).map_err(|_| AskError::Nonsense)?;
        let mut fetch = |wanted: &[u8]| fetch(&path_of(wanted));
        let answer = self.child.ask(&message, file, PATIENCE, &mut fetch);
        if let Err(error) = &answer {
            self.forget(error);
        }
        answer
    }

    fn forget(&self, error: &AskError) {
        let mut readers = READERS.lock().unwrap_or_else(PoisonError::into_inner);
        readers
            .kept
            .retain(|(_, child)| !Arc::ptr_eq(child, &self.child));
        if !error.is_time_out() {
            return;
        }
        let now = Instant::now();
        match readers.silent.iter_mut().find(|(key, ..)| *key == self.key) {
            Some((_, strikes, when)) => (*strikes, *when) = (*strikes + 1, now),
            None => readers.silent.push((self.key.clone(), 1, now)),
        }
    }
}
