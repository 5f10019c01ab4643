//! Perl's values, read from memory: subs, globs, texts, ops.

pub mod context;
pub mod describe;
mod fingerprint;
pub mod objects;
pub(in crate::perl) mod op_types;
pub mod ops;
mod packages;
pub mod pads;
pub(in crate::perl) mod regex;
pub(in crate::perl) mod statement;
pub(in crate::perl) mod strings;
