//! Perl itself, live: from an interpreter's memory to the frames of its stacks.

mod compiling;
pub mod leaf;
pub mod locals;
pub mod locate;
pub mod names;
pub mod sample;
pub mod stack;
pub mod values;
