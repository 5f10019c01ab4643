//! Frames, stacks of them, and what people are shown: the words of profile, recording, output and
//! live view, which know nothing of where they come from.

mod frame;
pub(crate) mod label;
pub mod paths;
mod stacks;

pub use frame::*;
pub use stacks::*;
