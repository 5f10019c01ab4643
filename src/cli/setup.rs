//! `p5-spy setup`.

use super::Job;
use clap::Args;

#[derive(Debug, Args)]
pub(super) struct SetupArgs {}

impl SetupArgs {
    pub(super) fn job(self) -> Job {
        Job::Setup
    }
}
