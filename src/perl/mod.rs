//! Perl itself: which one it is, where its interpreters are, what is on their stacks.

pub mod arrays;
mod callback;
mod frame;
pub mod identity;
mod label;
pub mod locate;
pub mod names;
mod naming;
mod objects;
pub mod ops;
mod recheck;
pub mod sample;
pub mod stack;
mod statement;
pub mod threads;
pub mod walk;
