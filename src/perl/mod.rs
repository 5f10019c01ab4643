//! Perl itself: which one it is, where its interpreters are, what is on their stacks.

pub mod arrays;
mod callee;
pub mod describe;
mod frame;
pub mod identity;
pub mod locals;
pub mod locate;
pub mod names;
mod objects;
pub mod ops;
mod regex;
pub mod running;
pub mod sample;
pub mod stack;
mod statement;
pub mod threads;
pub mod walk;
