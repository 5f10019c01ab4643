//! `p5-spy record`, and which files a verb writes in which formats.

use super::shared::{FoldArgs, SessionArgs};
use super::values::{parse_duration, parse_signal};
use super::{By, Format, Job, Order, Output, Start, mistake};
use crate::platform::signals;
use clap::Args;
use clap::error::ErrorKind;
use std::path::PathBuf;
use std::time::Duration;

#[derive(Debug, Args)]
pub(super) struct RecordArgs {
    /// A file to write; - is standard output (may be given several times) [default: p5-spy-PID.svg]
    #[arg(short, long, value_name = "FILE")]
    pub(super) output: Vec<PathBuf>,
    /// The format of files whose names do not tell; of a single file, whatever its name
    #[arg(short, long, value_name = "FORMAT")]
    pub(super) format: Option<Format>,
    /// Begin to sample after so long
    #[arg(long, value_name = "TIME", allow_negative_numbers = true, value_parser = parse_duration)]
    pub(super) start_after: Option<Duration>,
    /// Begin to sample when p5-spy gets this signal (USR2, CONT, WINCH, URG, IO), pause with the next
    #[arg(long, value_name = "SIGNAL", value_parser = parse_signal, hide = !signals::ARE_SENT)]
    pub(super) trigger_signal: Option<i32>,
    /// What a frame stands for
    #[arg(long, value_name = "WHAT", default_value = "function")]
    pub(super) by: By,
    /// Keep threads, and processes where there are several, apart
    #[arg(short, long)]
    pub(super) threads: bool,
    /// Write the summary as JSON into this file
    #[arg(long, value_name = "FILE")]
    pub(super) stats: Option<PathBuf>,
    #[command(flatten)]
    pub(super) fold: FoldArgs,
    #[command(flatten)]
    pub(super) session: SessionArgs,
}

impl RecordArgs {
    pub(super) fn order(self, can_ask: bool) -> Result<Order, clap::Error> {
        record_as("record", self, can_ask)
    }
}

pub(super) fn record_as(
    words: &str,
    args: RecordArgs,
    can_ask: bool,
) -> Result<Order, clap::Error> {
    let subprocesses = args.session.target.subprocesses;
    let (aim, find) = args.session.target.aim(words, can_ask)?;
    let job = Job::Record {
        subprocesses,
        threads: args.threads,
        aim,
        sampling: args.session.sampling.settings(),
        show: args.session.show.into(),
        layout: args.session.layout.into(),
        format: args.format.unwrap_or(Format::Flamegraph),
        outputs: outputs(args.output, args.format)?,
        start: Start {
            after: args.start_after,
            on_signal: args.trigger_signal,
        },
        by: args.by,
        stats: args.stats,
        fold: args.fold.into(),
    };
    Ok(Order { job, find })
}

/// Files with their formats: the name tells, unless there is only one file and a format for it.
pub(super) fn outputs(
    files: Vec<PathBuf>,
    format: Option<Format>,
) -> Result<Vec<Output>, clap::Error> {
    let only = files.len() == 1;
    let one = |file: PathBuf| {
        let told = match (format, Format::of_file(&file)) {
            (Some(format), _) if only => Some(format),
            (other, by_name) => by_name.or(other),
        };
        match told {
            Some(format) => Ok(Output { file, format }),
            None if file.as_os_str() == "-" => Err(mistake(
                ErrorKind::MissingRequiredArgument,
                "standard output has no extension that could tell the format: add --format, such as --format collapsed".into(),
            )),
            None => {
                let known: Vec<String> = Format::ALL
                    .iter()
                    .map(|f| format!("{}: {}", f.ending(), f.name()))
                    .collect();
                Err(mistake(
                    ErrorKind::InvalidValue,
                    format!(
                        "{}: the extension of FILE does not tell the format ({}): add --format",
                        file.display(),
                        known.join(", ")
                    ),
                ))
            }
        }
    };
    files.into_iter().map(one).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::tests::parse;

    #[test]
    fn the_extension_decides_unless_told() {
        let format = |line: &str| match parse(line).unwrap() {
            Job::Record {
                outputs, format, ..
            } => outputs.first().map_or(format, |o| o.format),
            other => panic!("{other:?}"),
        };
        assert_eq!(format("p5-spy record -o a.svg -p 1"), Format::Flamegraph);
        assert_eq!(format("p5-spy record -o a.SVG -p 1"), Format::Flamegraph);
        assert_eq!(format("p5-spy record -o a.folded -p 1"), Format::Collapsed);
        assert_eq!(format("p5-spy record -o a.txt -p 1"), Format::Collapsed);
        assert_eq!(
            format("p5-spy record -o a.svg -f collapsed -p 1"),
            Format::Collapsed
        );
        assert_eq!(
            format("p5-spy record -o - -f collapsed -p 1"),
            Format::Collapsed
        );
        assert_eq!(format("p5-spy record -p 1"), Format::Flamegraph);
    }
}
