//! p5-spy: a sampling profiler for running Perl programs.
//!
//! It reads the memory of a perl process from the outside and never stops it. ARCHITECTURE.md
//! follows one sample from the command line to the picture; the modules below are the stations
//! of that road, top to bottom.

#![cfg_attr(
    not(test),
    deny(
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::indexing_slicing,
        clippy::panic,
        // They fail where nobody can read: see say.rs.
        clippy::print_stdout,
        clippy::print_stderr
    )
)]

pub mod attach;
pub mod capture;
pub mod cli;
pub mod commands;
pub mod examine;
pub mod frames;
#[doc(hidden)]
pub mod fuzzing;
mod hash;
pub mod identity;
pub mod image;
pub mod layout;
pub mod learn;
pub mod memory;
pub mod output;
pub mod perl;
pub mod platform;
pub mod probe;
pub mod profile;
pub mod recording;
pub mod sampler;
pub mod say;
pub mod text;
pub mod threads;
pub mod top;
