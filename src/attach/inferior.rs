//! A perl in a process with its interpreters and threads, whether the process lives or is in a core file
//! (what gdb calls its inferior).

use super::first::Successor;
use super::threads::{RingSearch, Vacant};
use super::{AttachError, Perl, ProcessView};
use crate::ids::Tid;
use crate::memory::{Memory, ReadError, Reader};
use crate::perl::values::context::PerlView;
use crate::platform::Mapping;
use crate::threads::KeyLayout;
use crate::threads::libthr::Libthr;
use std::collections::HashMap;
use std::sync::atomic::AtomicUsize;
use std::sync::{Arc, Mutex, OnceLock};

/// A perl that was found and checked, and what is known of the process around it.
pub struct Inferior {
    /// The process.
    pub view: Arc<dyn ProcessView>,
    /// The memory that is read: the process's, or what stands in front of it.
    pub memory: Arc<dyn Memory>,
    /// The perl in it. Forks share it.
    pub perl: Arc<Perl>,
    /// The file that defines perl is the program itself, and no library of it.
    pub(super) is_the_program: bool,
    /// What is taken for its first interpreter, where it has destroyed that.
    pub(super) successor: Option<Successor>,
    /// The CV of `&DB::sub`, 0 where there is none.
    pub db_sub: u64,
    /// libc's description of thread-specific data, where it has one.
    pub(super) keys: OnceLock<Option<KeyLayout>>,
    /// The same of FreeBSD's libthr.
    pub(super) libthr: OnceLock<Option<Libthr>>,
    /// Where threads that ran no interpreter would tell of one.
    pub(super) vacant: Mutex<Vec<Vacant>>,
    /// What was mapped when it was attached to, for the first who asks.
    pub(super) mapped: Mutex<Option<Vec<Mapping>>>,
    /// The control blocks of its threads by the kernel's id, as far as they were found.
    pub(super) blocks: Mutex<HashMap<Tid, Option<u64>>>,
    /// The same where libc links them in a ring.
    pub(super) ring: Mutex<RingSearch>,
    /// Threads of which nothing tells whether they run Perl.
    pub(super) unread_threads: AtomicUsize,
}

impl Inferior {
    /// Nothing of its interpreters is known yet: [`Inferior::find_first`].
    pub(super) fn new(
        view: Arc<dyn ProcessView>,
        memory: Arc<dyn Memory>,
        perl: Arc<Perl>,
        is_the_program: bool,
    ) -> Self {
        Inferior {
            view,
            memory,
            perl,
            is_the_program,
            successor: None,
            db_sub: 0,
            keys: OnceLock::new(),
            libthr: OnceLock::new(),
            vacant: Mutex::default(),
            mapped: Mutex::default(),
            blocks: Mutex::default(),
            ring: Mutex::default(),
            unread_threads: AtomicUsize::new(0),
        }
    }

    pub(super) fn read_error(&self, cause: ReadError) -> AttachError {
        AttachError::Read {
            pid: self.view.pid(),
            cause,
        }
    }

    /// What resolving names needs.
    pub fn name_context(&self, compiling: u64) -> PerlView<'_> {
        self.perl.name_context(&self.memory, compiling)
    }

    pub(super) fn reader(&self) -> Reader<'_> {
        Reader::new(&self.memory, self.perl.identity.abi)
    }

    /// How often the target was read.
    pub fn remote_reads(&self) -> u64 {
        self.memory.remote_reads()
    }
}
