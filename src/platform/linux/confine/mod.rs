//! How a process gives up every right but those of one user, and whose those are.

mod owner;
mod seccomp;
mod steps;

pub use owner::{Owner, OwnerKey};
pub use steps::confine_program;
pub(crate) use steps::{call_itself_reader, confine_reader, own_descriptors};
