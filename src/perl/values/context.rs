//! What reading perl's values needs to know of the target, and why one cannot be had.

use super::ops::OpNumbers;
use super::pads::Pads;
use crate::layout::BoundLayout;
use crate::memory::{Abi, Memory, ReadError};

/// What a name could not be had from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NameError {
    /// An object is not what it should be: freed, or not yet made.
    #[error("{0}")]
    Nonsense(&'static str),
    /// The target cannot be read.
    #[error(transparent)]
    Read(#[from] ReadError),
}

impl NameError {
    /// True when the reason is not the whole target's.
    pub(in crate::perl) fn is_of_one_object(&self) -> bool {
        use ReadError::{BadAddress, TooLong};
        match self {
            NameError::Nonsense(_) => true,
            NameError::Read(e) => matches!(e, BadAddress { .. } | TooLong { .. }),
        }
    }
}

/// A structure that was read is too short for what it should hold.
pub(in crate::perl) const SHORT: NameError =
    NameError::Nonsense("a structure is shorter than its members");

/// What resolving needs to know of the target.
#[derive(Clone, Copy)]
pub struct PerlView<'a> {
    /// The memory that is read.
    pub memory: &'a dyn Memory,
    /// Pointer size and byte order.
    pub abi: Abi,
    /// Offsets and constants.
    pub layout: &'a BoundLayout,
    /// Op numbers.
    pub ops: &'a OpNumbers,
    /// The address of `PL_compiling`, whose contents change all the time; 0 where unknown.
    pub compiling: u64,
    /// Where what ops refer to by an index is; `None` where nobody asks for it.
    pub pads: Option<Pads>,
}
