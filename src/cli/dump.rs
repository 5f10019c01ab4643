//! `p5-spy dump`.

use super::shared::{ConfigArgs, LayoutArgs, ShowArgs};
use super::values::{parse_name, parse_pid};
use super::{CoreChoice, CoreSource, Depth, Find, Job, Locals, Order, mistake};
use crate::ids::Pid;
use clap::Args;
use clap::error::ErrorKind;
use std::path::PathBuf;

#[derive(Debug, Args)]
pub(super) struct DumpArgs {
    /// Print one JSON document
    #[arg(long)]
    json: bool,
    /// Show the stacks of a file that p5-spy capture wrote
    #[arg(long, value_name = "FILE", hide = true, conflicts_with_all = ["pid", "name"])]
    capture: Option<PathBuf>,
    /// Show the stacks of a process that is no more by its core file, also one of gcore; or the last one of systemd-coredump: PID or "last"
    #[arg(long, value_name = "FILE", conflicts_with_all = ["pid", "name", "capture", "subprocesses"])]
    core: Option<PathBuf>,
    /// With --core: the program that the process ran, where it is not where it was
    #[arg(long, value_name = "FILE", requires = "core")]
    exe: Option<PathBuf>,
    /// With --core: a folder with the files of the machine that it is from
    #[arg(long, value_name = "FOLDER", requires = "core")]
    sysroot: Option<PathBuf>,
    /// Show each frame's @_; given twice, its lexical variables too: kinds, not values
    #[arg(short, long, action = clap::ArgAction::Count, conflicts_with = "capture")]
    locals: u8,
    /// With --locals: show the values too. There may be passwords among them
    #[arg(long, requires = "locals")]
    values: bool,
    /// Show what runs in C below Perl, too
    // Other verbs have more levels: the word takes a value, or none, everywhere.
    #[arg(
        long,
        conflicts_with = "capture",
        value_name = "LEVEL",
        num_args = 0..=1,
        require_equals = true,
        default_missing_value = "all",
        value_parser = ["all"],
        hide_possible_values = true
    )]
    native: Option<String>,
    /// The process to look at (may be given several times)
    #[arg(short, long, value_name = "PID", allow_negative_numbers = true, value_parser = parse_pid)]
    pid: Vec<Pid>,
    /// The processes whose command line matches this regular expression: one, or one with those below it
    #[arg(long, value_name = "REGEX", value_parser = parse_name)]
    name: Option<String>,
    /// Look at the processes that it started, too; it need not be a perl itself
    #[arg(short, long)]
    subprocesses: bool,
    #[command(flatten)]
    show: ShowArgs,
    #[command(flatten)]
    layout: LayoutArgs,
    #[command(flatten)]
    config: ConfigArgs,
}

impl DumpArgs {
    pub(super) fn order(self, can_ask: bool) -> Result<Order, clap::Error> {
        if let Some(file) = self.capture {
            return Ok(Job::DumpCapture {
                file,
                json: self.json,
                show: self.show.into(),
                layout: self.layout.into(),
            }
            .into());
        }
        let depth = Depth {
            locals: (self.locals > 0).then_some(Locals {
                lexicals: self.locals > 1,
                values: self.values,
            }),
            native: self.native.is_some(),
        };
        if let Some(file) = self.core {
            return Ok(Job::DumpCore {
                core: CoreChoice {
                    source: core_source(file),
                    sysroot: self.sysroot,
                    program: self.exe,
                },
                json: self.json,
                show: self.show.into(),
                depth,
                layout: self.layout.into(),
            }
            .into());
        }
        let find = match self.name {
            Some(name) => Some(Find::Name(name)),
            None if !self.pid.is_empty() => None,
            None if can_ask => Some(Find::Ask),
            None => {
                return Err(mistake(
                    ErrorKind::MissingRequiredArgument,
                    "which process? p5-spy dump --pid PID".into(),
                ));
            }
        };
        let job = Job::Dump {
            pids: self.pid,
            subprocesses: self.subprocesses,
            json: self.json,
            show: self.show.into(),
            depth,
            layout: self.layout.into(),
        };
        Ok(Order { job, find })
    }
}

/// A file, if there is one of that name; else a process, or `last`.
fn core_source(word: PathBuf) -> CoreSource {
    if word.exists() {
        return CoreSource::File(word);
    }
    match word.to_str() {
        Some("last") => CoreSource::Kept(None),
        Some(text) if text.parse::<i64>().is_ok() => CoreSource::Kept(text.parse().ok()),
        _ => CoreSource::File(word),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::tests::parse;

    #[test]
    fn variables_and_what_they_hold_are_asked_for_apart() {
        let locals = |line: &str| match parse(line) {
            Ok(Job::Dump { depth, .. }) => depth.locals.map(|l| (l.lexicals, l.values)),
            other => panic!("{other:?}"),
        };
        assert_eq!(locals("p5-spy dump -p 7"), None);
        assert_eq!(locals("p5-spy dump -p 7 --locals"), Some((false, false)));
        assert_eq!(locals("p5-spy dump -p 7 -l --values"), Some((false, true)));
        assert_eq!(locals("p5-spy dump -p 7 -ll"), Some((true, false)));
        assert!(parse("p5-spy dump -p 7 --values").is_err());
    }
}
