//! Perl itself: which one it is, where its interpreters are, what is on their stacks.

pub mod arrays;
mod callback;
mod callee;
pub mod describe;
mod frame;
pub mod identity;
mod label;
pub mod leaf;
pub mod locals;
pub mod locate;
pub mod names;
mod naming;
mod objects;
mod op_types;
pub mod ops;
pub mod paths;
mod recheck;
pub mod references;
mod regex;
pub mod running;
pub mod sample;
pub mod stack;
mod statement;
pub mod texts;
pub mod threads;
pub mod unfinished;
pub mod walk;
