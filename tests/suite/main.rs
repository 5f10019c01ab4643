//! The tests that need nothing to be arranged for them, in one program: it is linked once. Those apart are run by
//! scripts, or bring an allocator or a perl of their own.

#[path = "../fake_perl/mod.rs"]
mod fake_perl;
#[path = "../loudly/mod.rs"]
mod loudly;
#[path = "../interpreters/make.rs"]
mod make;
#[path = "../support/mod.rs"]
mod support;

mod bounds;
mod captures;
mod cli;
mod compiling;
mod contention;
#[cfg(target_os = "linux")]
mod corefiles;
mod cpan;
mod deep;
mod dependencies;
mod docs;
mod endings;
mod evals;
mod everyday;
mod fakes;
mod fates;
mod follow;
mod formats;
mod frames;
mod harmless;
mod hostile;
mod interpreters;
mod layouts;
mod linked;
mod live_view;
mod locals;
mod macho;
mod misfit;
mod names;
mod native;
mod packages;
mod pictures;
mod places;
mod plperl;
mod raw;
mod recording;
mod report;
mod rescued;
mod resting;
mod running;
mod spawn;
mod structure;
mod surroundings;
mod suspended;
mod without_symbols;
mod xsubs;
