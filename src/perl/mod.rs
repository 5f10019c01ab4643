//! Perl itself: which one it is, where its interpreters are, what is on their stacks.

pub mod identity;
pub mod locate;
pub mod names;
pub mod ops;
pub mod sample;
pub mod stack;
pub mod threads;
pub mod walk;
