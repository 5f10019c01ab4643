//! A child process that touches what belongs to another user in our stead: it has that user's
//! rights and no others, little memory and little time, and answers over a socket.
//!
//! The child is a fork without an exec: it needs no file of ours, which its new user might not be
//! allowed to run, and starts in a fraction of a millisecond. It is not dumpable, so that the user
//! whose rights it has can neither trace nor read it; to end it is all that he can do.

mod channel;
mod confine;
mod confined;
mod owner;
mod reach;
mod seccomp;

pub use channel::{Channel, ChannelError};
pub use confine::{ConfineError, Limits, confine_program};
pub use confined::{AskError, Confined, Post};
pub use owner::{Owner, OwnerKey, Rights};
