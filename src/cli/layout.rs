//! `p5-spy layout-dump` and `p5-spy layout-learn`.

use super::shared::{ConfigArgs, LayoutArgs};
use super::values::parse_pid;
use super::{Job, LayoutSource, mistake};
use crate::ids::Pid;
use clap::Args;
use clap::error::ErrorKind;
use std::path::PathBuf;

#[derive(Debug, Args)]
pub(super) struct LayoutDumpArgs {
    /// A perl, or a library or program that contains one
    #[arg(value_name = "FILE", conflicts_with = "pid")]
    file: Option<PathBuf>,
    /// A running process, whose perl is taken
    #[arg(short, long, value_name = "PID", allow_negative_numbers = true, value_parser = parse_pid)]
    pid: Option<Pid>,
    #[command(flatten)]
    layout: LayoutArgs,
    #[command(flatten)]
    config: ConfigArgs,
}

impl LayoutDumpArgs {
    pub(super) fn job(self) -> Result<Job, clap::Error> {
        let source = match (self.file, self.pid) {
            (Some(file), _) => LayoutSource::File(file),
            (None, Some(pid)) => LayoutSource::Pid(pid),
            (None, None) => {
                return Err(mistake(
                    ErrorKind::MissingRequiredArgument,
                    "of which perl? Give a file: p5-spy layout-dump /usr/bin/perl, or a process: p5-spy layout-dump --pid PID".into(),
                ));
            }
        };
        Ok(Job::LayoutDump {
            source,
            layout: self.layout.into(),
        })
    }
}

#[derive(Debug, Args)]
pub(super) struct LayoutLearnArgs {
    /// The perl to run
    #[arg(value_name = "PERL")]
    program: PathBuf,
    /// The file to write [default: standard output]
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
    #[command(flatten)]
    layout: LayoutArgs,
    #[command(flatten)]
    config: ConfigArgs,
}

impl LayoutLearnArgs {
    pub(super) fn job(self) -> Job {
        Job::LayoutLearn {
            program: self.program,
            output: self.output,
            layout: self.layout.into(),
        }
    }
}
