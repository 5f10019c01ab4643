//! A child process that touches what belongs to another user in our stead: it has that user's
//! rights and no others, little memory and little time, and answers over a socket.
//!
//! The child is a fork without an exec: it needs no file of ours, which its new user might not be
//! allowed to run, and starts in a fraction of a millisecond. It cannot be traced, so that the user
//! whose rights it has can neither stop nor read it; to end it is all that he can do. How a process
//! gives up its rights is told by `confine` of each system.

mod channel;
mod confined;
mod reach;
mod rights;
mod step;

pub use crate::platform::confine::{Owner, OwnerKey, confine_program};
pub use channel::{Channel, ChannelError};
pub use confined::{AskError, Confined, Post};
pub use rights::Rights;
pub(crate) use rights::takes_ids;
pub use step::{ConfineError, Limits};
pub(crate) use step::{ConfineStep, limit};
