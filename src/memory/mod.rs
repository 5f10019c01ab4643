//! Reading another program's bytes: in batches, with every failure told apart.

mod abi;
mod batch;
mod fake;
mod paged;
mod prefetch;
mod reader;

pub use abi::{Abi, Field};
pub use batch::{Batch, Slot, cover};
pub use fake::FakeMemory;
pub use paged::Paged;
pub use prefetch::Prefetched;
pub use reader::Reader;

/// Why bytes of the target could not be had.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ReadError {
    /// The address is not mapped in the target (EFAULT).
    #[error("address {address:#x} is not mapped ({length} bytes wanted)")]
    BadAddress {
        /// First byte wanted.
        address: u64,
        /// Number of bytes wanted.
        length: usize,
    },
    /// The system forbids reading this process (EPERM, EACCES).
    #[error("no permission to read the memory of this process")]
    NoPermission,
    /// The process has ended (ESRCH).
    #[error("the process has ended")]
    NoSuchProcess,
    /// Any other errno.
    #[error("reading the target's memory failed with errno {0}")]
    Os(i32),
    /// A string or a structure is longer than any sane perl makes it.
    #[error("what is at {address:#x} is longer than {limit} bytes")]
    TooLong {
        /// Where it starts.
        address: u64,
        /// The bound that it broke.
        limit: usize,
    },
}

/// Something whose bytes can be read: a live process, a capture, an in-memory fake.
pub trait Memory: Send + Sync {
    /// Reads every range of `batch`. A range that is not mapped is left unread, which
    /// [`Batch::bytes`] reports as [`ReadError::BadAddress`].
    ///
    /// # Errors
    /// Only those that concern the target as a whole: it ended, or may not be read.
    fn fill(&self, batch: &mut Batch) -> Result<(), ReadError>;

    /// How many system calls have read the target so far.
    fn remote_reads(&self) -> u64 {
        0
    }
}

impl<M: Memory + ?Sized> Memory for std::sync::Arc<M> {
    fn fill(&self, batch: &mut Batch) -> Result<(), ReadError> {
        (**self).fill(batch)
    }
    fn remote_reads(&self) -> u64 {
        (**self).remote_reads()
    }
}
