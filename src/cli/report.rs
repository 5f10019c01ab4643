//! `p5-spy report`.

use super::record::outputs;
use super::shared::FoldArgs;
use super::values::{parse_moment, parse_pid, parse_size};
use super::{By, Format, Job, Output, Pick, mistake};
use crate::ids::Pid;
use crate::profile::Filter;
use clap::Args;
use clap::error::ErrorKind;
use std::path::PathBuf;
use std::time::Duration;

#[derive(Debug, Args)]
pub(super) struct ReportArgs {
    /// The raw recording; with --diff the earlier and the later one
    #[arg(value_name = "FILE", required = true, num_args = 1..=2)]
    files: Vec<PathBuf>,
    /// Compare two recordings: a flame graph of what has grown and shrunk, and the subs that did
    #[arg(long)]
    diff: bool,
    /// A file to write; - is standard output (may be given several times)
    #[arg(short, long, value_name = "FILE")]
    output: Vec<PathBuf>,
    /// The format of files whose names do not tell; of a single file, whatever its name
    #[arg(short, long, value_name = "FORMAT")]
    format: Option<Format>,
    /// What a frame stands for
    #[arg(long, value_name = "WHAT", default_value = "function")]
    by: By,
    /// Keep threads, and processes where there are several, apart
    #[arg(short, long)]
    threads: bool,
    /// Only this thread: the system's id, or perl's (may be given several times)
    #[arg(long, value_name = "TID")]
    thread: Vec<u64>,
    /// Only this process (may be given several times)
    #[arg(short, long, value_name = "PID", allow_negative_numbers = true, value_parser = parse_pid)]
    pid: Vec<Pid>,
    /// Only stacks with a function whose name matches
    #[arg(long, value_name = "REGEX")]
    sub: Option<regex::Regex>,
    /// Only from this moment of the recording on: seconds, or such as 5m30s
    #[arg(long, value_name = "TIME", allow_negative_numbers = true, value_parser = parse_moment)]
    from: Option<Duration>,
    /// Only up to this moment of the recording
    #[arg(long, value_name = "TIME", allow_negative_numbers = true, value_parser = parse_moment)]
    to: Option<Duration>,
    /// Count waiting threads too: wall-clock time instead of CPU time
    #[arg(long)]
    idle: bool,
    /// Show which op was running, and what a waiting thread waited in
    #[arg(long)]
    ops: bool,
    /// Leave out what ran in C below Perl
    #[arg(long)]
    perl_only: bool,
    #[command(flatten)]
    fold: FoldArgs,
    /// Show whole names of files, not those relative to @INC and to the program's working folder
    #[arg(long)]
    full_filenames: bool,
    /// Take up to so much memory, and write files as large: for a recording that is refused [default: what honest ones of its size need, at most 1G]
    #[arg(long, value_name = "SIZE", value_parser = parse_size)]
    max_memory: Option<u64>,
}

impl ReportArgs {
    pub(super) fn job(self) -> Result<Job, clap::Error> {
        let refuse = |message: &str| Err(mistake(ErrorKind::ArgumentConflict, message.to_owned()));
        let outputs = outputs(self.output, self.format)?;
        if outputs.iter().any(|o| o.format == Format::P5spy) {
            return refuse("a raw recording is copied with cp; report makes pictures of it");
        }
        let pick = Pick(Filter {
            threads: self.thread,
            pids: self.pid,
            sub: self.sub,
            from: self.from,
            to: self.to,
            idle: self.idle,
            ops: self.ops,
            without_native: self.perl_only,
        });
        let fold = self.fold.into();
        let mut files = self.files.into_iter();
        match (self.diff, files.next(), files.next()) {
            (true, Some(before), Some(after)) => {
                let is_known = |o: &Output| matches!(o.format, Format::Flamegraph | Format::Html);
                if !outputs.iter().all(is_known) {
                    return refuse(
                        "--diff draws a flame graph (-o FILE.svg) or a report (-o FILE.html)",
                    );
                }
                if self.threads {
                    return refuse(
                        "threads of two recordings cannot be told to be the same: leave out --threads, or pick one with --thread",
                    );
                }
                Ok(Job::Diff {
                    files: [before, after],
                    outputs,
                    pick,
                    fold,
                    by: self.by,
                    full_filenames: self.full_filenames,
                    max_memory: self.max_memory,
                })
            }
            (true, ..) => refuse(
                "--diff needs two recordings: p5-spy report --diff BEFORE.p5spy AFTER.p5spy -o diff.svg",
            ),
            (false, _, Some(_)) => refuse(
                "one recording at a time; to compare two: p5-spy report --diff BEFORE.p5spy AFTER.p5spy -o diff.svg",
            ),
            (false, Some(file), None) if !outputs.is_empty() => Ok(Job::Report {
                file,
                outputs,
                pick,
                fold,
                by: self.by,
                threads: self.threads,
                full_filenames: self.full_filenames,
                max_memory: self.max_memory,
            }),
            (false, file, None) => {
                let file = file.unwrap_or_default();
                Err(mistake(
                    ErrorKind::MissingRequiredArgument,
                    format!(
                        "what to make of it? p5-spy report {} -o report.html",
                        file.display()
                    ),
                ))
            }
        }
    }
}
