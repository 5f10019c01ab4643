//! The short form: flags without a verb.

use super::record::{RecordArgs, record_as};
use super::shared::{FoldArgs, SessionArgs};
use super::{Aim, By, Depth, Format, Job, Order, mistake};
use clap::Args;
use clap::error::ErrorKind;
use std::path::PathBuf;

#[derive(Debug, Args)]
pub(super) struct Short {
    /// Record a flame graph into this file (short for: record -o FILE)
    #[arg(long, value_name = "FILE")]
    flame: Option<PathBuf>,
    /// Print the call stack, now (short for: dump)
    #[arg(long)]
    dump: bool,
    /// With --dump: print one JSON document
    #[arg(long)]
    json: bool,
    /// With --flame: what a frame stands for
    #[arg(long, value_name = "WHAT")]
    by: Option<By>,
    /// With --flame: keep threads and processes apart
    #[arg(short, long)]
    threads: bool,
    /// With --flame: write the summary as JSON into this file
    #[arg(long, value_name = "FILE")]
    stats: Option<PathBuf>,
    #[command(flatten)]
    session: SessionArgs,
}

impl Short {
    pub(super) fn order(self, can_ask: bool) -> Result<Order, clap::Error> {
        let refuse = |message: &str| Err(mistake(ErrorKind::ArgumentConflict, message.to_owned()));
        let sampled = self.session.sampling.rate.is_some()
            || self.session.sampling.duration.is_some()
            || self.session.sampling.max_cpu.is_some()
            || self.session.sampling.native.is_some()
            || self.session.sampling.idle;
        if self.dump && self.flame.is_some() {
            return refuse("--dump prints one stack and --flame records many: use one of them");
        }
        if self.json && !self.dump {
            return refuse("--json goes with --dump: p5-spy --dump --json --pid PID");
        }
        if self.flame.is_none() && self.by.is_some() {
            return refuse("--by goes with --flame: p5-spy --flame FILE --by line --pid PID");
        }
        if self.flame.is_none() && self.threads {
            return refuse("--threads goes with --flame: p5-spy --flame FILE --threads --pid PID");
        }
        if self.flame.is_none() && self.stats.is_some() {
            return refuse(
                "--stats goes with --flame: p5-spy --flame FILE --stats STATS --pid PID",
            );
        }
        if self.dump {
            if sampled {
                return refuse(
                    "--dump looks once, so --rate, --duration, --idle and --max-cpu mean nothing to it; to look many times: p5-spy record -o FILE --pid PID",
                );
            }
            let subprocesses = self.session.target.subprocesses;
            return match self.session.target.aim("--dump", can_ask)? {
                (Aim::Pids(pids), find) => Ok(Order {
                    job: Job::Dump {
                        pids,
                        subprocesses,
                        json: self.json,
                        show: self.session.show.into(),
                        depth: Depth::default(),
                        layout: self.session.layout.into(),
                    },
                    find,
                }),
                (Aim::Start { .. }, _) => refuse(
                    "--dump looks at a program that runs already: p5-spy --dump --pid PID; to start one: p5-spy record -o FILE -- PROGRAM",
                ),
            };
        }
        match self.flame {
            Some(file) => record_as(
                "--flame FILE",
                RecordArgs {
                    output: vec![file],
                    format: Some(Format::Flamegraph),
                    start_after: None,
                    trigger_signal: None,
                    by: self.by.unwrap_or_default(),
                    threads: self.threads,
                    stats: self.stats,
                    fold: FoldArgs::default(),
                    session: self.session,
                },
                can_ask,
            ),
            None => self.session.top("", can_ask),
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::cli::tests::parse;

    #[test]
    fn short_forms_are_the_verbs() {
        for (short, long) in [
            ("p5-spy --pid 7", "p5-spy top --pid 7"),
            ("p5-spy -p 7 --rate 250", "p5-spy top -p 7 -r 250"),
            ("p5-spy -- perl x.pl -v", "p5-spy top -- perl x.pl -v"),
            (
                "p5-spy --flame f.svg --pid 7",
                "p5-spy record -o f.svg --pid 7",
            ),
            (
                "p5-spy --flame f --by line --stats s -d 2 -- perl",
                "p5-spy record -f flamegraph -o f --by line --stats s -d 2 -- perl",
            ),
            ("p5-spy --dump --pid 7", "p5-spy dump --pid 7"),
            ("p5-spy --dump -s --pid 7", "p5-spy dump -s --pid 7"),
            (
                "p5-spy --dump --json -p 7 --layouts l",
                "p5-spy dump --json --layouts l -p 7",
            ),
        ] {
            assert_eq!(parse(short).unwrap(), parse(long).unwrap(), "{short}");
        }
    }
}
