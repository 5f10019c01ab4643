//! What the benchmarks of the sampler share: programs with a closed set of legal stacks, the judge
//! of those stacks, and the truth to hold the samples against.
#![allow(dead_code)] // Every benchmark uses its own part of this.

pub mod contact;
pub mod distance;
pub mod floor;
pub mod frozen;
pub mod perl;
pub mod pool;
pub mod programs;
pub mod rules;
pub mod trial;
