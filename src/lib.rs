//! p5-spy: a sampling profiler for running Perl programs.
//!
//! It reads the memory of a perl process from the outside and never stops it. The stacks of one:
//!
//! ```no_run
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! use p5_spy::{attach::Attach, layout::Sources, perl::names::NameOptions, platform::Process};
//! let sources = Sources::built_in();
//! let target = Attach::with(&sources).to(Process::open(12345.into())?, &mut |note| eprintln!("{}", note.text))?;
//! for stack in target.stacks(NameOptions::default())? {
//!     for frame in stack.frames? {
//!         println!("{} {}:{}", frame.name, frame.file, frame.line);
//!     }
//! }
//! # Ok(())
//! # }
//! ```
//!
//! `examples/` has a dump as JSON and ten seconds as collapsed stacks. A program that reads another
//! user's processes, or perls whose layout is in their debug information, must be able to be forked:
//! what parses files that others wrote is a child of it.
//!
//! # What is stable
//!
//! The command line is: its verbs and options, what its formats mean, and the recording's format, of
//! which every version that was released can be read. The library is made for p5-spy itself and
//! changes with it: before 1.0 any release may rename what is here. Least likely to change is what the
//! example uses. What begins with `pub(crate)` or is hidden is nobody's business.
//!
//! ARCHITECTURE.md has the rooms, and follows one sample from the command line to the picture.

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
pub mod corefile;
pub mod examine;
pub mod frames;
#[doc(hidden)]
pub mod fuzzing;
mod hash;
pub mod identity;
pub mod ids;
pub mod image;
pub mod layout;
pub mod learn;
pub mod memory;
pub mod native;
pub mod output;
mod packed;
pub mod perl;
pub mod platform;
pub mod probe;
pub mod profile;
pub mod recording;
pub mod remedy;
pub mod sampler;
#[doc(hidden)]
pub mod say;
pub mod text;
mod threads;
mod top;
