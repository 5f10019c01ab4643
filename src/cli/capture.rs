//! `p5-spy capture`.

use super::Job;
use super::shared::{ConfigArgs, LayoutArgs};
use super::values::parse_pid;
use crate::ids::Pid;
use clap::Args;
use std::path::PathBuf;

#[derive(Debug, Args)]
pub(super) struct CaptureArgs {
    /// The process to look at
    #[arg(short, long, value_name = "PID", allow_negative_numbers = true, value_parser = parse_pid)]
    pid: Pid,
    /// The file to write
    #[arg(short, long, value_name = "FILE")]
    output: PathBuf,
    #[command(flatten)]
    layout: LayoutArgs,
    #[command(flatten)]
    config: ConfigArgs,
}

impl CaptureArgs {
    pub(super) fn job(self) -> Job {
        Job::Capture {
            pid: self.pid,
            output: self.output,
            layout: self.layout.into(),
        }
    }
}
