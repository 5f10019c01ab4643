//! `p5-spy ps`.

use super::Job;
use super::shared::ConfigArgs;
use clap::Args;

#[derive(Debug, Args)]
pub(super) struct PsArgs {
    /// Print one JSON document
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    config: ConfigArgs,
}

impl PsArgs {
    pub(super) fn job(self) -> Job {
        Job::Ps { json: self.json }
    }
}
