//! `p5-spy completions`, `p5-spy man` and `p5-spy doctor`.

use super::{Job, Shell};
use clap::{Args, ValueHint};
use std::path::PathBuf;

#[derive(Debug, Args)]
pub(super) struct CompletionsArgs {
    /// The shell
    #[arg(value_name = "SHELL")]
    shell: Shell,
}

#[derive(Debug, Args)]
pub(super) struct ManArgs {
    /// Write p5-spy.1 and the pages of all verbs into this folder
    #[arg(short, long, value_name = "FOLDER", value_hint = ValueHint::DirPath)]
    output: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(super) struct DoctorArgs {
    /// Print one JSON document
    #[arg(long)]
    json: bool,
}

impl DoctorArgs {
    pub(super) fn job(self) -> Job {
        Job::Doctor { json: self.json }
    }
}

impl CompletionsArgs {
    pub(super) fn job(self) -> Job {
        Job::Completions(self.shell)
    }
}

impl ManArgs {
    pub(super) fn job(self) -> Job {
        Job::Man {
            folder: self.output,
        }
    }
}
