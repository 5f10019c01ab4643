//! How a process gives up every right but those of one user, and whose those are. There is no filter of
//! system calls: the user's own rights and the limits are all that holds it.

mod owner;
mod steps;

pub use owner::{Owner, OwnerKey};
pub use steps::confine_program;
pub(crate) use steps::{call_itself_reader, confine_reader, own_descriptors};
